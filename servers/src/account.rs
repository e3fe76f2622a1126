//! The account a server runs under. PostgreSQL refuses root, and MariaDB should.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::error::{During, Error, Result};

/// A user and group to run a server under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// The named account where this process is root, and none (its own) where it is not.
    pub(crate) fn of(name: &str) -> Result<Option<Self>> {
        if !is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").during(|| "read /etc/passwd".into())?;
        passwd.lines().find_map(|line| Self::parse(line, name)).map(Some).ok_or_else(|| {
            Error::Missing {
                what: format!("the account {name}"),
                hint: "the server's Debian package makes it: install the package again".into(),
            }
        })
    }

    fn parse(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Self { user, group })
    }

    /// The numbers of the user and the group.
    pub(crate) fn ids(self) -> (u32, u32) {
        (self.user, self.group)
    }

    /// Makes `command` run under this account.
    pub(crate) fn apply(self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }

    /// Gives `path` to this account.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        chown(path, Some(self.user), Some(self.group))
            .during(|| format!("change the owner of {}", path.display()))
    }
}

/// Whether this process may install packages and change accounts.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

//! A file system of so many KiB under one folder of a server, that a test can fill.
//!
//! It lies in memory and is seen by the server alone: it is mounted in a mount namespace that
//! begins with the server's first process and ends with its last, so that nothing is left mounted
//! whatever is killed. A write into it fails as on any full disk (`ENOSPC`).

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid};

use crate::account::Account;
use crate::error::{During, Error, Result};
use crate::program;

/// What takes the room up. It is made inside: this process, outside, may be a user that the
/// namespace does not know, and such a one may write there but own nothing.
const BALLAST: &str = "ballast";

/// Written at a time; the last ones are shorter.
const PIECE: [u8; 4096] = [0; 4096];

/// A folder of a server with a file system of its own.
#[derive(Debug, Clone)]
pub(crate) struct SmallDisk {
    folder: PathBuf,
    kib: u64,
    /// Made inside at the start.
    folders: Vec<String>,
}

impl SmallDisk {
    pub(crate) fn new(folder: PathBuf, kib: u64) -> Self {
        Self { folder, kib, folders: Vec::new() }
    }

    /// With these folders in it. Their names are plain words.
    pub(crate) fn with(mut self, folders: &[String]) -> Self {
        self.folders = folders.to_vec();
        self
    }

    /// Where the server sees it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program and the arguments that begin `server` with this disk. Every step becomes the
    /// next, so that the process that is started is the server.
    pub(crate) fn around(
        &self,
        account: Option<Account>,
        server: PathBuf,
        arguments: Vec<OsString>,
    ) -> Result<(PathBuf, Vec<OsString>)> {
        let unshare = program::find("unshare").ok_or_else(|| Error::Missing {
            what: "unshare".into(),
            hint: "run as root: apt-get install util-linux".into(),
        })?;
        // Root of a user namespace mounts; the server itself may not be root, so it is in a second
        // one who it was before.
        let (user, group) =
            account.map_or_else(|| (geteuid().as_raw(), getegid().as_raw()), Account::ids);
        let made: String =
            self.folders.iter().map(|name| format!("mkdir \"$0/{name}\" && ")).collect();
        let enter = format!(
            "mount -t tmpfs -o size={}k,mode=700 tmpfs \"$0\" && : > \"$0/{BALLAST}\" && {made}\
             exec unshare --user --map-user={user} --map-group={group} \"$@\"",
            self.kib
        );
        let mut around: Vec<OsString> =
            ["--map-root-user", "--mount", "sh", "-c", &enter].map(Into::into).into();
        around.push(self.folder.clone().into());
        around.push(server.into());
        around.extend(arguments);
        Ok((unshare, around))
    }

    /// Takes all the room that there is.
    pub(crate) fn fill(&self, process: u32) -> Result<()> {
        let path = self.ballast(process);
        let filling = || format!("fill {}", path.display());
        let mut ballast = File::options().append(true).open(&path).during(filling)?;
        let mut piece = &PIECE[..];
        while !piece.is_empty() {
            match ballast.write(piece) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => {
                    piece = &piece[..piece.len() / 2];
                }
                Err(error) => return Err(error).during(filling),
            }
        }
        Ok(())
    }

    /// Gives the room back.
    pub(crate) fn make_room(&self, process: u32) -> Result<()> {
        let path = self.ballast(process);
        File::create(&path).map(drop).during(|| format!("empty {}", path.display()))
    }

    /// As this process sees it, through one that lives in the namespace.
    fn ballast(&self, process: u32) -> PathBuf {
        let inside = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        Path::new("/proc").join(process.to_string()).join("root").join(inside).join(BALLAST)
    }
}

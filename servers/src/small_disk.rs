//! A file system of so many KiB under one folder of a server, that a test can fill.
//!
//! It lies in memory and is seen by the server alone: it is mounted in a mount namespace of its own.
//! A process that does nothing else holds that namespace, so that a server that dies of a full disk
//! finds its data again. That process ends with this one, whose end of a pipe the kernel closes, so
//! that nothing is left mounted whatever is killed. A write to the file system fails as on any full
//! disk (`ENOSPC`).

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{getegid, geteuid};

use crate::account::Account;
use crate::error::{During, Error, Result};
use crate::program;
use crate::server::isolate;

/// What takes the room up. It is made inside: this process, outside, may be a user that the
/// namespace does not know, and such a one may write there but own nothing. And it is made last:
/// where it is, all is.
const BALLAST: &str = "ballast";

/// Written at a time; the last ones are shorter.
const PIECE: [u8; 4096] = [0; 4096];

/// How long a mount may take. Moments are normal; a busy machine may take many of them.
const MOUNT_LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(5);

/// A folder of a server with a file system of its own, which goes when this is dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: PathBuf,
    account: Option<Account>,
    holder: Child,
}

impl SmallDisk {
    /// Mounts so many KiB on `folder` of `account`, and makes these folders in it; their names are
    /// plain words.
    pub(crate) fn mount(
        folder: &Path,
        kib: u64,
        account: Option<Account>,
        folders: &[String],
    ) -> Result<Self> {
        // A link on the way to it would lead from `/proc/*/root` back out of the namespace.
        let folder = folder.canonicalize().during(|| format!("look at {}", folder.display()))?;
        let made: String = folders.iter().map(|name| format!("mkdir \"$0/{name}\" && ")).collect();
        let hold = format!(
            "mount -t tmpfs -o size={kib}k,mode=700 tmpfs \"$0\" && {made}\
             : > \"$0/{BALLAST}\" && exec cat"
        );
        let mut command = Command::new(find("unshare")?);
        isolate(&mut command, Path::new("/"), account);
        let holder = command
            // Whoever made a user namespace is root in it, and may mount.
            .args(["--map-root-user", "--mount", "sh", "-c", &hold])
            .arg(&folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .during(|| "start the holder of a small disk".into())?;
        let mut disk = Self { folder, account, holder };
        disk.wait_until_mounted()?;
        Ok(disk)
    }

    fn wait_until_mounted(&mut self) -> Result<()> {
        let started = Instant::now();
        while !self.ballast().exists() {
            let asking = || "ask for the state of the holder of a small disk".into();
            if let Some(status) = self.holder.try_wait().during(asking)? {
                return Err(self.failure(status));
            }
            if started.elapsed() >= MOUNT_LIMIT {
                let folder = self.folder.display();
                return Err(Error::Request(format!(
                    "{folder} is not mounted after {MOUNT_LIMIT:?}"
                )));
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Why it ended at its start, as it said itself.
    fn failure(&mut self, status: ExitStatus) -> Error {
        let mut said = String::new();
        if let Some(stderr) = &mut self.holder.stderr
            && let Err(error) = stderr.read_to_string(&mut said)
        {
            said = format!("(its words cannot be read: {error})");
        }
        Error::Request(format!(
            "no small disk is mounted: {status}: {}\nhint: may this user make user namespaces?",
            said.trim()
        ))
    }

    /// Where the server sees it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What begins `server` with this disk, its own arguments still to come. Every step becomes the
    /// next, so that the process that is started is the server.
    pub(crate) fn command(&self, server: &Path) -> Result<Command> {
        // The server itself may not be root, so it is in a second namespace who it was before.
        let (user, group) =
            self.account.map_or_else(|| (geteuid().as_raw(), getegid().as_raw()), Account::ids);
        let mut command = Command::new(find("nsenter")?);
        command
            .args(["--user", "--mount", &format!("--target={}", self.holder.id())])
            // It would give up its groups on the way, which such a namespace forbids.
            .arg("--preserve-credentials")
            .arg(find("unshare")?)
            .args(["--user", &format!("--map-user={user}"), &format!("--map-group={group}")])
            .arg(server);
        Ok(command)
    }

    /// Takes all the room that there is.
    pub(crate) fn fill(&self) -> Result<()> {
        let path = self.ballast();
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
    pub(crate) fn make_room(&self) -> Result<()> {
        let path = self.ballast();
        File::create(&path).map(drop).during(|| format!("empty {}", path.display()))
    }

    /// As this process sees it, through the one that lives in the namespace.
    fn ballast(&self) -> PathBuf {
        let inside = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        let holder = Path::new("/proc").join(self.holder.id().to_string());
        holder.join("root").join(inside).join(BALLAST)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Where it is gone already there is nothing left to end.
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

fn find(name: &str) -> Result<PathBuf> {
    program::find(name).ok_or_else(|| Error::Missing {
        what: name.into(),
        hint: "run as root: apt-get install util-linux".into(),
    })
}

//! A server's directory, and the clean-up of directories whose owner has died.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::account::Account;
use crate::error::{During, Error, Result};
use crate::lock;
use crate::process_family::{Family, is_running};
use crate::tool;
use crate::watchdog::Watchdog;

/// Making or sweeping directories takes moments; another process may be removing a large one.
const LOCK_LIMIT: Duration = Duration::from_secs(120);

/// Logs of failed servers that are kept.
const LOGS_KEPT: usize = 60;

/// The longest path of a socket is 107 bytes; the name in the directory takes some of them.
const PATH_BYTES_MAX: usize = 85;

/// What a server's main process can be called: nothing else is ever killed by a sweep.
const NAMES: [&str; 6] = ["mariadbd", "mysqld", "postgres", "redis-server", "java", "sh"];

/// A server's directory, with its watchdog. Its `owner` file is locked for as long as this value
/// lives; dropping it removes the directory.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) path: PathBuf,
    watchdog: Watchdog,
    _owner: File,
}

impl Home {
    /// Makes a new directory, that belongs to `account`. `signal` names the one that ends the
    /// server.
    pub(crate) fn make(kind: &str, account: Option<Account>, signal: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();
        let run = base_folder("run")?;
        // Held from the directory's birth until its owner file is locked: a sweep in another
        // process must never see it without an owner.
        let sweeping = lock::take(&base()?.join("sweep.lock"), LOCK_LIMIT)?;
        let mut swept = Ok(());
        SWEEP.call_once(|| swept = sweep(&run));
        swept?;
        let path = loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = run.join(format!("{kind}-{}-{number}", std::process::id()));
            if !path.exists() {
                break path;
            }
        };
        if path.as_os_str().len() > PATH_BYTES_MAX {
            return Err(Error::Request(format!(
                "{} is too long for a socket's path\nhint: set TMPDIR to a shorter one",
                path.display()
            )));
        }
        make_folder(&path)?;
        let owner = lock::take(&path.join("owner"), LOCK_LIMIT)?;
        account.map_or(Ok(()), |account| account.own(&path))?;
        drop(sweeping);
        let watchdog = Watchdog::start(&path, &base_folder("logs")?, signal)?;
        let home = Self { path, watchdog, _owner: owner };
        // For whoever finds this directory without an owner and without its watchdog.
        fs::write(home.path.join("group"), home.group().to_string())
            .during(|| format!("write into {}", home.path.display()))?;
        Ok(home)
    }

    /// The process group that the server's processes must be born into.
    pub(crate) fn group(&self) -> i32 {
        self.watchdog.group()
    }

    /// The server's processes.
    pub(crate) fn family(&self) -> Family {
        Family::new(self.group(), &self.name())
    }

    /// The directory's name, which no other server has at the same time.
    pub(crate) fn name(&self) -> String {
        name_of(&self.path)
    }

    /// Runs a program that prepares the directory. It dies with this process, as the server would.
    pub(crate) fn run(&self, command: &mut Command, limit: Duration) -> Result<String> {
        tool::run(command.process_group(self.group()), "", limit)
    }

    /// Makes a directory inside, that belongs to `account` alone.
    pub(crate) fn folder(&self, name: &str, account: Option<Account>) -> Result<PathBuf> {
        let path = self.path.join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .during(|| format!("make {}", path.display()))?;
        account.map_or(Ok(()), |account| account.own(&path))?;
        Ok(path)
    }

    /// The server's log.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Moves the log to where logs are kept, and says where.
    pub(crate) fn keep_log(&self) -> Option<PathBuf> {
        keep_log(&self.path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What cannot be removed now the watchdog or the next sweep removes.
        drop(fs::remove_dir_all(&self.path));
    }
}

fn name_of(home: &Path) -> String {
    home.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn keep_log(home: &Path) -> Option<PathBuf> {
    let kept = base_folder("logs").ok()?.join(name_of(home)).with_extension("log");
    fs::rename(home.join("log"), &kept).ok()?;
    Some(kept)
}

/// Kills and removes what is left of servers whose owner and watchdog both died.
fn sweep(run: &Path) -> Result<()> {
    for entry in fs::read_dir(run).during(|| format!("list {}", run.display()))? {
        let home = entry.during(|| format!("list {}", run.display()))?.path();
        if lock::try_take(&home.join("owner")).is_ok_and(|owner| owner.is_some()) {
            sweep_one(&home)?;
        }
    }
    prune_logs()
}

fn sweep_one(home: &Path) -> Result<()> {
    let group = fs::read_to_string(home.join("group")).ok().and_then(|text| text.parse().ok());
    if let Some(group) = group {
        if is_watchdog_of(group, home) {
            return Ok(()); // alive: it is doing this very work
        }
        // While a member of a group lives the kernel gives its number to no new process. So a
        // leader that runs means that the group died out, and that the number is a stranger's now.
        let family = Family::new(group, &name_of(home));
        if !is_running(group) && family.is_only_of(&NAMES) {
            family.kill()?;
        }
    }
    keep_log(home);
    drop(fs::remove_dir_all(home));
    Ok(())
}

fn is_watchdog_of(pid: i32, home: &Path) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(&*home.to_string_lossy())
}

fn prune_logs() -> Result<()> {
    let folder = base_folder("logs")?;
    let listing = fs::read_dir(&folder).during(|| format!("list {}", folder.display()))?;
    let mut logs: Vec<_> = listing
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    logs.sort_by(|left, right| right.cmp(left));
    for (_, log) in logs.into_iter().skip(LOGS_KEPT) {
        drop(fs::remove_file(log));
    }
    Ok(())
}

/// A directory of this user for all servers. Others may pass through (a server under its own
/// account must), but not list or write.
fn base() -> Result<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let path = env::temp_dir().join(format!("midflight-servers-{user}"));
    make_folder(&path)?;
    let owner = fs::metadata(&path).during(|| format!("look at {}", path.display()))?.uid();
    if owner == user {
        return Ok(path);
    }
    Err(Error::Request(format!("{} belongs to another user\nhint: set TMPDIR", path.display())))
}

/// A directory in [`base`], made where it is missing.
pub(crate) fn base_folder(name: &str) -> Result<PathBuf> {
    let path = base()?.join(name);
    make_folder(&path)?;
    Ok(path)
}

fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .mode(0o711)
        .recursive(true)
        .create(path)
        .during(|| format!("make {}", path.display()))
}

//! Lock files between processes. The kernel frees them when their holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{During, Error, Result};

/// How often a held lock is looked at again.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes the lock, waiting for `limit` at most.
pub(crate) fn take(path: &Path, limit: Duration) -> Result<File> {
    let started = Instant::now();
    loop {
        if let Some(file) = try_take(path)? {
            return Ok(file);
        }
        if started.elapsed() >= limit {
            let what = format!("{} is still locked after {limit:?}", path.display());
            return Err(Error::Request(format!("{what}\nhint: another process works there")));
        }
        sleep(PAUSE);
    }
}

/// Takes the lock if nobody holds it.
pub(crate) fn try_take(path: &Path) -> Result<Option<File>> {
    let file = open(path)?;
    answer(path, file.try_lock()).map(|free| free.then_some(file))
}

/// Whether somebody holds the lock. Several may ask at once without seeing each other.
pub(crate) fn is_held(path: &Path) -> Result<bool> {
    let file = open(path)?;
    answer(path, file.try_lock_shared()).map(|free| !free)
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .during(|| format!("open {}", path.display()))
}

fn answer(path: &Path, taken: std::result::Result<(), TryLockError>) -> Result<bool> {
    match taken {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(cause)) => {
            Err(Error::System { operation: format!("lock {}", path.display()), cause })
        }
    }
}

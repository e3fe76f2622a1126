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
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .during(|| format!("open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(cause)) => {
            Err(Error::System { operation: format!("lock {}", path.display()), cause })
        }
    }
}

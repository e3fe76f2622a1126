//! The rollback file for everybody who has more to do than to look at it: no call outlasts its
//! bound, whatever the disk or the mount does that it lies on.

use super::{SwitchFile, Thrown};
use crate::rollback::{Rollback, RollbackId};
use migration::error::{Error, ErrorKind, Result};
use migration::retry::{within, within_write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Longest use of the file: whoever throws the switch, or asks whether it is thrown, wants to hear
/// something, not to wait for a disk.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(3);

/// Longest removal of the file: nobody is in a hurry with it, and it says whether the switch was
/// thrown again meanwhile, which an end in the middle leaves open.
const REMOVE_MAX: Duration = Duration::from_secs(30);

/// Most calls that may hang at once. One that was given up still has its thread, and whoever looks
/// every second would use up all that there are.
const CALLS_MAX: usize = 8;

static CALLS: Semaphore = Semaphore::const_new(CALLS_MAX);

/// The rollback file.
#[derive(Debug, Clone)]
pub struct RollbackFile(SwitchFile);

impl RollbackFile {
    /// The file of this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(SwitchFile::new(path))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes it exist, as this throw's own: whole and durable if possible, in any form otherwise.
    ///
    /// # Errors
    /// `Failed`, `Full` if it does not exist afterwards; `UnknownOutcome` if the file system gives
    /// no answer in time.
    pub async fn throw(&self, rollback: &Rollback) -> Result<Thrown> {
        let (file, rollback) = (self.0.clone(), rollback.clone());
        let operation = "create rollback file";
        within_write(CALL_MAX, operation, apart(operation, move || file.throw(&rollback))).await
    }

    /// Whether it exists; a link that leads nowhere does.
    ///
    /// # Errors
    /// `Failed` if nobody can say; `TimedOut` if the file system gives no answer in time.
    pub async fn exists(&self) -> Result<bool> {
        let file = self.0.clone();
        self.within(CALL_MAX, "look at rollback file", move || file.exists()).await
    }

    /// What it says, if it exists. One that was made by hand says nothing and still counts. Two if
    /// the switch was thrown while an earlier throw was being ended by somebody who was killed.
    ///
    /// # Errors
    /// As [`RollbackFile::exists`].
    pub async fn read(&self) -> Result<Vec<Rollback>> {
        let file = self.0.clone();
        self.within(CALL_MAX, "look at rollback file", move || file.read()).await
    }

    /// Removes the file of every throw that has ended, durably, and no other. Returns the throw
    /// that is left, if one is. What was begun may be done again.
    ///
    /// # Errors
    /// `Failed` if nobody can say what is there, or it cannot be moved; `Busy` if others keep
    /// moving it; `TimedOut` as in [`RollbackFile::exists`].
    pub async fn remove_ended(
        &self,
        has_ended: impl Fn(&RollbackId) -> bool + Send + 'static,
    ) -> Result<Option<Rollback>> {
        let file = self.0.clone();
        self.within(REMOVE_MAX, "remove rollback file", move || file.remove_ended(has_ended)).await
    }

    /// Removes it whatever it says, durably. One that is gone is no error.
    ///
    /// # Errors
    /// `Failed` if it is still there; `TimedOut` as in [`RollbackFile::exists`].
    pub async fn remove(&self) -> Result<()> {
        let file = self.0.clone();
        self.within(REMOVE_MAX, "remove rollback file", move || file.remove()).await
    }

    async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        operation: &'static str,
        call: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        within(limit, operation, apart(operation, call)).await.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => error
                .with("file", self.path().display())
                .hint("see whether its disk or mount answers: `ls` its directory"),
            _ => error,
        })
    }
}

/// Does what may block on a thread of its own. Given up, it may still take place.
pub(crate) async fn apart<T: Send + 'static>(
    operation: &'static str,
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Failed, operation).because(error)
    };
    let permit = CALLS.acquire().await.map_err(|error| failed(error.into()))?;
    let call = move || {
        let _permit = permit;
        call()
    };
    spawn_blocking(call).await.unwrap_or_else(|error| Err(failed(error.into())))
}

#[cfg(test)]
mod tests {
    use super::{CALLS_MAX, apart};
    use migration::error::ErrorKind;
    use migration::retry::within;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[tokio::test]
    async fn a_mount_that_hangs_holds_nobody_up_and_uses_up_no_threads() {
        let begun = Arc::new(AtomicUsize::new(0));
        let mut mount = Vec::new();
        for _ in 0..2 * CALLS_MAX {
            let (answers, answer) = channel::<()>();
            mount.push(answers);
            let begun = Arc::clone(&begun);
            let call = move || {
                begun.fetch_add(1, Ordering::SeqCst);
                Ok(answer.recv())
            };
            let gave_up = within(Duration::from_millis(5), "look", apart("look", call)).await;
            assert_eq!(gave_up.unwrap_err().kind(), ErrorKind::TimedOut);
        }
        assert!(begun.load(Ordering::SeqCst) <= CALLS_MAX);
        drop(mount);
        apart("look", || Ok(())).await.unwrap();
    }
}

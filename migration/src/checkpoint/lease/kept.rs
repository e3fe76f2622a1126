//! A lease that is renewed in the background.

use super::Lease;
use crate::error::{Error, ErrorKind, Result};
use crate::shutdown::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// A lease is renewed this often before it would run out: two renewals may fail.
const RENEWALS_PER_LEASE: u32 = 3;

/// A lease that a task renews until it is released, dropped or lost.
#[derive(Debug)]
pub struct KeptLease {
    generation: u64,
    lost: Shutdown,
    why: Arc<Mutex<Option<Error>>>,
    release: oneshot::Sender<()>,
    task: AbortOnDropHandle<Result<()>>,
}

impl Lease {
    /// Renews it in the background. `whole` is the work that needs it: the returned lease's
    /// [`KeptLease::lost`] begins when the lease is lost, and with the whole.
    #[must_use]
    pub fn keep(self, whole: &Shutdown) -> KeptLease {
        let (lost, why) = (whole.part(), Arc::default());
        let (release, released) = oneshot::channel();
        let generation = self.generation;
        let task = tokio::spawn(renew_until(released, self, lost.clone(), Arc::clone(&why)));
        KeptLease { generation, lost, why, release, task: AbortOnDropHandle::new(task) }
    }
}

impl KeptLease {
    /// The number of this holding.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Begins when the lease is lost, or when the work that needs it is shut down. Whoever works
    /// under the lease stops then.
    #[must_use]
    pub fn lost(&self) -> &Shutdown {
        &self.lost
    }

    /// Goes on if the lease is not known to be lost. Only the fence in the target is sure.
    ///
    /// # Errors
    /// `Fenced` if it is lost, once; then its cause has been told.
    pub fn check(&self) -> Result<()> {
        match self.why.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None if self.task.is_finished() => {
                Err(Error::new(ErrorKind::Fenced, "check lease: it was lost before"))
            }
            None => Ok(()),
        }
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// Those of the store. A lease that was lost is gone already, which is no error.
    pub async fn release(self) -> Result<()> {
        // The task may have ended because the lease is lost; then nobody listens.
        let _ = self.release.send(());
        self.task
            .await
            .map_err(|error| Error::new(ErrorKind::Failed, "release lease").because(error))?
    }
}

async fn renew_until(
    mut released: oneshot::Receiver<()>,
    mut lease: Lease,
    lost: Shutdown,
    why: Arc<Mutex<Option<Error>>>,
) -> Result<()> {
    let pause = lease.duration / RENEWALS_PER_LEASE;
    loop {
        tokio::select! {
            biased;
            asked = &mut released => {
                return match asked {
                    Ok(()) => lease.release().await,
                    // Dropped: the task is about to be aborted with it.
                    Err(_) => Ok(()),
                };
            }
            () = tokio::time::sleep(pause) => {}
        }
        if let Err(error) = renew(&mut lease).await {
            tracing::warn!(lease = lease.name(), error = %error, "lease lost");
            *why.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            lost.begin();
            return Ok(());
        }
    }
}

/// Renews, and tries again while the lease still lasts: a checkpoint store that is away for less
/// than that costs nothing.
async fn renew(lease: &mut Lease) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(200);
    loop {
        let until = lease.until;
        let error = match tokio::time::timeout_at(until, lease.renew()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if error.kind() == ErrorKind::Fenced => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => Error::new(ErrorKind::TimedOut, "reach checkpoint store"),
        };
        if Instant::now() + PAUSE >= until {
            return Err(Error::new(ErrorKind::Fenced, "renew lease before it ran out")
                .with("lease", lease.name())
                .because(error)
                .hint("bring the checkpoint store back, then run the command again"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

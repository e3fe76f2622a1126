//! Whether anybody is at work.

use crate::checkpoint::{CheckpointStore, lease, progress};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::phase::Phase;

/// Goes on if no process of these phases runs, as far as can be told: none that reports, and none
/// that holds a lease.
///
/// # Errors
/// `Refused` if one does: names it and the way to stop it. Those of the store.
pub async fn check_at_rest(store: &dyn CheckpointStore, phases: &[&Phase]) -> Result<()> {
    let now = Timestamp::now();
    for phase in phases {
        let refused = || {
            let hint = format!("stop it, or run `{} abort`; then clean up", phase.name);
            Error::new(ErrorKind::Refused, "clean up: a process is running").hint(hint)
        };
        let snapshots = progress::snapshots(store, phase.name).await?;
        let runs = |seen: &&progress::Snapshot| !seen.activity.is_over() && !seen.is_silent(now);
        if let Some(running) = snapshots.iter().find(runs) {
            return Err(refused().with("process", &running.process));
        }
        let held = lease::held_leases(store, phase.name, 1).await?;
        if let Some((name, holder)) = held.into_iter().next() {
            return Err(refused().with("process", &holder.process).with("lease", name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_at_rest;
    use crate::checkpoint::progress::tests::snapshot;
    use crate::checkpoint::progress::{Activity, Publisher};
    use crate::checkpoint::{CheckpointStore, MemoryCheckpoint, lease};
    use crate::phase::{BACKFILL, VERIFY};
    use crate::process::Process;
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test]
    async fn a_process_that_reports_is_at_work_until_it_says_that_it_has_ended() {
        let store: Arc<dyn CheckpointStore> = Arc::new(MemoryCheckpoint::new("m"));
        let process = Process::start("backfill");
        let mut publisher =
            Publisher::start(Arc::clone(&store), "backfill", &process).await.unwrap();
        let mut seen = snapshot(&process, 1);
        publisher.publish(&seen).await.unwrap();
        let error = check_at_rest(&*store, &[&VERIFY, &BACKFILL]).await.unwrap_err();
        assert!(error.next_step().unwrap().contains("`backfill abort`"), "{error}");
        check_at_rest(&*store, &[&VERIFY]).await.unwrap();
        seen.activity = Activity::Stopped;
        publisher.publish(&seen).await.unwrap();
        check_at_rest(&*store, &[&BACKFILL]).await.unwrap();
    }

    #[tokio::test]
    async fn a_process_that_holds_a_lease_is_at_work() {
        let store: Arc<dyn CheckpointStore> = Arc::new(MemoryCheckpoint::new("m"));
        let process = Process::start("backfill");
        let held =
            lease::acquire(&store, "backfill/3", &process, Duration::from_secs(60)).await.unwrap();
        let error = check_at_rest(&*store, &[&BACKFILL]).await.unwrap_err();
        assert!(error.to_string().contains("backfill/3"), "{error}");
        held.release().await.unwrap();
        check_at_rest(&*store, &[&BACKFILL]).await.unwrap();
    }
}

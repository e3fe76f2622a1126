//! Following the desired state while a phase runs.

use super::{Desired, read};
use crate::checkpoint::CheckpointStore;
use crate::error::Result;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Between two looks: a person who pauses a phase sees it stand still before he wonders.
const INTERVAL: Duration = Duration::from_millis(500);

/// Longest look.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// The desired state of a phase, looked up twice a second until this is dropped.
///
/// While the checkpoint store is away the last state holds: a phase that was paused stays paused.
#[derive(Debug)]
pub struct DesiredWatch {
    seen: watch::Receiver<Seen>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Seen {
    desired: Arc<Desired>,
    at: Instant,
}

impl DesiredWatch {
    /// Begins to follow a phase.
    ///
    /// # Errors
    /// Those of the store at the first look.
    pub async fn start(store: Arc<dyn CheckpointStore>, phase: &str) -> Result<Self> {
        let desired = Arc::new(read(&*store, phase).await?);
        let (sender, seen) = watch::channel(Seen { desired, at: Instant::now() });
        let task = tokio::spawn(follow(store, phase.to_owned(), sender));
        Ok(Self { seen, _task: AbortOnDropHandle::new(task) })
    }

    /// What is wanted now.
    #[must_use]
    pub fn current(&self) -> Arc<Desired> {
        Arc::clone(&self.seen.borrow().desired)
    }

    /// How long ago the store last answered.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.seen.borrow().at.elapsed()
    }

    /// Waits until something else is wanted than at the last call, or than at the start.
    pub async fn changed(&mut self) -> Arc<Desired> {
        let before = Arc::clone(&self.seen.borrow().desired);
        // The sender lives as long as the task, and the task as long as this.
        let waited = self.seen.wait_for(|seen| *seen.desired != *before).await;
        waited.map_or(before, |seen| Arc::clone(&seen.desired))
    }
}

async fn follow(store: Arc<dyn CheckpointStore>, phase: String, sender: watch::Sender<Seen>) {
    let mut is_away = false;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let error = match tokio::time::timeout(LOOK_TIMEOUT, read(&*store, &phase)).await {
            Ok(Ok(desired)) => {
                if std::mem::take(&mut is_away) {
                    tracing::info!(phase, "the checkpoint store answers again");
                }
                seen(&sender, desired, &phase);
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        // Once per absence: the age says the rest.
        if !std::mem::replace(&mut is_away, true) {
            tracing::warn!(phase, error, "the checkpoint store is away: the last settings hold");
        }
    }
}

fn seen(sender: &watch::Sender<Seen>, desired: Desired, phase: &str) {
    sender.send_modify(|seen| {
        seen.at = Instant::now();
        if *seen.desired != desired {
            tracing::info!(phase, desired = %summary(&desired), "settings changed");
            seen.desired = Arc::new(desired);
        }
    });
}

fn summary(desired: &Desired) -> String {
    let pause = desired.pause_reason().unwrap_or_else(|| "running".to_owned());
    let rate = desired.rate().map_or(String::new(), |rate| format!(", rate {rate}"));
    format!("{pause}{rate}")
}

#[cfg(test)]
mod tests {
    use super::DesiredWatch;
    use crate::checkpoint::desired::{Change, change};
    use crate::checkpoint::{CheckpointStore as _, MemoryCheckpoint};
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_pause_from_another_terminal_is_seen_within_a_second() {
        let store = MemoryCheckpoint::new("m");
        let mut watch = DesiredWatch::start(Arc::new(store.clone()), "backfill").await.unwrap();
        assert!(!watch.current().is_paused());
        change(&store, "backfill", Change::Pause, "alice", None).await.unwrap();
        let changed = tokio::time::timeout(Duration::from_secs(1), watch.changed()).await.unwrap();
        assert!(changed.is_paused() && watch.current().is_paused());
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_settings_hold_while_the_store_cannot_be_read() {
        let store = MemoryCheckpoint::new("m");
        change(&store, "backfill", Change::Pause, "alice", None).await.unwrap();
        let watch = DesiredWatch::start(Arc::new(store.clone()), "backfill").await.unwrap();
        let entry = store.get("desired/backfill").await.unwrap().unwrap();
        store.put("desired/backfill", b"garbage", Some(entry.revision)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(watch.current().is_paused());
        assert!(watch.age() >= Duration::from_secs(2), "and everybody can see since when");
    }
}

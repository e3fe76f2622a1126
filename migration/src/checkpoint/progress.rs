//! Progress for display: what each process of a phase last said of itself.
//!
//! A display copy only. The positions that decide what is safe lie in the target.

use super::document::{self, Document};
use super::{CheckpointStore, Revision, Walk};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::process::Process;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A process that has said nothing for so long is taken for stopped.
pub const SILENT_AFTER: Duration = Duration::from_secs(10);

/// A process that has said nothing for so long is forgotten when another one starts.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What a process does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// It prepares: opens, claims, waits for a barrier.
    #[default]
    Starting,
    /// It works.
    Running,
    /// It stands still because somebody said so.
    Paused,
    /// It has nothing to do at the moment, or another process has the work.
    Standby,
    /// It finishes what it has in hand.
    Draining,
    /// It was told to stop, and has; what is left is for the next one.
    Stopped,
    /// It has done everything.
    Done,
    /// It ended with an error.
    Failed,
}

impl Activity {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Standby => "standby",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Whether the process has ended, and said so.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Stopped | Self::Done | Self::Failed)
    }

    /// How a run has ended. `is_done` says whether what it did is everything: otherwise it was told
    /// to stop before.
    pub fn at_end<T>(ended: &Result<T>, is_done: impl FnOnce(&T) -> bool) -> Self {
        match ended {
            Ok(ended) if is_done(ended) => Self::Done,
            Ok(_) => Self::Stopped,
            Err(_) => Self::Failed,
        }
    }
}

/// How far a process is, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The phase, such as `backfill`.
    pub phase: String,
    /// The process.
    pub process: Process,
    /// When this was.
    pub updated: Timestamp,
    /// What it does.
    #[serde(default)]
    pub activity: Activity,
    /// What is counted: `records`, `changes`.
    pub unit: String,
    /// How many are done, over all processes if the total is.
    pub done: u64,
    /// How many there are, about; `None` if nobody knows or there is no end.
    #[serde(default)]
    pub total: Option<u64>,
    /// How many a second, lately, by this process.
    #[serde(default)]
    pub rate: f64,
    /// Seconds to the end, if that can be said.
    #[serde(default)]
    pub eta_s: Option<f64>,
    /// How far the live path is behind, in milliseconds.
    #[serde(default)]
    pub lag_ms: Option<u64>,
    /// What holds it back at the moment, in words.
    #[serde(default)]
    pub throttle: Option<String>,
    /// Other counts by name, such as `dead_letters`.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
}

impl Document for Snapshot {
    const NAME: &'static str = "progress";
    const FORMAT: u32 = 1;
}

impl Snapshot {
    /// Whether the process has stopped without saying so: it was killed, froze, or cannot reach the
    /// checkpoint store.
    #[must_use]
    pub fn is_silent(&self, now: Timestamp) -> bool {
        !self.activity.is_over()
            && (now.since(self.updated) > SILENT_AFTER || self.process.is_gone())
    }

    /// How far it is, from 0 to 1. The total is an estimate, so it is 1 at the end and only there.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let total = self.total.filter(|&total| total > 0)?;
        if self.activity == Activity::Done {
            return Some(1.0);
        }
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let ratio = self.done as f64 / total as f64;
        Some(ratio.min(0.999))
    }
}

/// Writes the snapshots of one process.
#[derive(Debug)]
pub struct Publisher {
    store: Arc<dyn CheckpointStore>,
    key: String,
    revision: Option<Revision>,
}

impl Publisher {
    /// The publisher of a process. Forgets the processes of the phase that are known to be gone.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn start(
        store: Arc<dyn CheckpointStore>,
        phase: &str,
        process: &Process,
    ) -> Result<Self> {
        let now = Timestamp::now();
        let mut walk = Walk::over(prefix(phase));
        loop {
            let page = walk.next(&*store).await?;
            if page.is_empty() {
                break;
            }
            for (key, entry) in page {
                // What cannot be read is shown as an error by `status`, and not swept away here.
                let Ok(seen) = document::decode::<Snapshot>(&entry.value) else { continue };
                if seen.process.is_gone() || now.since(seen.updated) > FORGOTTEN_AFTER {
                    store.remove(&key, entry.revision).await?;
                }
            }
        }
        let key = format!("{}{:032x}", prefix(phase), process.owner.0);
        Ok(Self { store, key, revision: None })
    }

    /// Writes a snapshot.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn publish(&mut self, snapshot: &Snapshot) -> Result<()> {
        let put = document::put(&*self.store, &self.key, snapshot, self.revision).await?;
        if put.is_some() {
            self.revision = put;
            return Ok(());
        }
        // Only this process writes here, so an earlier answer was lost, or the entry was cleared.
        self.revision = self.store.get(&self.key).await?.map(|entry| entry.revision);
        self.revision = document::put(&*self.store, &self.key, snapshot, self.revision).await?;
        Ok(())
    }
}

/// What each process of a phase last said, the latest first.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn snapshots(store: &dyn CheckpointStore, phase: &str) -> Result<Vec<Snapshot>> {
    let (mut walk, mut snapshots) = (Walk::over(prefix(phase)), Vec::new());
    loop {
        let page = walk.next(store).await?;
        if page.is_empty() {
            break;
        }
        for (key, entry) in &page {
            let seen: Result<Snapshot> = document::decode(&entry.value);
            snapshots.push(seen.map_err(|error| error.with("key", key))?);
        }
    }
    snapshots.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.updated));
    Ok(snapshots)
}

fn prefix(phase: &str) -> String {
    format!("progress/{phase}/")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Activity, Publisher, SILENT_AFTER, Snapshot, prefix, snapshots};
    use crate::checkpoint::{CheckpointStore as _, MemoryCheckpoint, document};
    use crate::clock::Timestamp;
    use crate::process::Process;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    pub(crate) fn snapshot(process: &Process, done: u64) -> Snapshot {
        Snapshot {
            phase: "backfill".to_owned(),
            process: process.clone(),
            updated: Timestamp::now(),
            activity: Activity::Running,
            unit: "records".to_owned(),
            done,
            total: Some(200),
            rate: 10.0,
            eta_s: Some(5.0),
            lag_ms: None,
            throttle: None,
            counts: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn the_last_snapshot_of_each_process_is_read_the_latest_first() {
        let store = MemoryCheckpoint::new("m");
        let (one, other) = (Process::start("backfill"), Process::start("backfill"));
        for (process, done) in [(&one, 1), (&other, 5), (&one, 2)] {
            let mut publisher =
                Publisher::start(Arc::new(store.clone()), "backfill", process).await.unwrap();
            publisher.publish(&snapshot(process, done - 1)).await.unwrap();
            publisher.publish(&snapshot(process, done)).await.unwrap();
        }
        let seen = snapshots(&store, "backfill").await.unwrap();
        assert_eq!(seen.iter().map(|seen| seen.done).collect::<Vec<_>>(), [2, 5]);
        assert_eq!(snapshots(&store, "back").await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_process_that_was_killed_is_forgotten_by_the_next_start() {
        let store = MemoryCheckpoint::new("m");
        let mut child = std::process::Command::new("sleep").arg("3600").spawn().unwrap();
        let victim = Process::with_pid("backfill", i32::try_from(child.id()).unwrap());
        let shared = Arc::new(store.clone());
        let mut publisher = Publisher::start(shared.clone(), "backfill", &victim).await.unwrap();
        publisher.publish(&snapshot(&victim, 7)).await.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let seen = snapshots(&store, "backfill").await.unwrap();
        assert!(seen[0].is_silent(Timestamp::now()), "until then it is shown for what it is");
        Publisher::start(shared, "backfill", &Process::start("backfill")).await.unwrap();
        assert_eq!(store.list("", None, 9).await.unwrap(), []);
    }

    #[tokio::test]
    async fn however_many_processes_there_were_each_is_seen_and_those_of_long_ago_are_forgotten() {
        let store = MemoryCheckpoint::new("m");
        let mut seen = snapshot(&Process::start("backfill"), 1);
        for number in 0..1_200 {
            let key = format!("{}{number:032x}", prefix("backfill"));
            // The last of them lives.
            let days = if number == 1_199 { 0 } else { 2 };
            seen.updated = Timestamp(Timestamp::now().0 - days * 24 * 3_600_000_000);
            document::put(&store, &key, &seen, None).await.unwrap().unwrap();
        }
        let all = snapshots(&store, "backfill").await.unwrap();
        assert_eq!(all.len(), 1_200);
        let is_silent: Vec<_> = all.iter().map(|s| s.is_silent(Timestamp::now())).collect();
        assert!(!is_silent[0] && is_silent[1..].iter().all(|&silent| silent));
        let process = Process::start("backfill");
        Publisher::start(Arc::new(store.clone()), "backfill", &process).await.unwrap();
        assert_eq!(snapshots(&store, "backfill").await.unwrap().len(), 1);
    }

    #[test]
    fn a_process_that_says_nothing_is_silent_unless_it_has_ended() {
        let mut seen = snapshot(&Process::start("backfill"), 50);
        let later = seen.updated.plus(SILENT_AFTER * 2);
        assert!(seen.is_silent(later) && !seen.is_silent(seen.updated));
        for activity in [Activity::Stopped, Activity::Failed, Activity::Done] {
            seen.activity = activity;
            assert!(!seen.is_silent(later), "{activity:?}");
        }
        assert_eq!(seen.ratio(), Some(1.0), "fewer than estimated, and at the end all the same");
        seen.done = 300;
        for activity in [Activity::Running, Activity::Stopped] {
            seen.activity = activity;
            assert_eq!(seen.ratio(), Some(0.999), "more than estimated, and not at the end");
        }
        seen.done = 50;
        assert_eq!(seen.ratio(), Some(0.25));
    }
}

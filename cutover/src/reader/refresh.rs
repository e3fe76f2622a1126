//! The refresher: reads the stage from the checkpoint store, and writes what was reported.

use super::hot;
use super::{Shared, Timing};
use crate::stage::{Record, STAGE_KEY};
use migration::checkpoint::{CheckpointStore, Revision};
use migration::clock::Timestamp;
use migration::error::{Chain, Error, ErrorKind, Result};
use migration::plan::Plan;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What was reported is written after this many reads of the stage: twice a second or so.
const READS_PER_FLUSH: u32 = 2;

#[derive(Debug)]
pub(super) struct Refresher {
    checkpoint: Arc<dyn CheckpointStore>,
    plan: Plan,
    timing: Timing,
    known: Option<Known>,
}

/// The entry that the snapshot was taken from.
#[derive(Debug)]
struct Known {
    /// `None` for the state before the first entry.
    revision: Option<Revision>,
    series: String,
    generation: u32,
}

impl Refresher {
    pub(super) fn new(checkpoint: Arc<dyn CheckpointStore>, plan: &Plan, timing: Timing) -> Self {
        Self { checkpoint, plan: plan.clone(), timing, known: None }
    }

    /// Runs on a thread and a runtime of its own: a service that is busy, or that has no runtime,
    /// cannot make its own snapshot old.
    pub(super) fn run(mut self, shared: &Shared) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(error = %error, "start the reader's runtime: the old store answers");
                return;
            }
        };
        let (mut read, mut written) = (Complaint::new("read"), Complaint::new("write"));
        let mut reads: u32 = 0;
        while !shared.stopping.load(Ordering::Acquire) {
            read.note(runtime.block_on(self.refresh(shared)));
            reads = reads.wrapping_add(1);
            if reads.is_multiple_of(READS_PER_FLUSH) {
                written.note(runtime.block_on(self.flush(shared)));
            }
            std::thread::park_timeout(self.timing.refresh);
        }
        let last = self.bounded("write mirror counts", self.flush(shared));
        written.note(runtime.block_on(last));
    }

    async fn refresh(&mut self, shared: &Shared) -> Result<()> {
        let began = hot::now_with_suspend();
        let entry = self.bounded("read stage", self.checkpoint.get(STAGE_KEY)).await?;
        let revision = entry.as_ref().map(|entry| entry.revision);
        if self.known.as_ref().is_some_and(|known| known.revision == revision) {
            shared.hot.confirm(began);
            return Ok(());
        }
        let record = match entry {
            Some(entry) => Record::decode(&entry.value)?,
            None => Record::initial(&self.plan, Timestamp::now()),
        };
        record.check_flag(&self.plan)?;
        self.check_not_restored(&record, revision)?;
        shared.hot.load(&record, began);
        self.known = Some(Known { revision, series: record.series, generation: record.generation });
        Ok(())
    }

    /// A stage that went back in time is not believed: the store was restored from an old copy or
    /// emptied, and the stage it shows may be one that has been rolled back since. The snapshot
    /// grows stale and the old store answers.
    fn check_not_restored(&self, record: &Record, revision: Option<Revision>) -> Result<()> {
        let Some(known) = self.known.as_ref().filter(|known| known.revision.is_some()) else {
            return Ok(());
        };
        let same = revision.is_some() && record.series == known.series;
        if same && record.generation >= known.generation {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Lost, "read stage")
            .with("generation", record.generation)
            .with("seen before", known.generation)
            .hint("the checkpoint store was emptied or restored from an old copy; the old store answers. Check `cutover status`, then restart the service"))
    }

    /// Writes the counts of each generation that changed. They are totals under a key that no other
    /// process writes, so writing them again is the same as writing them once.
    async fn flush(&self, shared: &Shared) -> Result<()> {
        for entry in shared.tally.changed()? {
            let mut expected = entry.expected;
            // The second try is for a write whose outcome was lost, or an entry that was removed.
            for _ in 0..2 {
                let put = self.checkpoint.put(&entry.key, &entry.value, expected);
                if let Some(revision) = self.bounded("write mirror counts", put).await? {
                    shared.tally.written(&entry, revision);
                    break;
                }
                let get = self.checkpoint.get(&entry.key);
                let found = self.bounded("read mirror counts", get).await?;
                expected = found.map(|entry| entry.revision);
            }
        }
        Ok(())
    }

    async fn bounded<T>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::time::timeout(self.timing.call_max, call).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::TimedOut, operation)
                .with("after", format!("{:?}", self.timing.call_max)))
        })
    }
}

/// Logs the first of a row of failures, one a minute of the same row, and the end of it.
#[derive(Debug)]
struct Complaint {
    action: &'static str,
    since: Option<Timestamp>,
}

impl Complaint {
    const AGAIN: Duration = Duration::from_secs(60);

    fn new(action: &'static str) -> Self {
        Self { action, since: None }
    }

    fn note(&mut self, result: Result<()>) {
        match (result, self.since) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                self.since = None;
                tracing::info!(
                    action = self.action,
                    "the reader reaches the checkpoint store again"
                );
            }
            (Err(error), since) => {
                let now = Timestamp::now();
                if since.is_none_or(|since| now.since(since) > Self::AGAIN) {
                    let (action, error) = (self.action, Chain(&error));
                    tracing::warn!(action, error = %error, "the reader cannot reach the checkpoint store");
                    self.since = Some(now);
                }
            }
        }
    }
}

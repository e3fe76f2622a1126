//! The refresher: reads the stage from the checkpoint store, and writes what was reported.

use super::hot;
use super::presence::Presence;
use super::source::Source;
use super::tally::Unwritten;
use super::{Shared, Timing};
use crate::stage::{Record, STAGE_KEY};
use migration::checkpoint::{CheckpointStore, Revision, document};
use migration::clock::Timestamp;
use migration::error::{Chain, Error, ErrorKind, Result};
use migration::plan::Plan;
use migration::position::Owner;
use migration::retry::{within, within_write};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Refresher {
    source: Source,
    plan: Plan,
    timing: Timing,
}

/// The entry that the snapshot was taken from.
#[derive(Debug)]
struct Known {
    /// `None` for the state before the first entry.
    revision: Option<Revision>,
    series: Owner,
    generation: u32,
}

impl Refresher {
    pub(super) fn new(source: Source, plan: &Plan, timing: Timing) -> Self {
        Self { source, plan: plan.clone(), timing }
    }

    /// Runs on a thread and a runtime of its own: a service that is busy, or that has no runtime,
    /// cannot make its own snapshot old. Reads and writes run beside each other, so that a store
    /// that is locked for writing cannot either.
    pub(super) fn run(self, shared: &Shared) {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                runtime.block_on(async { tokio::join!(self.read(shared), self.write(shared)) });
            }
            Err(error) => {
                tracing::error!(error = %error, "start the reader's runtime: the old store answers");
            }
        }
    }

    async fn read(&self, shared: &Shared) {
        let mut complaint = Complaint::new("read");
        let mut known = None;
        loop {
            complaint.note(self.refresh(shared, &mut known).await);
            if !pause(shared, self.timing.refresh).await {
                return;
            }
        }
    }

    async fn write(&self, shared: &Shared) {
        let (mut unwritten, mut unknown) = (Complaint::new("report"), Complaint::new("be known"));
        let mut presence = Presence::new(shared.process.clone());
        let mut on = true;
        // What was reported last is written after the stop.
        while on {
            on = pause(shared, self.timing.flush).await;
            unwritten.note(self.flush(shared).await);
            let generation = shared.hot.view().generation;
            let said = async {
                let store = self.source.store().await?;
                if on {
                    presence.say(&*store, generation).await
                } else {
                    presence.leave(&*store).await
                }
            };
            let limit = self.timing.call_max;
            unknown.note(self.kept(within_write(limit, "make the reader known", said).await));
        }
    }

    async fn refresh(&self, shared: &Shared, known: &mut Option<Known>) -> Result<()> {
        let began = hot::now_with_suspend();
        let read = async { self.source.store().await?.get(STAGE_KEY).await };
        let entry = self.kept(within(self.timing.call_max, "read stage", read).await)?;
        let revision = entry.as_ref().map(|entry| entry.revision);
        if known.as_ref().is_some_and(|known| known.revision == revision) {
            shared.hot.confirm(began);
            return Ok(());
        }
        let record = match entry {
            Some(entry) => document::decode::<Record>(&entry.value)?,
            None => Record::initial(&self.plan, Timestamp::now()),
        };
        record.check_plan(&self.plan)?;
        check_not_restored(known.as_ref(), &record, revision)?;
        shared.hot.load(&record, shared.flag, began);
        *known = Some(Known { revision, series: record.series, generation: record.generation });
        Ok(())
    }

    /// Writes the counts of each generation that changed, bounded as a whole.
    async fn flush(&self, shared: &Shared) -> Result<()> {
        let changed = shared.tally.changed()?;
        if changed.is_empty() {
            return Ok(());
        }
        let written = async { write_counts(&*self.source.store().await?, shared, &changed).await };
        self.kept(within_write(self.timing.call_max, "write mirror counts", written).await)
    }

    /// Keeps the store after a use of it that succeeded. One that fails is opened anew for the
    /// next.
    fn kept<T>(&self, used: Result<T>) -> Result<T> {
        if used.is_err() {
            self.source.give_up();
        }
        used
    }
}

/// Waits; `false` once the reader stops.
async fn pause(shared: &Shared, duration: Duration) -> bool {
    tokio::time::timeout(duration, shared.stopping.cancelled()).await.is_err()
}

/// A stage that went back in time is not believed: the store was restored from an old copy or
/// emptied, and the stage it shows may be one that has been rolled back since. The snapshot grows
/// stale and the old store answers.
fn check_not_restored(
    known: Option<&Known>,
    record: &Record,
    revision: Option<Revision>,
) -> Result<()> {
    let Some(known) = known.filter(|known| known.revision.is_some()) else { return Ok(()) };
    let same = revision.is_some() && record.series == known.series;
    if same && record.generation >= known.generation {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Lost, "read stage")
        .with("generation", record.generation)
        .with("seen before", known.generation)
        .hint("the checkpoint store was emptied or restored from an old copy; the old store answers. See `cutover status`, then restart the service"))
}

/// Counts are totals under a key that no other process writes, so writing them again is the same as
/// writing them once.
async fn write_counts(
    store: &dyn CheckpointStore,
    shared: &Shared,
    changed: &[Unwritten],
) -> Result<()> {
    for entry in changed {
        let mut expected = entry.expected;
        // The second try is for a write whose outcome was lost, or an entry that was removed.
        for _ in 0..2 {
            if let Some(revision) = store.put(&entry.key, &entry.value, expected).await? {
                shared.tally.written(entry, revision);
                break;
            }
            expected = store.get(&entry.key).await?.map(|entry| entry.revision);
        }
    }
    Ok(())
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

//! One comparison from beginning to end, resumable at every save.

use crate::pass::{self, Pair, Pass, PassKind};
use crate::record::{DIFFERENCES_KEPT_MAX, Place, Records, RunRecord};
use crate::settle::{Patience, settle};
use crate::suspect::{Reached, Suspect};
use crate::tally::judge;
use migration::checkpoint::Revision;
use migration::checkpoint::verdict::Outcome;
use migration::clock::Timestamp;
use migration::error::Result;
use migration::fault;
use migration::layout::Layout;
use migration::plan::VerifyPlan;
use migration::queue::Queue;
use migration::shutdown::Shutdown;
use migration::store::{ReadLimit, Store, Target};
use migration::throttle::Throttle;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Suspects that are put off before they are settled together. Each round waits for the live path
/// once, however many there are; their keys are what a run keeps in memory.
const SUSPECTS_MAX: usize = 2_000;

/// Longest work between two saves: what a killed run does again.
const SAVE_EVERY: Duration = Duration::from_millis(300);

/// Most encoded bytes in one read.
const READ_BYTES_MAX: usize = 1 << 20;

/// The stores and settings of a comparison.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The source.
    pub source: Arc<dyn Store>,
    /// The target's instances, in shard order.
    pub targets: Vec<Arc<dyn Target>>,
    /// The queue, which tells when an instance has caught up.
    pub queue: Arc<dyn Queue>,
    /// The tables.
    pub layouts: Vec<Arc<Layout>>,
    /// The settings.
    pub settings: VerifyPlan,
    /// How fast to read: the live service comes first.
    pub throttle: Arc<Throttle>,
}

/// Sees a run go on: for progress bars and metrics.
pub trait Observer: Send {
    /// Called after every batch with the run's record.
    fn seen(&mut self, record: &RunRecord);
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// Everything was compared.
    Judged(Box<RunRecord>, Outcome),
    /// It was asked to stop; it goes on from its record.
    Stopped,
}

/// A comparison under way.
pub struct Run<'a> {
    parts: &'a Parts,
    records: &'a Records,
    record: RunRecord,
    revision: Revision,
    observer: &'a mut dyn Observer,
    saved_at: Instant,
}

impl<'a> Run<'a> {
    /// A run over `record`, which has been saved as `revision`.
    pub fn new(
        parts: &'a Parts,
        records: &'a Records,
        record: RunRecord,
        revision: Revision,
        observer: &'a mut dyn Observer,
    ) -> Self {
        Self { parts, records, record, revision, observer, saved_at: Instant::now() }
    }

    /// Compares what is left, and judges.
    ///
    /// # Errors
    /// Those of the stores, the queue and the checkpoint store; the record then stands where the
    /// run was last saved, and the run may be begun again from there.
    pub async fn go(mut self, stop: &Shutdown) -> Result<Ended> {
        for table in self.record.place.table..self.parts.layouts.len() {
            let layout = Arc::clone(&self.parts.layouts[table]);
            let first = if table == self.record.place.table { self.record.place.into } else { 0 };
            for into in first..layout.targets().len() {
                if self.record.place.table != table || self.record.place.into != into {
                    self.record.place = Place { table, into, ..Place::start() };
                }
                if !self.compare_target(&layout, into, stop).await? {
                    return Ok(Ended::Stopped);
                }
            }
        }
        self.record.finished_at = Some(Timestamp::now());
        self.save().await?;
        let kind = self.record.scope.kind();
        let outcome = judge(&self.record.tally, kind, self.parts.settings.mismatch_rate_max);
        Ok(Ended::Judged(Box::new(self.record), outcome))
    }

    /// Runs the passes over one target table that are left. `false` if it was asked to stop.
    async fn compare_target(
        &mut self,
        layout: &Arc<Layout>,
        into: usize,
        stop: &Shutdown,
    ) -> Result<bool> {
        let target = &layout.targets()[into];
        let pair = Pair {
            source: Arc::clone(&self.parts.source),
            targets: self.parts.targets.clone(),
            layout: Arc::clone(layout),
            target: Arc::clone(target),
            scope: self.record.scope,
            limit: ReadLimit {
                rows_max: self.parts.settings.batch_rows_max,
                bytes_max: READ_BYTES_MAX,
            },
        };
        let kinds = pass::kinds(target);
        let begun = self.record.place.pass.and_then(|pass| kinds.iter().position(|k| *k == pass));
        for (index, kind) in kinds.iter().enumerate().skip(begun.unwrap_or(0)) {
            let reached =
                if Some(index) == begun { self.record.place.reached()? } else { Reached::Start };
            if !self.run_pass(&pair, *kind, &reached, stop).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn run_pass(
        &mut self,
        pair: &Pair,
        kind: PassKind,
        reached: &Reached,
        stop: &Shutdown,
    ) -> Result<bool> {
        let mut pass = Pass::begin(kind, pair.clone(), reached);
        let mut suspects: Vec<Suspect> = Vec::new();
        loop {
            // Whether to stop is asked below, where the run can be saved.
            let _ = self.parts.throttle.ready(stop).await;
            let chunk = pass.next().await?;
            fault::point("verify.compared");
            self.parts.throttle.took(chunk.compared);
            self.record.tally.compared += chunk.compared;
            suspects.extend(chunk.suspects);
            let ended = chunk.reached == Reached::End;
            let stopping = stop.has_begun();
            let due = self.saved_at.elapsed() >= SAVE_EVERY;
            if ended || stopping || due || suspects.len() >= SUSPECTS_MAX {
                self.settle(pair, &mut suspects).await?;
                fault::point("verify.settled");
                let at = self.record.place.at(kind, &chunk.reached);
                self.record.place = at;
                if !ended {
                    self.save().await?;
                }
            }
            self.observer.seen(&self.record);
            if ended {
                return Ok(true);
            }
            if stopping {
                return Ok(false);
            }
        }
    }

    async fn settle(&mut self, pair: &Pair, suspects: &mut Vec<Suspect>) -> Result<()> {
        let patience = Patience {
            rounds_max: self.parts.settings.recheck_max,
            wait: self.parts.settings.settle,
        };
        let settled = settle(pair, &self.parts.queue, suspects, patience).await?;
        suspects.clear();
        let tally = &mut self.record.tally;
        let room = DIFFERENCES_KEPT_MAX.saturating_sub(tally.differing());
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(settled.differences.len());
        tally.converged += settled.converged;
        tally.unsettled += settled.unsettled;
        for difference in &settled.differences {
            tally.add(difference.kind);
        }
        self.records.keep(&self.record.id, &settled.differences[..room]).await
    }

    async fn save(&mut self) -> Result<()> {
        fault::point("verify.save");
        self.revision = self.records.save(&self.record, Some(self.revision)).await?;
        self.saved_at = Instant::now();
        Ok(())
    }
}

//! One comparison from beginning to end, resumable at every save.

use crate::again::read_again;
use crate::basis::{self, Basis};
use crate::bound::upper_bound;
use crate::pass::{self, Pair, Pass, PassKind};
use crate::record::{DIFFERENCES_KEPT_MAX, Place, Records, RunRecord};
use crate::scope::Scope;
use crate::settle::{Patience, settle};
use crate::suspect::{Reached, Suspect};
use crate::tally::judge;
use migration::checkpoint::Revision;
use migration::checkpoint::verdict::{Dimension, Verdict, rate_of};
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
pub(crate) const SUSPECTS_MAX: usize = 2_000;

/// Work between two saves, which a killed run does again. A save has to settle first, and that
/// waits for the live path: where it lags, saves are rarer, so that a run compares more than it
/// waits.
const SAVE_EVERY: Duration = Duration::from_millis(300);
/// Longest work between two saves, however far the live path lags.
const SAVE_EVERY_MAX: Duration = Duration::from_secs(60);
/// Work between two saves, as a multiple of what the last settling took.
const WORK_PER_SETTLING: u32 = 4;

/// Longest wait of a stop for suspects to settle, so that the run need not compare them again.
const STOP_WAITS_MAX: Duration = Duration::from_secs(1);

/// Longest work between two looks at the target's fences: what was lost and made up for within it
/// goes unseen.
const LOOK_EVERY: Duration = Duration::from_secs(2);

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
    /// The plan's epoch of the source.
    pub source_epoch: u32,
}

impl Parts {
    /// One source table, one target table.
    pub(crate) fn pair(&self, layout: usize, into: usize, scope: Scope) -> Pair {
        let layout = Arc::clone(&self.layouts[layout]);
        Pair {
            source: Arc::clone(&self.source),
            targets: self.targets.clone(),
            target: Arc::clone(&layout.targets()[into]),
            layout,
            scope,
            limit: ReadLimit { rows_max: self.settings.batch_rows_max, bytes_max: READ_BYTES_MAX },
        }
    }

    /// What a record gets while the run goes on, where it is read again before the verdict.
    fn patience_to_settle(&self) -> Patience {
        Patience {
            rounds_max: self.settings.recheck_max,
            wait: self.settings.settle,
            stands: Duration::ZERO,
        }
    }

    /// What a record gets before the verdict counts it.
    pub(crate) fn patience_to_judge(&self) -> Patience {
        Patience { stands: self.queue.producer_lag_max(), ..self.patience_to_settle() }
    }
}

/// Sees a run go on: for progress bars and metrics.
pub trait Observer: Send {
    /// Called after every batch with the run's record.
    fn seen(&mut self, record: &RunRecord);
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// Everything was compared. The record has the verdict; the log has yet to get it.
    Judged(Box<RunRecord>, Verdict),
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
    /// What the last settling took.
    settling: Duration,
    looked_at: Instant,
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
        let now = Instant::now();
        Self {
            parts,
            records,
            record,
            revision,
            observer,
            saved_at: now,
            settling: Duration::ZERO,
            looked_at: now,
        }
    }

    /// Compares what is left, and judges.
    ///
    /// # Errors
    /// Those of the stores, the queue and the checkpoint store; the record then stands where the
    /// run was last saved, and the run may be begun again from there. `Refused` if the target lost
    /// something meanwhile: then it may not.
    pub async fn go(mut self, stop: &Shutdown) -> Result<Ended> {
        self.look().await?;
        let tables = self.parts.layouts.len();
        for table in self.record.place.table..tables {
            let targets = self.parts.layouts[table].targets().len();
            let first = if table == self.record.place.table { self.record.place.into } else { 0 };
            for into in first..targets {
                if self.record.place.table != table || self.record.place.into != into {
                    self.record.place = Place { into, ..Place::table(table) };
                }
                if !self.compare_target(table, into, stop).await? {
                    return Ok(Ended::Stopped);
                }
            }
        }
        self.record.place = Place::table(tables);
        self.save().await?;
        let Some(still) = read_again(self.parts, self.records, &self.record, stop).await? else {
            return Ok(Ended::Stopped);
        };
        self.look().await?;
        self.record.tally = self.record.tally.recounted(&still, &self.record.not_kept);
        self.observer.seen(&self.record);
        let verdict = verdict(&self.record, self.parts.settings.mismatch_rate_max);
        self.record.verdict = Some(verdict.clone());
        self.save().await?;
        Ok(Ended::Judged(Box::new(self.record), verdict))
    }

    /// Runs the passes over one target table that are left. `false` if it was asked to stop.
    async fn compare_target(&mut self, table: usize, into: usize, stop: &Shutdown) -> Result<bool> {
        let pair = self.parts.pair(table, into, self.record.scope);
        let kinds = pass::kinds(&pair.target);
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
            if self.looked_at.elapsed() >= LOOK_EVERY {
                self.look().await?;
            }
            self.parts.throttle.took(chunk.walked);
            self.record.walked += chunk.walked;
            self.record.tally.compared += chunk.compared;
            suspects.extend(chunk.suspects);
            let ended = chunk.reached == Some(Reached::End);
            let stopping = stop.has_begun();
            if ended || stopping || self.is_due() || suspects.len() >= SUSPECTS_MAX {
                if !self.settle(pair, &mut suspects, stop).await? {
                    return Ok(false);
                }
                fault::point("verify.settled");
                if let Some(reached) = &chunk.reached {
                    self.record.place = self.record.place.at(kind, reached);
                    if !ended {
                        self.save().await?;
                    }
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

    fn is_due(&self) -> bool {
        let every = (self.settling * WORK_PER_SETTLING).clamp(SAVE_EVERY, SAVE_EVERY_MAX);
        self.saved_at.elapsed() >= every
    }

    /// Settles the suspects and counts what became of them. `false` if it was asked to stop before
    /// that was known: then the run goes on from where it was last saved.
    async fn settle(
        &mut self,
        pair: &Pair,
        suspects: &mut Vec<Suspect>,
        stop: &Shutdown,
    ) -> Result<bool> {
        if suspects.is_empty() {
            self.settling = Duration::ZERO;
            return Ok(true);
        }
        let kept = self.record.tally.disagreeing() - self.record.not_kept.disagreeing();
        let room = DIFFERENCES_KEPT_MAX.saturating_sub(kept);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let began = Instant::now();
        // What is not kept is not read again: it counts as it is found here.
        let patience = match suspects.len() <= room {
            true => self.parts.patience_to_settle(),
            false => self.parts.patience_to_judge(),
        };
        let settling = settle(pair, &self.parts.queue, suspects, patience);
        let Some(settled) = unless_late(stop, settling).await.transpose()? else {
            return Ok(false);
        };
        self.settling = began.elapsed();
        suspects.clear();
        let record = &mut self.record;
        let (named, rest) = settled.differences.split_at(room.min(settled.differences.len()));
        record.tally.converged += settled.converged;
        for difference in &settled.differences {
            record.tally.add(difference.kind);
        }
        for difference in rest {
            record.not_kept.add(difference.kind);
        }
        self.records.keep(&record.id, named).await?;
        Ok(true)
    }

    /// Looks whether the target still has what it had, and notes where it is now.
    async fn look(&mut self) -> Result<()> {
        let now = Basis::read(self.parts).await?;
        if let Some(what) = self.record.basis.as_ref().and_then(|was| was.lost_until(&now)) {
            return Err(basis::lost(&what));
        }
        self.record.basis = Some(now);
        self.looked_at = Instant::now();
        Ok(())
    }

    async fn save(&mut self) -> Result<()> {
        fault::point("verify.save");
        self.revision = self.records.save(&self.record, Some(self.revision)).await?;
        self.saved_at = Instant::now();
        Ok(())
    }
}

/// Waits for a settling, but only [`STOP_WAITS_MAX`] once the run is asked to stop: the live path
/// may be far behind. It only reads, so it may be dropped at any point.
pub(crate) async fn unless_late<T>(
    stop: &Shutdown,
    settling: impl Future<Output = T>,
) -> Option<T> {
    let late = async {
        stop.begun().await;
        tokio::time::sleep(STOP_WAITS_MAX).await;
    };
    tokio::select! {
        biased;
        settled = settling => Some(settled),
        () = late => None,
    }
}

/// What a run whose records have all been compared says.
fn verdict(record: &RunRecord, rate_max: f64) -> Verdict {
    let tally = &record.tally;
    let (differing, kind) = (tally.differing(), record.scope.kind());
    Verdict {
        run: record.id.clone(),
        scope: record.scope.words().to_owned(),
        whole: record.scope.is_everything(),
        dimension: Dimension::Storage,
        kind,
        compared: tally.compared,
        differing,
        unsettled: tally.unsettled,
        rate: rate_of(differing, tally.compared),
        bound95: upper_bound(differing, tally.compared, 0.95),
        bound99: upper_bound(differing, tally.compared, 0.99),
        rate_max,
        outcome: judge(tally, kind, rate_max),
        started: record.started_at,
        interruptions: record.interruptions,
        resumed: record.resumed_at,
        finished: Timestamp::now(),
        edition: record.edition.clone(),
    }
}

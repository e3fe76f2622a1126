//! The stage machine: changes the one entry that readers follow, one step at a time.
//!
//! A change is one conditional put of the whole entry, so a process that is killed leaves the stage
//! before or the stage after. The entry carries its last change; the history gets it right after
//! the put, or from whoever changes the entry next. Only a rollback does not wait for the history
//! of what was before it: the entry carries that, too, until it can be written.

mod history;

pub use history::HISTORY;

use crate::ladder::Ladder;
use crate::rollback::Rollback;
use crate::stage::{Action, Change, Record, STAGE_KEY, Signed, Stage};
use crate::whitelist;
use migration::checkpoint::{CheckpointStore, Revision, document};
use migration::clock::Timestamp;
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::plan::Plan;
use migration::retry::{within, within_write};
use std::sync::Arc;
use std::time::Duration;

/// Changes that the entry carries for a history that cannot be written: somebody, or some program,
/// throws the switch again and again.
const UNSETTLED_MAX: usize = 64;

/// Most time one call of the checkpoint store may take.
const CALL_MAX: Duration = Duration::from_secs(10);

/// The stage entry as it was read.
#[derive(Debug, Clone)]
pub struct Current {
    /// What it says; the initial record where there is no entry.
    pub record: Record,
    revision: Option<Revision>,
}

/// Changes the stage of a migration.
#[derive(Debug, Clone)]
pub struct Machine {
    checkpoint: Arc<dyn CheckpointStore>,
    plan: Arc<Plan>,
    who: String,
}

impl Machine {
    /// The machine of a plan, worked by `who`.
    #[must_use]
    pub fn new(
        plan: Arc<Plan>,
        checkpoint: Arc<dyn CheckpointStore>,
        who: impl Into<String>,
    ) -> Self {
        Self { checkpoint, plan, who: who.into() }
    }

    /// Reads the stage.
    ///
    /// # Errors
    /// `Unreadable` if the entry is none; `Refused` if it belongs to another flag.
    pub async fn current(&self) -> Result<Current> {
        let entry = ask("read stage", self.checkpoint.get(STAGE_KEY)).await?;
        let record = match &entry {
            Some(entry) => document::decode::<Record>(&entry.value)?,
            None => Record::initial(&self.plan, Timestamp::now()),
        };
        record.check_plan(&self.plan)?;
        Ok(Current { record, revision: entry.map(|entry| entry.revision) })
    }

    /// Goes one stage up. The caller has evaluated the gate: `evidence` is what it found, and
    /// `overridden` the operator's reason if it was not met.
    ///
    /// # Errors
    /// `Refused` if a rollback is latched, the climb is paused, or there is no stage above; those
    /// of a change.
    pub async fn promote(
        &self,
        current: &Current,
        evidence: Vec<String>,
        overridden: Option<&str>,
    ) -> Result<Current> {
        let record = &current.record;
        if let Some(rollback) = &record.rolled_back {
            return Err(latched(rollback));
        }
        if let Some(pause) = &record.paused {
            return Err(Error::new(ErrorKind::Refused, "promote")
                .with("paused by", &pause.who)
                .with("because", &pause.why)
                .hint("run `cutover resume` first"));
        }
        let Some(next) = Ladder::new(&self.plan).above(record.stage)? else {
            return Err(Error::new(ErrorKind::Refused, "promote")
                .with("stage", record.stage)
                .hint("this is the last stage of the plan"));
        };
        let action = if overridden.is_some() { Action::Override } else { Action::Promote };
        let why = overridden.unwrap_or("the gate is met");
        let mut after = record.clone().changed(action, next, self.signed(why));
        // The plan may have been changed where it may be; the stage now rests on this one.
        after.plan.clone_from(&self.plan.digest);
        if let Some(change) = &mut after.last {
            change.evidence = evidence;
        }
        self.change(current, after).await
    }

    /// Records a rollback: `off`, latched. Recording the same one again changes nothing; another
    /// one takes the place of the first, so that a `retry` of the first that is under way is
    /// fenced.
    ///
    /// # Errors
    /// Those of a put, and `Fenced` if somebody else changed the entry meanwhile. A history that
    /// cannot be written is none.
    pub async fn record_rollback(&self, current: &Current, rollback: &Rollback) -> Result<Current> {
        let after = self.latch(current, rollback).await?;
        self.settle(&after).await;
        Ok(after)
    }

    /// As [`Machine::record_rollback`], without its history.
    pub(crate) async fn latch(&self, current: &Current, rollback: &Rollback) -> Result<Current> {
        let record = &current.record;
        if record.is_latched_by(&rollback.id) {
            return Ok(current.clone());
        }
        let mut after = record.clone();
        if record.unsettled.len() < UNSETTLED_MAX {
            after = after.changed(Action::Rollback, Stage::Off, rollback.signed.clone());
        } else if history::settle(&*self.checkpoint, record).await.is_ok() {
            after = after.changed(Action::Rollback, Stage::Off, rollback.signed.clone());
            after.unsettled.clear();
        } else {
            // Only rollbacks go on without the history, so the stage is `off` and latched already.
            let Signed { who, why, .. } = &rollback.signed;
            tracing::warn!(
                who,
                why,
                "the history cannot be written, and will not have this rollback"
            );
        }
        let before = after.rolled_back.replace(rollback.clone());
        after.end(before.map(|before| before.id));
        self.put(current, after).await
    }

    /// Ends the rollback that is latched, and those of these files: `off`, and the climb may begin
    /// again. Whoever calls this removes their files afterwards.
    ///
    /// # Errors
    /// Those of a change.
    pub async fn retry(&self, current: &Current, files: &[Rollback], why: &str) -> Result<Current> {
        let mut after = current.record.clone().changed(Action::Retry, Stage::Off, self.signed(why));
        let latched = after.rolled_back.take();
        after.end(latched.iter().chain(files).map(|rollback| rollback.id.clone()));
        self.change(current, after).await
    }

    /// Goes back to `off` without a latch.
    ///
    /// # Errors
    /// `Refused` if a rollback is latched; those of a change.
    pub async fn abort(&self, current: &Current, why: &str) -> Result<Current> {
        if let Some(rollback) = &current.record.rolled_back {
            return Err(latched(rollback));
        }
        let after = current.record.clone().changed(Action::Abort, Stage::Off, self.signed(why));
        self.change(current, after).await
    }

    /// Holds the climb, or lets it go on. Doing so again changes nothing.
    ///
    /// # Errors
    /// Those of a change.
    pub async fn pause(&self, current: &Current, pause: bool, why: &str) -> Result<Current> {
        if current.record.paused.is_some() == pause {
            return Ok(current.clone());
        }
        let action = if pause { Action::Pause } else { Action::Resume };
        let signed = self.signed(why);
        let mut after =
            current.record.clone().changed(action, current.record.stage, signed.clone());
        after.paused = pause.then_some(signed);
        self.change(current, after).await
    }

    /// Adds keys to the whitelist, or removes them. What changes nothing is not recorded.
    ///
    /// # Errors
    /// `Refused` if a key is none or the list would be too long; those of a change.
    pub async fn whitelist(
        &self,
        current: &Current,
        action: Action,
        keys: &[String],
    ) -> Result<Current> {
        let record = &current.record;
        let list = match action {
            Action::WhitelistRemove => whitelist::without(&record.whitelist, keys),
            _ => whitelist::with(&record.whitelist, keys)?,
        };
        if list == record.whitelist {
            return Ok(current.clone());
        }
        let why = format!("{} keys before, {} after", record.whitelist.len(), list.len());
        let mut after = record.clone().changed(action, record.stage, self.signed(&why));
        after.whitelist = list;
        self.change(current, after).await
    }

    /// Changes the entry, once the history has what was changed before.
    async fn change(&self, current: &Current, mut after: Record) -> Result<Current> {
        history::settle(&*self.checkpoint, &current.record).await?;
        after.unsettled.clear();
        let after = self.put(current, after).await?;
        self.settle(&after).await;
        Ok(after)
    }

    /// Puts the entry if nobody has changed it meanwhile.
    async fn put(&self, current: &Current, after: Record) -> Result<Current> {
        let value = document::encode(&after)?;
        fault::point("cutover.before-put");
        let put = self.checkpoint.put(STAGE_KEY, &value, current.revision);
        let revision = match within_write(CALL_MAX, "change stage", put).await {
            Ok(Some(revision)) => revision,
            Ok(None) => return Err(changed_meanwhile()),
            Err(error) if error.kind() == ErrorKind::UnknownOutcome => {
                self.find_out(&after, error).await?
            }
            Err(error) => return Err(error),
        };
        fault::point("cutover.after-put");
        Ok(Current { record: after, revision: Some(revision) })
    }

    /// What became of a put whose answer was lost. Only what can be seen counts as done: what
    /// cannot be seen may still be on its way.
    async fn find_out(&self, after: &Record, error: Error) -> Result<Revision> {
        let unknown = Error::new(ErrorKind::UnknownOutcome, "change stage")
            .because(error)
            .hint("outcome unknown, run `cutover status` before retrying");
        match self.current().await {
            Ok(Current { record, revision: Some(revision) }) if record == *after => Ok(revision),
            Ok(_) | Err(_) => Err(unknown),
        }
    }

    /// Writes the history of a change that was made. It has been made whatever becomes of its line:
    /// the entry has it until a later change writes it.
    pub(crate) async fn settle(&self, current: &Current) {
        if let Err(error) = history::settle(&*self.checkpoint, &current.record).await {
            let error = migration::error::Chain(&error);
            tracing::warn!(error = %error, "the stage changed, but its history is behind");
        }
        fault::point("cutover.after-history");
    }

    /// Up to `limit` changes after number `after`, in order, those included whose lines are still
    /// to be written.
    ///
    /// # Errors
    /// `Unreadable` if a line is none.
    pub async fn history(
        &self,
        current: &Current,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Change>> {
        history::read(&*self.checkpoint, &current.record, after, limit).await
    }

    /// Signs something done now.
    #[must_use]
    pub fn signed(&self, why: &str) -> Signed {
        Signed { who: self.who.clone(), when: Timestamp::now(), why: why.to_owned() }
    }
}

fn latched(rollback: &Rollback) -> Error {
    let rollback = &rollback.signed;
    Error::new(ErrorKind::Refused, "change stage")
        .with("rolled back by", &rollback.who)
        .with("at", rollback.when.to_rfc3339())
        .with("because", &rollback.why)
        .hint("when the cause is mended, run `cutover retry`; the climb then begins again")
}

fn changed_meanwhile() -> Error {
    Error::new(ErrorKind::Fenced, "change stage")
        .hint("somebody else changed it at the same time: run `cutover status`, then decide again")
}

/// Asks the checkpoint store something that changes nothing, bounded.
async fn ask<T>(operation: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
    within(CALL_MAX, operation, call).await.map_err(|error| match error.kind() {
        ErrorKind::TimedOut => {
            error.hint("the checkpoint store does not answer; `cutover rollback` works without it")
        }
        _ => error,
    })
}

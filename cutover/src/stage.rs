//! Stages, and the one durable entry that says which of them holds.

use crate::bucket::BUCKETS;
use crate::decide::State;
use crate::rollback::{Rollback, RollbackId};
use migration::checkpoint::document::Document;
use migration::clock::Timestamp;
use migration::error::{Error, ErrorKind, Result};
pub use migration::phase::STAGE_KEY;
use migration::plan::{Bucketing, Plan, StagePlan};
use migration::position::Owner;
use std::collections::BTreeSet;
use std::fmt;

/// Ended rollbacks that are remembered. A file outlives the end of its rollback by a second, or
/// until the operator of its machine comes back to a `retry` that was killed; should this many
/// others have been ended before that, it counts as thrown again, which is safe.
const ENDED_MAX: usize = 64;

/// A step of the read switch, `off` included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The source answers everything and nothing is mirrored.
    Off,
    /// A stage of the plan.
    At(StagePlan),
}

impl Stage {
    /// Buckets of 10,000 that the target answers.
    #[must_use]
    pub fn basis_points(self) -> u16 {
        match self {
            Self::At(StagePlan::Share { basis_points }) => {
                u16::try_from(basis_points.min(BUCKETS)).unwrap_or(0)
            }
            Self::Off | Self::At(StagePlan::Mirror | StagePlan::Whitelist) => 0,
        }
    }

    /// Whether the target answers everything.
    #[must_use]
    pub fn is_full(self) -> bool {
        u32::from(self.basis_points()) == BUCKETS
    }

    /// Whether reads are repeated on the other store. At the full share they are not: that stage is
    /// there to show that the old store is no longer needed.
    #[must_use]
    pub fn mirrors(self) -> bool {
        self != Self::Off && !self.is_full()
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(StagePlan::Mirror) => f.write_str("mirror"),
            Self::At(StagePlan::Whitelist) => f.write_str("whitelist"),
            Self::At(StagePlan::Share { basis_points }) => {
                let (whole, part) = (basis_points / 100, basis_points % 100);
                match part {
                    0 => write!(f, "{whole}%"),
                    part if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
                    part => write!(f, "{whole}.{part:02}%"),
                }
            }
        }
    }
}

/// Who did something, when and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Signed {
    /// Who, as `user@host`.
    pub who: String,
    /// When.
    pub when: Timestamp,
    /// Why.
    pub why: String,
}

/// The durable state of the read switch. It is one entry, so that there is nothing halfway between
/// two stages.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// Names this run of the switch: a store that was emptied and begun anew has another one, and
    /// readers do not mistake its first stage for a later one of theirs.
    pub series: Owner,
    /// Digest of the plan it was made by.
    pub plan: String,
    /// The flag in every hash.
    pub flag: String,
    /// The way of bucketing.
    pub bucketing: Bucketing,
    /// Grows by one with every change of the stage.
    pub generation: u32,
    /// The stage.
    pub stage: Stage,
    /// Since when.
    pub since: Timestamp,
    /// The rollback that is latched, if one is: it holds until the operator says `retry`.
    pub rolled_back: Option<Rollback>,
    /// Rollbacks that are over, the latest last: ended by `retry`, or latched again by a later one.
    /// Their files may be there for a while.
    #[serde(default)]
    pub ended: Vec<RollbackId>,
    /// The pause that holds the climb, if one does. Reads go on as they are.
    pub paused: Option<Signed>,
    /// The whitelist.
    pub whitelist: BTreeSet<String>,
    /// The last change of this entry; the history has it as soon as its author, or the next one,
    /// has written it there.
    pub last: Option<Change>,
    /// Changes before the last, in order, that the history may lack: a rollback does not wait for
    /// it.
    #[serde(default)]
    pub unsettled: Vec<Change>,
}

/// What was done to the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// One stage up, behind its gate.
    Promote,
    /// One stage up, although its gate was not met.
    Override,
    /// The big red switch.
    Rollback,
    /// The end of a rollback: the climb may begin again.
    Retry,
    /// Back to `off` without a latch.
    Abort,
    /// The climb is held.
    Pause,
    /// The climb goes on.
    Resume,
    /// Keys went onto the whitelist.
    WhitelistAdd,
    /// Keys went off the whitelist.
    WhitelistRemove,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promote => "promote",
            Self::Override => "override",
            Self::Rollback => "rollback",
            Self::Retry => "retry",
            Self::Abort => "abort",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::WhitelistAdd => "whitelist add",
            Self::WhitelistRemove => "whitelist remove",
        })
    }
}

/// One change of the stage entry: a line of the history.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// Its number, from 1: also its line in the history.
    pub number: u64,
    /// The stage generation after it.
    pub generation: u32,
    /// What was done.
    pub action: Action,
    /// The stage before.
    pub from: Stage,
    /// The stage after.
    pub to: Stage,
    /// Who, when and why.
    #[serde(flatten)]
    pub signed: Signed,
    /// What the gate found, where there was one.
    pub evidence: Vec<String>,
}

impl Document for Record {
    const NAME: &'static str = "stage";
    const FORMAT: u32 = 1;
}

impl Document for Change {
    const NAME: &'static str = "history";
    const FORMAT: u32 = 1;
}

impl Record {
    /// The state before the first change: `off`.
    #[must_use]
    pub fn initial(plan: &Plan, now: Timestamp) -> Self {
        Self {
            series: Owner::new(),
            plan: plan.digest.clone(),
            flag: plan.cutover.flag.clone(),
            bucketing: plan.cutover.bucketing,
            generation: 0,
            stage: Stage::Off,
            since: now,
            rolled_back: None,
            ended: Vec::new(),
            paused: None,
            whitelist: BTreeSet::new(),
            last: None,
            unsettled: Vec::new(),
        }
    }

    /// Makes a change of it: `stage` is the stage afterwards. The caller has changed what else the
    /// action is about.
    #[must_use]
    pub fn changed(mut self, action: Action, stage: Stage, signed: Signed) -> Self {
        let from = self.stage;
        // Every change that readers must not miss has a generation of its own; u32 holds a change a
        // second for a century.
        let moves = stage != from || matches!(action, Action::Rollback | Action::Retry);
        if moves {
            self.generation = self.generation.saturating_add(1);
            self.since = signed.when;
        }
        self.stage = stage;
        let number = self.number() + 1;
        self.unsettled.extend(self.last.take());
        self.last = Some(Change {
            number,
            generation: self.generation,
            action,
            from,
            to: stage,
            signed,
            evidence: Vec::new(),
        });
        self
    }

    /// Whether a rollback is over: its file is about to go.
    #[must_use]
    pub fn has_ended(&self, rollback: &RollbackId) -> bool {
        self.ended.contains(rollback)
    }

    /// Whether this rollback is the one that is latched.
    #[must_use]
    pub fn is_latched_by(&self, rollback: &RollbackId) -> bool {
        self.rolled_back.as_ref().is_some_and(|latched| latched.id == *rollback)
    }

    /// Whether this rollback is latched, or over.
    pub(crate) fn knows(&self, rollback: &RollbackId) -> bool {
        self.is_latched_by(rollback) || self.has_ended(rollback)
    }

    /// Rollbacks are over.
    pub(crate) fn end(&mut self, rollbacks: impl IntoIterator<Item = RollbackId>) {
        for rollback in rollbacks {
            if !self.ended.contains(&rollback) {
                self.ended.push(rollback);
            }
        }
        self.ended.drain(..self.ended.len().saturating_sub(ENDED_MAX));
    }

    /// The changes that the history may lack, in order.
    pub(crate) fn unwritten(&self) -> impl Iterator<Item = &Change> {
        self.unsettled.iter().chain(&self.last)
    }

    /// The number of its last change; zero before the first.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.last.as_ref().map_or(0, |change| change.number)
    }

    /// That it belongs to the plan: the same flag and bucketing, so that no user changes its
    /// bucket.
    ///
    /// # Errors
    /// `Refused` if it does not.
    pub fn check_plan(&self, plan: &Plan) -> Result<()> {
        let cutover = &plan.cutover;
        if self.flag == cutover.flag && self.bucketing == cutover.bucketing {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Refused, "read stage")
            .with("flag", format!("{} ({:?})", self.flag, self.bucketing))
            .with("in plan", format!("{} ({:?})", cutover.flag, cutover.bucketing))
            .hint(
                "another flag or bucketing would move every user: put the first back into the plan",
            ))
    }

    /// What it means for a read.
    #[must_use]
    pub fn state(&self) -> State {
        State {
            generation: self.generation,
            basis_points: self.stage.basis_points(),
            mirror: self.stage.mirrors() && self.rolled_back.is_none(),
            whitelist: !matches!(self.stage, Stage::Off | Stage::At(StagePlan::Mirror)),
            rolled_back: self.rolled_back.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stage;
    use migration::plan::StagePlan;

    fn share(basis_points: u32) -> Stage {
        Stage::At(StagePlan::Share { basis_points })
    }

    #[test]
    fn shares_are_named_in_percent_without_needless_digits() {
        let names = [1, 10, 15, 100, 1_050, 10_000].map(|points| share(points).to_string());
        assert_eq!(names, ["0.01%", "0.1%", "0.15%", "1%", "10.5%", "100%"]);
    }

    #[test]
    fn reads_are_mirrored_from_the_first_stage_until_the_full_share() {
        let stages =
            [Stage::Off, Stage::At(StagePlan::Mirror), share(1), share(9_999), share(10_000)];
        assert_eq!(stages.map(Stage::mirrors), [false, true, true, true, false]);
    }
}

//! Gates: the evidence that the next stage needs.
//!
//! One condition a file, each a pure function of the [`Evidence`]. A condition is met, not met, or
//! unknown; what is missing or out of date is unknown, and unknown holds.

mod dead_letter;
mod lag;
mod mirror;
mod pause;
mod rollback;
mod soak;
mod verdict;

use crate::ladder::Ladder;
use crate::reader::Counts;
use crate::stage::{Record, Stage};
use migration::checkpoint::verdict::Verdict;
use migration::clock::Timestamp;
use migration::error::Result as MigrationResult;
use migration::plan::{GatePlan, Plan};
use std::time::Duration;

/// Something that was looked for: found, not there, or why it could not be read.
pub type Seen<T> = Result<T, String>;

/// What is known when a gate is evaluated.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The moment of evaluation.
    pub now: Timestamp,
    /// What a verdict must hold for: see [`migration::plan::Plan::edition`].
    pub edition: String,
    /// The stage entry.
    pub record: Record,
    /// Whether the rollback file exists.
    pub rollback_file: Seen<bool>,
    /// The verdicts.
    pub verdicts: Seen<VerdictsSeen>,
    /// The live path's lag.
    pub lag: Seen<Option<LagSeen>>,
    /// Dead letters that are open.
    pub dead_letters: Seen<u64>,
    /// Mirrored reads since the stage began.
    pub mirrored: Seen<Counts>,
}

/// What a gate looks at among the verdicts.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct VerdictsSeen {
    /// The last one of each dimension.
    pub latest: Vec<Verdict>,
    /// The last one of the storage dimension that speaks for every record of the migration, and
    /// not only for those of a sample that was copied first.
    pub whole: Option<Verdict>,
}

/// What a gate looks at in the live path's progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct LagSeen {
    /// When it was written.
    #[serde(serialize_with = "migration::cli::json::time")]
    pub at: Timestamp,
    /// The lag; `None` if the live path does not know it.
    #[serde(serialize_with = "migration::cli::json::maybe_seconds", rename = "lag_s")]
    pub lag: Option<Duration>,
    /// Whether the process that wrote it still runs, as far as can be told.
    pub lives: bool,
}

/// Whether a condition, or a whole gate, is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The evidence is there, and good.
    Met,
    /// The evidence is missing, out of date, or not yet enough.
    Unknown,
    /// The evidence is there, and bad.
    NotMet,
}

/// What became of one condition.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The condition's name.
    pub condition: &'static str,
    /// Whether it is met.
    pub outcome: Outcome,
    /// Why, with the figures, and what to do where it is not.
    pub reason: String,
}

/// The gate of the next stage, evaluated.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Gate {
    /// The stage it leads from.
    #[serde(serialize_with = "migration::cli::json::id")]
    pub from: Stage,
    /// The stage it leads to; `None` above the last.
    #[serde(serialize_with = "stage_name")]
    pub to: Option<Stage>,
    /// One finding a condition.
    pub findings: Vec<Finding>,
}

impl Gate {
    /// Evaluates the gate above the current stage.
    ///
    /// # Errors
    /// `Refused` if the plan has no such stage any more.
    pub fn evaluate(plan: &Plan, evidence: &Evidence) -> MigrationResult<Self> {
        let from = evidence.record.stage;
        let to = Ladder::new(plan).above(from)?;
        let findings = match to {
            Some(_) => findings(&plan.cutover.gate, evidence),
            None => Vec::new(),
        };
        Ok(Self { from, to, findings })
    }

    /// Whether all conditions are met. Evidence against outweighs missing evidence.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let outcomes = || self.findings.iter().map(|finding| finding.outcome);
        if outcomes().any(|outcome| outcome == Outcome::NotMet) {
            Outcome::NotMet
        } else if outcomes().any(|outcome| outcome == Outcome::Unknown) {
            Outcome::Unknown
        } else {
            Outcome::Met
        }
    }

    /// The findings as lines, for the history.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |finding: &Finding| format!("{}: {}", finding.condition, finding.reason);
        self.findings.iter().map(line).collect()
    }
}

fn findings(gate: &GatePlan, evidence: &Evidence) -> Vec<Finding> {
    let mut findings = vec![
        rollback::check(evidence),
        pause::check(evidence),
        verdict::check(gate, evidence),
        lag::check(gate, evidence),
        dead_letter::check(evidence),
    ];
    // At `off` there are no reads to look at and nothing to wait for.
    if evidence.record.stage != Stage::Off {
        findings.push(mirror::check(gate, evidence));
        findings.push(soak::check(gate, evidence));
    }
    findings
}

fn stage_name<S: serde::Serializer>(
    stage: &Option<Stage>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    use serde::Serialize as _;
    stage.map(|stage| stage.to_string()).serialize(serializer)
}

fn met(condition: &'static str, reason: impl Into<String>) -> Finding {
    Finding { condition, outcome: Outcome::Met, reason: reason.into() }
}

fn unknown(condition: &'static str, reason: impl Into<String>) -> Finding {
    Finding { condition, outcome: Outcome::Unknown, reason: reason.into() }
}

fn unreadable(condition: &'static str, why: &str) -> Finding {
    unknown(condition, format!("cannot be read: {why}"))
}

fn not_met(condition: &'static str, reason: impl Into<String>) -> Finding {
    Finding { condition, outcome: Outcome::NotMet, reason: reason.into() }
}

/// A duration as people say it: `850ms`, `12s`, `3m 20s`, `2h 5m`.
pub(crate) fn said(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests;

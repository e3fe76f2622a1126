//! What `cutover status` shows.

use super::known;
use super::vitals::{VerdictView, Vitals};
use crate::gate::{Evidence, Gate, LagSeen, Outcome, said};
use crate::ladder::Ladder;
use crate::reader::{Counts, ReaderSeen};
use crate::stage::Stage;
use migration::cli::{Exit, Report, json};
use migration::clock::Timestamp;
use migration::plan::Plan;
use std::fmt::Write as _;
use std::time::Duration;

/// The state of the switch at one moment.
#[derive(Debug, serde::Serialize)]
pub(in crate::command) struct Status {
    migration: String,
    stage: String,
    pub(in crate::command) basis_points: u16,
    pub(in crate::command) generation: u32,
    #[serde(serialize_with = "json::time")]
    since: Timestamp,
    #[serde(serialize_with = "json::time")]
    pub(in crate::command) now: Timestamp,
    /// Who threw the big red switch, when and why; null if it is not thrown.
    rolled_back: Option<Note>,
    /// Whether the rollback file is there; null if nobody can say.
    rollback_file: Option<bool>,
    paused: Option<Note>,
    whitelist_keys: usize,
    pub(in crate::command) ladder: Vec<Step>,
    pub(in crate::command) gate: Gate,
    /// The last verdict of each kind; null if they cannot be read.
    verdicts: Option<Vec<VerdictView>>,
    pub(in crate::command) lag: Option<LagSeen>,
    dead_letters: Option<u64>,
    pub(in crate::command) mirrored: Option<MirrorView>,
    pub(in crate::command) readers: Vec<ReaderView>,
}

#[derive(Debug, serde::Serialize)]
pub(in crate::command) struct ReaderView {
    process: String,
    pub(in crate::command) generation: u32,
    #[serde(serialize_with = "json::time")]
    at: Timestamp,
}

#[derive(Debug, serde::Serialize)]
struct Note {
    who: String,
    #[serde(serialize_with = "json::time")]
    when: Timestamp,
    why: String,
}

#[derive(Debug, serde::Serialize)]
pub(in crate::command) struct Step {
    pub(in crate::command) stage: String,
    pub(in crate::command) is_current: bool,
    #[serde(skip)]
    note: String,
}

#[derive(Debug, serde::Serialize)]
pub(in crate::command) struct MirrorView {
    pub(in crate::command) same: u64,
    pub(in crate::command) different: u64,
    pub(in crate::command) lag: u64,
    pub(in crate::command) failed: u64,
    #[serde(serialize_with = "json::maybe_seconds")]
    p50_s: Option<Duration>,
    #[serde(serialize_with = "json::maybe_seconds")]
    p99_s: Option<Duration>,
}

impl Status {
    pub(super) fn new(
        plan: &Plan,
        evidence: Evidence,
        gate: Gate,
        readers: Vec<ReaderSeen>,
    ) -> Self {
        let record = evidence.record;
        let note = |signed: crate::stage::Signed| Note {
            who: signed.who,
            when: signed.when,
            why: signed.why,
        };
        let held = said(evidence.now.since(record.since));
        let step = |&stage: &Stage| Step {
            stage: stage.to_string(),
            is_current: stage == record.stage,
            note: if stage == record.stage { held.clone() } else { String::new() },
        };
        Self {
            migration: plan.id.clone(),
            stage: record.stage.to_string(),
            basis_points: record.stage.basis_points(),
            generation: record.generation,
            since: record.since,
            now: evidence.now,
            ladder: Ladder::new(plan).stages().iter().map(step).collect(),
            rolled_back: record.rolled_back.map(|rollback| note(rollback.signed)),
            rollback_file: known(evidence.rollback_file),
            paused: record.paused.map(note),
            whitelist_keys: record.whitelist.len(),
            gate,
            verdicts: known(evidence.verdicts)
                .map(|seen| VerdictView::all(seen, &evidence.edition)),
            lag: known(evidence.lag).flatten(),
            dead_letters: known(evidence.dead_letters),
            mirrored: known(evidence.mirrored).map(MirrorView::from),
            readers: readers.into_iter().map(ReaderView::from).collect(),
        }
    }

    pub(super) fn exit(&self) -> Exit {
        if self.is_rolled_back() { Exit::NotMet } else { Exit::Done }
    }

    pub(in crate::command) fn is_rolled_back(&self) -> bool {
        self.rolled_back.is_some() || self.rollback_file == Some(true)
    }

    /// Who follows the stage, and who does not yet.
    fn followers(&self) -> String {
        let behind = self.readers.iter().filter(|reader| reader.generation != self.generation);
        let behind: Vec<_> = behind
            .map(|reader| format!("{} at generation {}", reader.process, reader.generation))
            .collect();
        match (self.readers.len(), behind.is_empty()) {
            (0, _) => "no service asks for the stage".to_owned(),
            (1, true) => "1 reader follows this stage".to_owned(),
            (count, true) => format!("{count} readers follow this stage"),
            (count, false) => format!("{count} readers; not yet here: {}", behind.join(", ")),
        }
    }

    fn vitals(&self) -> String {
        let (now, is_read) = (self.now, self.basis_points > 0);
        let (lag, dead_letters) = (self.lag, self.dead_letters);
        Vitals { now, verdicts: self.verdicts.as_deref(), lag, dead_letters, is_read }.text()
    }

    fn banner(&self) -> Option<String> {
        let hint = "`cutover retry` ends it when the cause is mended";
        match (&self.rolled_back, self.rollback_file) {
            (Some(note), _) => Some(format!("ROLLED BACK by {}: {}; {hint}", note.who, note.why)),
            (None, Some(true)) => {
                Some(format!("ROLLED BACK by the rollback file, not recorded yet; {hint}"))
            }
            _ => None,
        }
    }
}

impl From<ReaderSeen> for ReaderView {
    fn from(seen: ReaderSeen) -> Self {
        Self { process: seen.process.to_string(), generation: seen.generation, at: seen.at }
    }
}

impl From<Counts> for MirrorView {
    fn from(counts: Counts) -> Self {
        Self {
            same: counts.same,
            different: counts.different,
            lag: counts.lag,
            failed: counts.failed,
            p50_s: counts.latency_quantile(0.5),
            p99_s: counts.latency_quantile(0.99),
        }
    }
}

impl Report for Status {
    fn text(&self) -> String {
        let mut text = format!(
            "{}: stage {} (generation {}) since {}\n",
            self.migration,
            self.stage,
            self.generation,
            self.since.to_rfc3339()
        );
        if let Some(banner) = self.banner() {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(text, "{banner}");
        }
        if let Some(pause) = &self.paused {
            let _ =
                writeln!(text, "paused by {}: {}; `cutover resume` ends it", pause.who, pause.why);
        }
        text.push('\n');
        for step in &self.ladder {
            let mark = if step.is_current { '>' } else { ' ' };
            let keys = match (step.stage.as_str(), self.whitelist_keys) {
                ("whitelist", keys) => format!("{keys} keys"),
                _ => String::new(),
            };
            let line = format!(" {mark} {:<12}{:<10}{keys}", step.stage, step.note);
            let _ = writeln!(text, "{}", line.trim_end());
        }
        if let Some(mirrored) = &self.mirrored
            && let (Some(p50), Some(p99)) = (mirrored.p50_s, mirrored.p99_s)
        {
            let _ = write!(text, "\nmirrored reads took p50 < {p50:?}, p99 < {p99:?}");
        }
        let _ = writeln!(text, "\n{}\n", self.followers());
        text += &self.gate.text();
        text.push('\n');
        text += &self.vitals();
        text
    }
}

/// The status on one line, elsewhere.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
pub(super) struct Line(pub(super) Status);

impl Line {
    /// What is worth a new line: the stage and the state of each condition, not their figures.
    pub(super) fn key(&self) -> String {
        let findings = self.0.gate.findings.iter();
        let states: Vec<_> = findings.map(|finding| (finding.condition, finding.outcome)).collect();
        let status = &self.0;
        format!("{} {} {states:?}", status.generation, status.is_rolled_back())
    }
}

impl Report for Line {
    fn text(&self) -> String {
        let status = &self.0;
        let mut text = format!(
            "{} stage {} generation {}",
            status.now.to_rfc3339(),
            status.stage,
            status.generation
        );
        if let Some(banner) = status.banner() {
            let _ = write!(text, "; {banner}");
        }
        let waiting = status.gate.findings.iter().filter(|f| f.outcome != Outcome::Met);
        let waiting: Vec<_> = waiting.map(|f| format!("{} ({})", f.condition, f.reason)).collect();
        match (status.gate.to, waiting.is_empty()) {
            (None, _) => {}
            (Some(to), true) => {
                let _ = write!(text, "; gate to {to} open");
            }
            (Some(to), false) => {
                let _ = write!(text, "; gate to {to} waits for {}", waiting.join(", "));
            }
        }
        text
    }
}

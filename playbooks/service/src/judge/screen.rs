//! The last screen.

use super::expected::Expected;
use super::finding::Findings;
use super::pace::{Asked, Pace, Traffic};
use super::reads::JudgedReads;
use super::stages::Stages;
use super::stores::Compared;
use std::fmt::Write;
use std::time::Duration;

/// Everything that the last screen shows.
#[derive(Debug)]
pub(super) struct Screen<'a> {
    pub(super) expected: &'a Expected,
    pub(super) stores: &'a Compared,
    pub(super) reads: &'a JudgedReads,
    pub(super) stages: &'a Stages,
    pub(super) lag_max: Duration,
    pub(super) traffic: &'a Traffic,
    pub(super) asked: Asked,
}

impl Screen<'_> {
    /// Its text; the last line says whether the flight passes.
    pub(super) fn text(&self, findings: &Findings) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let written = self.write(&mut text, findings);
        debug_assert!(written.is_ok(), "a string takes everything");
        text
    }

    fn write(&self, out: &mut String, findings: &Findings) -> std::fmt::Result {
        let Self { expected, stores, reads, .. } = self;
        let changes = expected.upserts + expected.deletes;
        writeln!(
            out,
            "oracle       {changes} changes acknowledged, {} of them deletes",
            expected.deletes
        )?;
        writeln!(out, "             {} edges must be there", expected.len())?;
        let Traffic { changes, lists } = self.traffic;
        writeln!(out, "traffic      {}", rate(changes, "changes", self.asked.changes))?;
        writeln!(out, "             {}", rate(lists, "lists", self.asked.lists))?;
        writeln!(out, "source       {} edges compared, key by key", stores.source)?;
        let tables = stores.target.iter().map(|(table, count)| format!("{count} in {table}"));
        writeln!(out, "target       edges compared: {}", tables.collect::<Vec<_>>().join(", "))?;
        writeln!(
            out,
            "reads        {} of the source, each of a state that held at that moment",
            reads.source
        )?;
        writeln!(
            out,
            "             {} answered by the target and {} mirrored there, none of them going back",
            reads.answered, reads.mirrored
        )?;
        self.write_stages(out)?;
        writeln!(
            out,
            "staleness    of the target's answers: max {}, p99 {}; lag printed: max {}",
            millis(reads.staleness.max),
            millis(reads.staleness.p99),
            millis(self.lag_max),
        )?;
        writeln!(
            out,
            "             of mirrored reads: max {}, p99 {}",
            millis(reads.staleness_mirrored.max),
            millis(reads.staleness_mirrored.p99),
        )?;
        if let Some(rollback) = reads.rollback {
            writeln!(out, "rollback     in effect after {}", millis(rollback))?;
        }
        if findings.is_empty() {
            return write!(out, "PASS: oracle, source and target agree, and no answer was wrong");
        }
        for line in findings.lines() {
            writeln!(out, "{line}")?;
        }
        write!(out, "FAIL: see above")
    }

    fn write_stages(&self, out: &mut String) -> std::fmt::Result {
        for (generation, span) in &self.stages.spans {
            let (source, target) =
                self.reads.by_generation.get(generation).copied().unwrap_or_default();
            let name =
                if span.is_rollback { "rollback".to_owned() } else { span.stage.to_string() };
            writeln!(
                out,
                "stage {generation:<6} {name:<10} {source:>8} answers from the source, {target:>8} from the target"
            )?;
        }
        Ok(())
    }
}

fn rate(pace: &Pace, what: &str, asked: u32) -> String {
    let (mean, least) = (pace.mean(), pace.least());
    format!("{mean} {what} a second of {asked} asked for, {least} in the slowest ten seconds")
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

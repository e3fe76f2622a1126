//! What a check finds, and how it is shown.

use crate::cli::{Exit, Report, json};
use crate::error::{Chain, Error, Result};
use serde::Serialize;
use std::fmt::Write as _;

/// Whether a precondition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds.
    Ok,
    /// It holds, and there is something to know.
    Warning,
    /// It does not hold: nothing would run.
    Failed,
}

/// What one check says about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The precondition's name.
    pub name: &'static str,
    /// Whether it holds.
    pub outcome: Outcome,
    /// What was found, where.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// A precondition that holds.
    pub fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, message: message.into(), hint: None }
    }

    /// A precondition that holds, with something to know.
    pub fn warning(
        name: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { name, outcome: Outcome::Warning, message: message.into(), hint: Some(hint.into()) }
    }

    /// A precondition that does not hold.
    pub fn failed(name: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Failed, message: message.into(), hint: Some(hint.into()) }
    }

    /// A precondition that does not hold, as an error says it.
    #[must_use]
    pub fn error(name: &'static str, error: &Error) -> Self {
        Self {
            name,
            outcome: Outcome::Failed,
            message: Chain(error).to_string(),
            hint: error.next_step().map(str::to_owned),
        }
    }
}

/// What all checks found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    ready: bool,
    findings: Vec<Finding>,
}

impl Findings {
    /// All findings, those of a phase's own checks among them.
    #[must_use]
    pub fn new(findings: Vec<Finding>) -> Self {
        let ready = findings.iter().all(|finding| finding.outcome != Outcome::Failed);
        Self { ready, findings }
    }

    /// Whether everything may run: no precondition failed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Each of them, in the order of the checks.
    #[must_use]
    pub fn all(&self) -> &[Finding] {
        &self.findings
    }

    /// How a `check` command ends with this.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.ready { Exit::Done } else { Exit::NotMet }
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }
}

impl Report for Findings {
    fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let outcome = match finding.outcome {
                Outcome::Ok => "ok",
                Outcome::Warning => "warning",
                Outcome::Failed => "FAILED",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{outcome:<8}{:<16}{}", finding.name, finding.message);
            if let Some(hint) = &finding.hint {
                let _ = writeln!(text, "{:<24}hint: {hint}", "");
            }
        }
        let (failed, warnings) = (self.count(Outcome::Failed), self.count(Outcome::Warning));
        let verdict = if self.ready { "ready" } else { "not ready" };
        let _ = write!(
            text,
            "{verdict}: {} checks, {failed} failed, {warnings} with a warning",
            self.findings.len()
        );
        text
    }

    fn lines(&self) -> Result<Vec<serde_json::Value>> {
        json::lines(&self.findings)
    }
}

//! `cutover gate`: evaluates the next gate and changes nothing.

use crate::context::Context;
use crate::gate::{Gate, Outcome};
use migration::cli::{Exit, Report, print, table};
use migration::error::Result;

pub(super) async fn run(context: &Context) -> Result<Exit> {
    let current = context.machine.current().await?;
    let (_, gate) = context.gate(&current).await?;
    print(&context.shared, &gate)?;
    Ok(exit(&gate))
}

/// The exit code of a gate.
pub(super) fn exit(gate: &Gate) -> Exit {
    match gate.outcome() {
        Outcome::Met => Exit::Done,
        Outcome::Unknown => Exit::Inconclusive,
        Outcome::NotMet => Exit::NotMet,
    }
}

/// The word for people.
pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Met => "met",
        Outcome::Unknown => "not yet",
        Outcome::NotMet => "NO",
    }
}

impl Report for Gate {
    fn text(&self) -> String {
        let Some(to) = self.to else {
            return format!("{} is the last stage: there is no gate above it", self.from);
        };
        let rows: Vec<_> = self
            .findings
            .iter()
            .map(|finding| {
                let (condition, reason) = (finding.condition.to_owned(), finding.reason.clone());
                [condition, word(finding.outcome).to_owned(), reason]
            })
            .collect();
        let outcome = match self.outcome() {
            Outcome::Met => "open",
            Outcome::Unknown => "not yet open",
            Outcome::NotMet => "closed",
        };
        let findings = table(["condition", "state", "found"], &rows);
        format!("gate from {} to {to}: {outcome}\n{findings}", self.from)
    }
}

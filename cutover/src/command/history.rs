//! `cutover history`: what was done to the stage, by whom and why.

use crate::args::HistoryArgs;
use crate::context::Context;
use crate::stage::Change;
use migration::cli::{Exit, Report, json, print, table};
use migration::clock::Timestamp;
use migration::error::Result;
use serde_json::Value;

pub(super) async fn run(context: &Context, args: &HistoryArgs) -> Result<Exit> {
    let current = context.machine.current().await?;
    let changes = context.machine.history(&current, args.after, usize::from(args.limit)).await?;
    let history = History { changes: changes.into_iter().map(Line::from).collect() };
    print(&context.shared, &history)?;
    Ok(Exit::Done)
}

#[derive(Debug, serde::Serialize)]
struct History {
    changes: Vec<Line>,
}

#[derive(Debug, serde::Serialize)]
struct Line {
    #[serde(serialize_with = "json::id")]
    number: u64,
    generation: u32,
    #[serde(serialize_with = "json::time")]
    when: Timestamp,
    who: String,
    action: String,
    from: String,
    to: String,
    why: String,
    evidence: Vec<String>,
}

impl From<Change> for Line {
    fn from(change: Change) -> Self {
        Self {
            number: change.number,
            generation: change.generation,
            when: change.signed.when,
            who: change.signed.who,
            action: change.action.to_string(),
            from: change.from.to_string(),
            to: change.to.to_string(),
            why: change.signed.why,
            evidence: change.evidence,
        }
    }
}

impl Report for History {
    fn text(&self) -> String {
        let rows: Vec<_> = self
            .changes
            .iter()
            .map(|line| {
                let stages = if line.from == line.to {
                    line.to.clone()
                } else {
                    format!("{} -> {}", line.from, line.to)
                };
                let when = line.when.to_rfc3339();
                [
                    line.number.to_string(),
                    when,
                    line.who.clone(),
                    line.action.clone(),
                    stages,
                    line.why.clone(),
                ]
            })
            .collect();
        table(["no", "when", "who", "what", "stage", "why"], &rows)
    }

    fn lines(&self) -> Result<Vec<Value>> {
        json::lines(&self.changes)
    }
}

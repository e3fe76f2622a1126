//! `diff`: what the last run found, one JSON line a record.

use crate::args::DiffArgs;
use crate::difference::Difference;
use crate::record::Records;
use migration::cli::{Exit, Report, SharedArgs, SharedOutput, print};
use migration::error::{Error, ErrorKind, Result};
use serde::Serialize;

/// A record that differs, as it is printed: always as JSON lines, which is what a repair or a
/// script reads; a table of a thousand keys helps nobody.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line {
    Key { key: String },
    Whole(Difference),
}

impl Report for Line {
    fn text(&self) -> String {
        // A line that cannot be JSON is an error in `lines`; here it would be an empty one.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Prints the differences, page by page.
pub(super) async fn run(shared: &SharedArgs, which: &DiffArgs) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let checkpoint = migration::checkpoint::open_existing(&plan.checkpoint, &plan.id).await?;
    let records = Records::new(checkpoint);
    let Some((record, _)) = records.current().await? else {
        return Err(Error::new(ErrorKind::Refused, "print differences: there was no run")
            .hint("compare first: `verify run`"));
    };
    if record.verdict.is_none() {
        let run = &record.id;
        tracing::warn!(run, "not judged yet: what is listed may only have been on its way");
    }
    let more = record.not_kept.disagreeing();
    if more > 0 {
        tracing::warn!(more, "only the first that the run found are kept, and listed");
    }
    let to = SharedOutput::from(shared).of_records();
    let mut left = which.limit.unwrap_or(usize::MAX);
    let mut after: Option<String> = None;
    loop {
        let page = records.differences(&record.id, after.as_deref()).await?;
        let Some((last, _)) = page.last() else {
            if after.is_none() {
                tracing::info!(run = %record.id, "no differences");
            }
            return Ok(Exit::Done);
        };
        after = Some(last.clone());
        for (_, difference) in page {
            if left == 0 {
                return Ok(Exit::Done);
            }
            left -= 1;
            let line = if which.only_keys {
                Line::Key { key: difference.key }
            } else {
                Line::Whole(difference)
            };
            print(to, &line)?;
        }
    }
}

//! The judge: holds the source, the target and every answer against what was acknowledged.
//!
//! It reads the stores with its own statements and its own conversions, and decides where a read
//! may go with its own bucketing, so that a mistake of the product cannot hide itself.

mod ask;
mod expected;
mod finding;
mod history;
mod names;
mod reads;
mod screen;
mod stages;
mod stores;
#[cfg(test)]
mod tests;

use crate::args::JudgeArgs;
use crate::files::FlightDir;
use crate::log::LogReader;
use crate::oracle::OracleLine;
use crate::read_log::ReadLine;
use crate::{Outcome, say, seed};
use expected::Expected;
use finding::Findings;
use migration::error::Result;
use migration::plan::Plan;
use reads::Reads;
use screen::Screen;
use stages::Stages;
use std::path::Path;
use std::time::Duration;

/// Judges a flight, prints the last screen and keeps it as `report.txt`.
pub(crate) fn judge(args: &JudgeArgs) -> Result<Outcome> {
    let dir = FlightDir(args.flight.dir.clone());
    let stages = ask::stages(&args.config, &Plan::load(&args.config)?)?;
    let lag_max = match args.lag_max_ms {
        Some(millis) => Duration::from_millis(millis),
        None => ask::lag_printed(&args.config)?,
    };
    let judgement = weigh(&dir, &args.data, &stages, lag_max)?;
    say(&judgement.text);
    dir.keep_report(&judgement.text)?;
    Ok(judgement.outcome)
}

/// What the judge says.
#[derive(Debug)]
struct Judgement {
    outcome: Outcome,
    text: String,
}

fn weigh(dir: &FlightDir, data: &Path, stages: &Stages, lag_max: Duration) -> Result<Judgement> {
    let mut findings = Findings::default();
    let mut expected = Expected::default();
    for edge in seed::edges(data)? {
        expected.begin_with(&edge?);
    }
    for line in LogReader::<OracleLine>::open(&dir.oracle())? {
        expected.acknowledge(&line?, &mut findings);
    }
    let stores = stores::compare(dir, &mut expected, &mut findings)?;
    let mut reads = Reads::default();
    for line in LogReader::<ReadLine>::open(&dir.reads())? {
        reads.hear(&line?, &expected, stages, &mut findings);
    }
    let reads = reads.judge(&expected, stages, &mut findings);
    reads.check_staleness(lag_max, &mut findings);
    let (expected, stores, reads) = (&expected, &stores, &reads);
    let text = Screen { expected, stores, reads, stages, lag_max }.text(&findings);
    let outcome = if findings.is_empty() { Outcome::Done } else { Outcome::Failed };
    Ok(Judgement { outcome, text })
}

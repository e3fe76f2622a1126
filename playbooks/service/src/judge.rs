//! The judge: holds the source, the target and every answer against what was acknowledged.
//!
//! It reads the stores with its own statements and its own conversions, and decides where a read
//! may go with its own bucketing, so that a mistake of the product cannot hide itself.

mod ask;
mod expected;
mod finding;
mod history;
mod names;
mod pace;
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
use crate::seed::Data;
use crate::store::Stores;
use crate::{Outcome, say};
use expected::Expected;
use finding::Findings;
use migration::error::Result;
use migration::plan::Plan;
use pace::{Asked, Traffic};
use reads::Reads;
use screen::Screen;
use stages::Stages;
use std::time::Duration;

/// Judges a flight, prints the last screen and keeps it as `report.txt`.
pub(crate) fn judge(args: &JudgeArgs) -> Result<Outcome> {
    let dir = args.flight.dir();
    let config = &args.flight.config;
    let plan = Plan::load(config)?;
    let stages = ask::stages(config, &plan)?;
    let lag_max = match args.lag_max_ms {
        Some(millis) => Duration::from_millis(millis),
        None => ask::lag_printed(config)?,
    };
    let asked = Asked { changes: args.changes, lists: args.lists, least_percent: args.rate_min };
    let flight = Flight { stores: Stores::of(&plan, &dir)?, dir, data: args.data.data() };
    let judgement = weigh(&flight, &stages, Promised { lag_max, asked })?;
    say(&judgement.text);
    flight.dir.keep_report(&judgement.text)?;
    Ok(judgement.outcome)
}

/// Whether the source holds what was acknowledged and nothing else, which a service has to know
/// that begins where another one stopped.
pub(crate) fn source_is_as_acknowledged(
    dir: &FlightDir,
    stores: &Stores,
    data: &Data,
) -> Result<bool> {
    let mut findings = Findings::default();
    let mut expected = acknowledged(dir, data, &mut Traffic::default(), &mut findings)?;
    stores::compare_source(stores, &mut expected, &mut findings)?;
    Ok(findings.is_empty())
}

/// Folds the oracle into what the flight began with.
fn acknowledged(
    dir: &FlightDir,
    data: &Data,
    traffic: &mut Traffic,
    findings: &mut Findings,
) -> Result<Expected> {
    let mut expected = Expected::default();
    for edge in data.edges()? {
        expected.begin_with(&edge?);
    }
    for line in LogReader::<OracleLine>::open(&dir.oracle())? {
        let line = line?;
        traffic.changes.hear(line.begun_at);
        expected.acknowledge(&line, findings);
    }
    Ok(expected)
}

/// What the judge says.
#[derive(Debug)]
struct Judgement {
    outcome: Outcome,
    text: String,
}

/// What a flight is held against, beside its own records.
#[derive(Debug, Clone, Copy)]
struct Promised {
    /// The most lag that was printed.
    lag_max: Duration,
    /// What the service was asked for.
    asked: Asked,
}

/// Where a flight has left its traces.
#[derive(Debug)]
struct Flight {
    dir: FlightDir,
    stores: Stores,
    data: Data,
}

fn weigh(flight: &Flight, stages: &Stages, promised: Promised) -> Result<Judgement> {
    let Flight { dir, stores, data } = flight;
    let Promised { lag_max, asked } = promised;
    let mut traffic = Traffic::default();
    let mut findings = Findings::default();
    let mut expected = acknowledged(dir, data, &mut traffic, &mut findings)?;
    let stores = stores::compare(stores, &mut expected, &mut findings)?;
    let mut reads = Reads::default();
    for line in LogReader::<ReadLine>::open(&dir.reads())? {
        let line = line?;
        if line.answered {
            traffic.lists.hear(line.begun_at);
        }
        reads.hear(&line, &expected, stages, &mut findings);
    }
    traffic.check(asked, &mut findings);
    let reads = reads.judge(&expected, stages, &mut findings);
    reads.check_staleness(lag_max, &mut findings);
    let (expected, stores, reads, traffic) = (&expected, &stores, &reads, &traffic);
    let screen = Screen { expected, stores, reads, stages, lag_max, traffic, asked };
    let text = screen.text(&findings);
    let outcome = if findings.is_empty() { Outcome::Done } else { Outcome::Failed };
    Ok(Judgement { outcome, text })
}

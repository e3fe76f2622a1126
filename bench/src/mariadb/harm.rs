//! What the copy does to the source's own users.

use super::{start, updates};
use crate::bed::{Bed, Filled, Store};
use crate::case::Settings;
use crate::child::Failure;
use crate::midflight::Midflight;
use crate::report::{self, Report};
use crate::side::{Side as _, Subject};
use crate::table::Table;
use servers::MariaDb;
use std::time::Duration;

/// How long updates are measured, alone and beside the copy.
const WINDOW: Duration = Duration::from_secs(10);

/// Records a second that the copy may read, the last without a bound.
const RATES: [Option<u32>; 5] = [Some(10_000), Some(20_000), Some(50_000), Some(100_000), None];

/// The 99th percentile of 1,000 updates a second on the source, beside a copy at several rates.
/// All servers are on this machine, so that the target's work counts as harm too.
pub(crate) async fn harm(settings: &Settings, report: &mut Report) -> Result<(), Failure> {
    let rows = settings.server_rows();
    let bed = Bed { source: start(1)?, target: start(2)?, rows };
    for table in settings.tables_or(&["narrow"])? {
        let filled = bed.fill(table)?;
        for &durability in &settings.durabilities {
            bed.set_durability(durability)?;
            let subject = Subject { case: "harm", table: table.name, durability: Some(durability) };
            report::begin(&subject, settings.runs);
            for rate in RATES {
                let (mut alone, mut beside) = (Vec::new(), Vec::new());
                for _ in 0..settings.runs {
                    alone.push(measure(&bed, table).await?);
                    beside.push(measure_beside(settings, &bed, &filled, rate).await?);
                }
                let (rate, aim) = match rate {
                    Some(rate) => (format!("at most {rate} rows/s"), None),
                    // The plan sets none by itself.
                    None => ("no bound, the default".to_owned(), Some(1.1)),
                };
                report.harm(&subject, &rate, aim, &alone, &beside);
            }
        }
    }
    Ok(())
}

async fn measure(bed: &Bed<MariaDb, MariaDb>, table: &Table) -> Result<f64, Failure> {
    let mut found = updates::run(&Store::url(&bed.source), table, bed.rows, WINDOW).await?;
    let least = f64::from(updates::RATE) * WINDOW.as_secs_f64() * 0.95;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let count = found.count() as f64;
    if count < least {
        return Err(format!("only {count} updates were made").into());
    }
    Ok(found.p99_ms())
}

async fn measure_beside(
    settings: &Settings,
    bed: &Bed<MariaDb, MariaDb>,
    filled: &Filled<'_>,
    rate: Option<u32>,
) -> Result<f64, Failure> {
    let more = rate.map_or_else(String::new, |rate| format!("[backfill]\nrate = {rate}\n"));
    let copy = Midflight::new(bed, filled, settings, &more)?;
    copy.prepare()?;
    // It ends by itself if it is quick, and is killed if it is not: that harms nothing here.
    let mut running = copy.start()?;
    let found = measure(bed, filled.table).await;
    if running.try_wait()?.is_some() {
        report::note("  the copy ended before the updates: with more --rows it lasts");
    }
    running.kill()?;
    running.wait()?;
    found
}

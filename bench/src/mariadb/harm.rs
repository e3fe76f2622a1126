//! What the copy does to the source's own users.

use super::{start, updates};
use crate::bed::{Bed, Filled, Store};
use crate::case::Settings;
use crate::child::Failure;
use crate::midflight::Midflight;
use crate::plan;
use crate::report::{self, Report};
use crate::side::{Side as _, Subject};
use crate::table::Table;
use servers::MariaDb;
use std::time::Duration;

/// How long updates are measured, alone and beside the copy.
const WINDOW: Duration = Duration::from_secs(10);

/// The rates of the plan, the first as it is without one, and what to call them. Only the default
/// promises something.
const RATES: [(&str, &str, Option<f64>); 5] = [
    ("", "the default of 10000 rows/s", Some(1.1)),
    ("[backfill]\nrate = 20000\n", "at most 20000 rows/s", None),
    ("[backfill]\nrate = 50000\n", "at most 50000 rows/s", None),
    ("[backfill]\nrate = 100000\n", "at most 100000 rows/s", None),
    (plan::FULL_SPEED, "no limit", None),
];

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
            for (rate, name, aim) in RATES {
                let (mut alone, mut beside) = (Vec::new(), Vec::new());
                for _ in 0..settings.runs {
                    alone.push(measure(&bed, table).await?);
                    beside.push(measure_beside(settings, &bed, &filled, rate).await?);
                }
                report.harm(&subject, name, aim, &alone, &beside);
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
    rate: &str,
) -> Result<f64, Failure> {
    let copy = Midflight::new(bed, filled, settings, rate)?;
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

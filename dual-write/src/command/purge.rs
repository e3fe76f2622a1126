//! `purge`: removes the guards that nothing needs any more.

use migration::barrier::source_barrier;
use migration::checkpoint::audit;
use migration::claim::{partitions, survey_ranges};
use migration::cli::{Exit, Report, SharedArgs, confirm, print, table};
use migration::dead_letter;
use migration::error::{Error, ErrorKind, Result};
use migration::position::Version;
use migration::process::operator;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use serde::Serialize;
use std::time::Duration;

/// Guards removed in one step: a few milliseconds during which the live path waits.
const STEP: usize = 2_000;

/// Longest wait for a source that lags behind its queue.
const BARRIER_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct Purged {
    tables: Vec<TablePurged>,
}

#[derive(Debug, Serialize)]
struct TablePurged {
    table: String,
    ranges: usize,
    ranges_done: usize,
    removed: u64,
}

impl Report for Purged {
    fn text(&self) -> String {
        let rows: Vec<[String; 4]> = self
            .tables
            .iter()
            .map(|purged| {
                [
                    purged.table.clone(),
                    purged.ranges.to_string(),
                    purged.ranges_done.to_string(),
                    purged.removed.to_string(),
                ]
            })
            .collect();
        table(["table", "ranges", "done", "guards removed"], &rows)
    }
}

pub(super) async fn run(args: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let below = below(&servers).await?;
    confirm(args, shutdown, "remove guards and tombstones of ranges that are done").await?;
    audit::record(&*servers.checkpoint, &operator(), "dual-write: purge", None).await?;
    let mut purged = Purged { tables: Vec::new() };
    for layout in &servers.layouts {
        let name = &layout.source().table;
        let ranges = survey_ranges(&servers.targets, name).await?;
        let mut table = TablePurged {
            table: name.clone(),
            ranges: ranges.len(),
            ranges_done: ranges.iter().filter(|range| range.done).count(),
            removed: 0,
        };
        // Done on every instance, read now.
        for range in ranges.iter().filter(|range| range.done && range.split_everywhere) {
            for target in &servers.targets {
                loop {
                    let removed = target.purge(name, range.after.as_ref(), &below, STEP).await?;
                    table.removed += removed;
                    let is_last = usize::try_from(removed).is_ok_and(|removed| removed < STEP);
                    if is_last || shutdown.has_begun() {
                        break;
                    }
                }
            }
        }
        purged.tables.push(table);
    }
    print(args, &purged)?;
    Ok(Exit::Done)
}

/// The version that every instance and the source are past.
async fn below(servers: &Servers) -> Result<Version> {
    let refused = |why: &str| Error::new(ErrorKind::Refused, format!("purge: {why}"));
    if dead_letter::count_open(&*servers.checkpoint).await? > 0 {
        return Err(refused("a dead letter is open, and its replay needs the guards")
            .hint("see `dual-write dlq list`; replay or drop it first"));
    }
    let queue = &*servers.queue;
    let partition = match queue.partitions().await?.as_slice() {
        [only] => std::sync::Arc::clone(only),
        _ => {
            return Err(refused("a guard does not say which partition its change came from")
                .hint("with several partitions, purge after the cut-over: `dual-write cleanup`"));
        }
    };
    let rows = partitions(&servers.targets, &partition).await?;
    let next = rows.iter().map(|row| row.next).min();
    let next = next.ok_or_else(|| refused("the target has no instance"))?;
    source_barrier(queue, &servers.targets, None, BARRIER_MAX).await?;
    queue.version_at(&partition, &next).await
}

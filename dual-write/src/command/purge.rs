//! `purge`: removes the guards that nothing needs any more.

use migration::barrier::source_barrier;
use migration::checkpoint::audit;
use migration::claim::{partitions, survey_ranges};
use migration::cli::{Exit, Report, SharedArgs, confirm, print, table};
use migration::dead_letter;
use migration::error::{Error, ErrorKind, Result};
use migration::position::{Position, Version};
use migration::process::operator;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use migration::store::PurgeStep;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Guards removed in one step: a few milliseconds during which the live path waits.
const STEP: usize = 2_000;

/// Longest wait for a source that lags behind its queue.
const BARRIER_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct Purged {
    /// Whether it was told to stop before it had looked at everything.
    stopped: bool,
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
        let mut text = table(["table", "ranges", "done", "guards removed"], &rows);
        if self.stopped {
            text.push_str("\nstopped; `dual-write purge` goes on from here");
        }
        text
    }
}

pub(super) async fn run(args: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let bound = Bound::find(&servers).await?;
    confirm(args, shutdown, "remove guards and tombstones of ranges that are done").await?;
    audit::record(&*servers.checkpoint, &operator(), "dual-write: purge", None).await?;
    let mut purged = Purged { stopped: false, tables: Vec::new() };
    for layout in &servers.layouts {
        purged.tables.push(purge_table(&servers, &layout.source().table, &bound, shutdown).await?);
    }
    purged.stopped = shutdown.has_begun();
    print(args, &purged)?;
    Ok(if purged.stopped { Exit::NotMet } else { Exit::Done })
}

async fn purge_table(
    servers: &Servers,
    name: &str,
    bound: &Bound,
    shutdown: &Shutdown,
) -> Result<TablePurged> {
    let ranges = survey_ranges(&servers.targets, name).await?;
    let mut table = TablePurged {
        table: name.to_owned(),
        ranges: ranges.len(),
        ranges_done: ranges.iter().filter(|range| range.done).count(),
        removed: 0,
    };
    // Done on every instance, read now.
    for range in ranges.iter().filter(|range| range.done && range.split_everywhere) {
        for target in &servers.targets {
            loop {
                if shutdown.has_begun() {
                    return Ok(table);
                }
                let step = PurgeStep {
                    source_table: name,
                    range_after: range.after.as_ref(),
                    below: bound.below,
                    partition: &bound.partition,
                    passed: bound.passed,
                    source_shows: bound.source_shows,
                    // Asked again each time: the live path goes on, and may meet one.
                    open_dead_letters: has_open_letters(servers).await?,
                    limit: STEP,
                };
                let removed = target.purge(&step).await?;
                table.removed += removed;
                if usize::try_from(removed).is_ok_and(|removed| removed < STEP) {
                    break;
                }
            }
        }
    }
    Ok(table)
}

/// Up to where guards may go.
#[derive(Debug)]
struct Bound {
    partition: Arc<str>,
    /// What every instance had applied.
    passed: Position,
    /// The versions that lie before it.
    below: Version,
    /// Whether the source showed what any instance had applied.
    source_shows: bool,
}

impl Bound {
    /// Finds it. What is refused here would be refused by the first step too, but before anybody
    /// is asked to confirm.
    async fn find(servers: &Servers) -> Result<Self> {
        let refused = |why: &str| Error::new(ErrorKind::Refused, format!("purge: {why}"));
        if has_open_letters(servers).await? {
            return Err(refused("a dead letter is open, and its replay needs the guards")
                .hint("see `dual-write dlq list`; replay or drop it first"));
        }
        let queue = &*servers.queue;
        let partition = match queue.partitions().await?.as_slice() {
            [only] => Arc::clone(only),
            _ => {
                return Err(refused("a guard does not say which partition its change came from")
                    .hint("with several partitions they stay until the end: `cutover cleanup`"));
            }
        };
        let rows = partitions(&servers.targets, &partition).await?;
        let passed = rows.iter().map(|row| row.next).min();
        let passed = passed.ok_or_else(|| refused("the target has no instance"))?;
        let highest = rows.iter().map(|row| row.next).max().unwrap_or(passed);
        source_barrier(queue, &servers.targets, None, BARRIER_MAX).await?;
        let source_shows = queue.source_shows(&partition, &highest).await?;
        let below = queue.version_at(&partition, &passed).await?;
        Ok(Self { partition, passed, below, source_shows })
    }
}

async fn has_open_letters(servers: &Servers) -> Result<bool> {
    dead_letter::is_any_open(&*servers.checkpoint).await
}

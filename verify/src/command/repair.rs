//! `repair`: copies what the last run found different again, under the protocol's lease.

use crate::args::RepairArgs;
use crate::difference::{Difference, DifferenceKind};
use crate::record::Records;
use migration::checkpoint::audit;
use migration::cli::{Exit, Report, SharedArgs, print};
use migration::error::{Error, ErrorKind, Result};
use migration::process::operator;
use migration::repair::{RepairItem, Repaired, Repairer};
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use serde::Serialize;
use std::time::Duration;

/// Longest wait for the source to show what the target has applied.
const BARRIER_MAX: Duration = Duration::from_secs(30);

/// What a repair did, or would do.
#[derive(Debug, Default, Serialize)]
struct Done {
    executed: bool,
    /// Whether it was told to stop before its end.
    stopped: bool,
    records: u64,
    written: u64,
    removed: u64,
    redone: u64,
    /// Records that differ and are not named, so that they cannot be repaired yet.
    not_kept: u64,
}

impl Report for Done {
    fn text(&self) -> String {
        let more = match self.not_kept {
            0 => String::new(),
            more => {
                format!("; {more} more differ that the run did not keep: compare again for them")
            }
        };
        if !self.executed {
            return format!(
                "would repair {} records{more}; see them: `verify diff`; \
                 do it: `verify repair --execute`",
                self.records
            );
        }
        let next = match self.stopped {
            true => "stopped; the rest: `verify repair --execute`",
            false => "compare again: `verify run`",
        };
        format!(
            "repaired {} records: {} written, {} removed, {} attempts overtaken by live writes{more}\n\
             {next}",
            self.records, self.written, self.removed, self.redone
        )
    }
}

/// Repairs page by page; what is repaired stays repaired, whatever comes after.
pub(super) async fn run(
    shared: &SharedArgs,
    how: &RepairArgs,
    shutdown: &Shutdown,
) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let servers = Servers::open_existing(&plan).await?;
    let records = Records::new(servers.checkpoint.clone());
    let Some((record, _)) = records.current().await? else {
        return Err(Error::new(ErrorKind::Refused, "repair: there was no run")
            .hint("compare first: `verify run`"));
    };
    if record.verdict.is_none() {
        // Some of it may only have been on its way.
        return Err(Error::new(ErrorKind::Refused, "repair: the run was not judged")
            .with("run", &record.id)
            .hint("`verify run` goes on with it"));
    }
    let repairer = Repairer {
        source: servers.source.clone(),
        queue: servers.queue.clone(),
        targets: servers.targets.clone(),
        barrier: BARRIER_MAX,
    };
    if how.execute {
        // First: a line about a repair that did not take place is better than one that is missing.
        let what = format!("verify: repair what run {} found", record.id);
        let why = how.reason.reason.as_deref();
        audit::record(&*servers.checkpoint, &operator(), what, why).await?;
    }
    let not_kept = record.not_kept.differing();
    let mut done = Done { executed: how.execute, not_kept, ..Done::default() };
    let mut after: Option<String> = None;
    loop {
        if shutdown.has_begun() {
            done.stopped = true;
            break;
        }
        let mut page = records.differences(&record.id, after.as_deref()).await?;
        let Some((last, _)) = page.last() else {
            break;
        };
        after = Some(last.clone());
        // What only moves is the live path's to bring.
        page.retain(|(_, difference)| difference.kind != DifferenceKind::Unsettled);
        let records = u64::try_from(page.len()).unwrap_or(u64::MAX);
        if how.execute {
            // A repair that is dropped on its way is one that was killed: the next one finishes it.
            let repairing = repair_page(&servers, &repairer, &page);
            let Some(repaired) = shutdown.unless_begun(repairing).await else { continue };
            let repaired = repaired?;
            done.written += repaired.written;
            done.removed += repaired.removed;
            done.redone += repaired.redone;
        }
        done.records += records;
    }
    print(shared, &done)?;
    Ok(if done.stopped { Exit::NotMet } else { Exit::Done })
}

async fn repair_page(
    servers: &Servers,
    repairer: &Repairer,
    page: &[(String, Difference)],
) -> Result<Repaired> {
    let mut items: Vec<Vec<RepairItem>> = servers.layouts.iter().map(|_| Vec::new()).collect();
    for (_, difference) in page {
        let at = difference.locate(&servers.layouts, &servers.targets)?;
        let (target, instance) = (at.into, at.instance);
        items[at.layout].push(RepairItem { target, instance, key: at.key, replayed: None });
    }
    let mut sum = Repaired::default();
    for (layout, items) in servers.layouts.iter().zip(items) {
        let repaired = repairer.repair(layout, &items).await?;
        sum.written += repaired.written;
        sum.removed += repaired.removed;
        sum.redone += repaired.redone;
    }
    Ok(sum)
}

//! `repair`: copies what the last run found different again, under the protocol's lease.

use crate::args::RepairArgs;
use crate::difference::Difference;
use crate::record::Records;
use migration::cli::{Exit, Report, SharedArgs, print};
use migration::error::{Error, ErrorKind, Result};
use migration::key::Key;
use migration::repair::{RepairItem, Repaired, Repairer};
use migration::servers::Servers;
use serde::Serialize;
use std::time::Duration;

/// Longest wait for the source to show what the target has applied.
const BARRIER_MAX: Duration = Duration::from_secs(30);

/// What a repair did, or would do.
#[derive(Debug, Default, Serialize)]
struct Done {
    executed: bool,
    records: u64,
    written: u64,
    removed: u64,
    redone: u64,
}

impl Report for Done {
    fn text(&self) -> String {
        if !self.executed {
            return format!(
                "would repair {} records; see them: verify diff; do it: verify repair --execute",
                self.records
            );
        }
        format!(
            "repaired {} records: {} written, {} removed, {} attempts overtaken by live writes\n\
             compare again: verify run",
            self.records, self.written, self.removed, self.redone
        )
    }
}

/// Repairs page by page; what is repaired stays repaired, whatever comes after.
pub(super) async fn run(shared: &SharedArgs, how: &RepairArgs) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let servers = Servers::open_existing(&plan).await?;
    let records = Records::new(servers.checkpoint.clone());
    let Some((record, _)) = records.current().await? else {
        return Err(Error::new(ErrorKind::Refused, "repair: there was no run")
            .hint("compare first: verify run"));
    };
    let repairer = Repairer {
        source: servers.source.clone(),
        queue: servers.queue.clone(),
        targets: servers.targets.clone(),
        barrier: BARRIER_MAX,
    };
    let mut done = Done { executed: how.execute, ..Done::default() };
    let mut after: Option<String> = None;
    loop {
        let page = records.differences(&record.id, after.as_deref()).await?;
        let Some((last, _)) = page.last() else {
            break;
        };
        after = Some(last.clone());
        done.records += u64::try_from(page.len()).unwrap_or(u64::MAX);
        if how.execute {
            let repaired = repair_page(&servers, &repairer, &page).await?;
            done.written += repaired.written;
            done.removed += repaired.removed;
            done.redone += repaired.redone;
        }
    }
    print(shared, &done)?;
    Ok(Exit::Done)
}

async fn repair_page(
    servers: &Servers,
    repairer: &Repairer,
    page: &[(String, Difference)],
) -> Result<Repaired> {
    let mut sum = Repaired::default();
    for layout in &servers.layouts {
        let mut items = Vec::new();
        for (_, difference) in page {
            if difference.source_table != layout.source().table {
                continue;
            }
            items.push(item(servers, layout.targets(), difference)?);
        }
        let repaired = repairer.repair(layout, &items).await?;
        sum.written += repaired.written;
        sum.removed += repaired.removed;
        sum.redone += repaired.redone;
    }
    Ok(sum)
}

fn item(
    servers: &Servers,
    targets: &[std::sync::Arc<migration::layout::TargetLayout>],
    difference: &Difference,
) -> Result<RepairItem> {
    let gone = |what| {
        Error::new(ErrorKind::Refused, "repair: the plan no longer has what differs")
            .with("missing", what)
            .with("target table", &difference.target_table)
            .with("instance", &difference.instance)
            .hint("compare again: verify run --restart")
    };
    let target = targets
        .iter()
        .position(|target| target.schema().table == difference.target_table)
        .ok_or_else(|| gone("target table"))?;
    let instance = servers
        .targets
        .iter()
        .position(|target| target.name() == difference.instance)
        .ok_or_else(|| gone("instance"))?;
    let key = Key::from_hex(&difference.range_key)?;
    Ok(RepairItem { target, instance, key, replayed: None })
}

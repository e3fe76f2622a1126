//! `cutover cleanup`: the last step of a migration. Lists everything that it keeps beside the data,
//! everywhere, and removes it on request.
//!
//! Removing goes from the outside in: the checkpoint store, which says what there is, goes last. So
//! a clean-up that was killed is simply run again.

use crate::args::CleanupArgs;
use crate::reader::readers;
use crate::stage::STAGE_KEY;
use crate::switch::RollbackFile;
use migration::checkpoint::progress;
use migration::checkpoint::{CheckpointStore, audit, document, list_all};
use migration::cli::{Exit, Report, SharedArgs, confirm_name, print, table};
use migration::clock::Timestamp;
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::plan::Plan;
use migration::process::operator;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;

/// The phases whose processes must have ended.
const PHASES: [&str; 3] = ["dual-write", "backfill", "verify"];

pub(super) async fn run(
    shared: &SharedArgs,
    shutdown: &Shutdown,
    args: &CleanupArgs,
) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let servers = Servers::open_existing(&plan).await?;
    let file = RollbackFile::new(&plan.cutover.rollback_file);
    let mut kept = Kept { items: kept(&servers, &file).await?, removed: false };
    let asks = std::io::stdin().is_terminal() && !shared.no_input;
    if args.confirm.is_none() && !asks {
        print(shared, &kept)?;
        return Ok(Exit::Done);
    }
    refuse_while_needed(&servers, &plan).await?;
    if args.confirm.is_none() {
        print(shared, &kept)?;
    }
    let confirmed = ("--confirm", args.confirm.as_deref());
    confirm_name(shared, shutdown, "remove all of this", confirmed, &plan.id).await?;
    remove(&servers, &file).await?;
    kept.removed = true;
    print(shared, &kept)?;
    Ok(Exit::Done)
}

/// What the migration keeps, where.
async fn kept(servers: &Servers, file: &RollbackFile) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut add = |place: &str, what: String, count: u64| {
        items.push(Item { place: place.to_owned(), what, count });
    };
    for target in &servers.targets {
        for side in target.side_tables().await? {
            add(&format!("target {}", target.name()), side.name, side.rows);
        }
    }
    for side in servers.queue.side_tables().await? {
        add("queue", side.name, side.rows);
    }
    add("lock store", "locks".to_owned(), servers.lock.count().await?);
    if file.exists()? {
        add("this machine", format!("rollback file {}", file.path().display()), 1);
    }
    let mut keys: BTreeMap<String, u64> = BTreeMap::new();
    for key in list_all(&*servers.checkpoint, "").await? {
        let group = key.split_once('/').map_or(key.as_str(), |(group, _)| group);
        *keys.entry(group.to_owned()).or_default() += 1;
    }
    for (group, count) in keys {
        add("checkpoint store", group, count);
    }
    add("checkpoint store", "audit log".to_owned(), audit::end(&*servers.checkpoint).await?);
    Ok(items)
}

/// What is still needed is not removed: by a process that runs, or by readers that do not yet all
/// answer from the target (the target could not be filled again from where it was left).
async fn refuse_while_needed(servers: &Servers, plan: &Plan) -> Result<()> {
    let store: &dyn CheckpointStore = &*servers.checkpoint;
    let now = Timestamp::now();
    for phase in PHASES {
        let snapshots = progress::snapshots(store, phase).await?;
        let runs = |seen: &&progress::Snapshot| !seen.activity.is_over() && !seen.is_silent(now);
        if let Some(running) = snapshots.iter().find(runs) {
            return Err(Error::new(ErrorKind::Refused, "clean up: a process is running")
                .with("process", &running.process)
                .hint(format!("stop it, or run `{phase} abort`; then clean up")));
        }
    }
    if let Some(reader) = readers(store).await?.first() {
        return Err(Error::new(ErrorKind::Refused, "clean up: a service still asks for the stage")
            .with("reader", &reader.process)
            .hint("without a stage it would read from the source again: stop it, or deploy it without the reader; then clean up"));
    }
    let record = document::read::<crate::stage::Record>(store, STAGE_KEY).await?;
    let Some((record, _)) = record else { return Ok(()) };
    record.check_plan(plan)?;
    let basis_points = record.stage.basis_points();
    if basis_points > 0 && !record.stage.is_full() {
        return Err(Error::new(ErrorKind::Refused, "clean up in the middle of the switch")
            .with("stage", record.stage)
            .hint("climb to 100% first, or go back with `cutover abort`; then clean up"));
    }
    Ok(())
}

async fn remove(servers: &Servers, file: &RollbackFile) -> Result<()> {
    for target in &servers.targets {
        target.remove_side_tables().await?;
        fault::point("cutover.cleanup-target");
    }
    servers.queue.remove_side_tables().await?;
    servers.lock.clear().await?;
    fault::point("cutover.cleanup-lock");
    // The last trace, for whoever reads the store before it is cleared.
    audit::record(&*servers.checkpoint, &operator(), "cutover: cleanup", None).await?;
    servers.checkpoint.clear().await?;
    fault::point("cutover.cleanup-checkpoint");
    // While it is there no reader answers from the target, so it goes last.
    file.remove()
}

/// What there is, or was.
#[derive(Debug, serde::Serialize)]
struct Kept {
    removed: bool,
    items: Vec<Item>,
}

#[derive(Debug, serde::Serialize)]
struct Item {
    place: String,
    what: String,
    count: u64,
}

impl Report for Kept {
    fn text(&self) -> String {
        let rows: Vec<_> = self
            .items
            .iter()
            .map(|item| [item.place.clone(), item.what.clone(), item.count.to_string()])
            .collect();
        let said = if self.removed {
            "removed"
        } else {
            "nothing was removed; `cutover cleanup --confirm MIGRATION` removes all of it"
        };
        format!("{}\n{said}", table(["where", "what", "count"], &rows))
    }
}

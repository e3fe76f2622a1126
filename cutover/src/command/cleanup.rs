//! `cutover cleanup`: the last step of a migration. Lists everything that it keeps beside the data,
//! everywhere, and removes it on request.
//!
//! Removing goes from the outside in: the checkpoint store, which says what there is, goes last. So
//! a clean-up that was killed is simply run again.

use crate::args::CleanupArgs;
use crate::machine::HISTORY;
use crate::reader::readers;
use crate::stage::{Record, STAGE_KEY};
use crate::switch::RollbackFile;
use async_trait::async_trait;
use migration::checkpoint::{CheckpointStore, audit, document, list_all, verdict};
use migration::cleanup::{self, Consent, Item, Remains, check_at_rest};
use migration::cli::{Exit, SharedArgs};
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::phase::{BACKFILL, DUAL_WRITE, VERIFY};
use migration::plan::Plan;
use migration::process::operator;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use std::collections::BTreeSet;

/// Every log of a migration.
const LOGS: [&str; 3] = [audit::LOG, HISTORY, verdict::LOG];

pub(super) async fn run(
    shared: &SharedArgs,
    shutdown: &Shutdown,
    args: &CleanupArgs,
) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let servers = Servers::open_existing(&plan).await?;
    let file = RollbackFile::new(&plan.cutover.rollback_file);
    let everything = Everything { plan: &plan, servers, file };
    let consent = Consent::Name { migration: &plan.id, typed: args.confirm.as_deref() };
    cleanup::run(&everything, consent, ("cutover", ""), (shared, shutdown)).await
}

/// What the whole migration keeps beside the data.
struct Everything<'a> {
    plan: &'a Plan,
    servers: Servers,
    file: RollbackFile,
}

#[async_trait]
impl Remains for Everything<'_> {
    async fn list(&self) -> Result<Vec<Item>> {
        let servers = &self.servers;
        let store = &*servers.checkpoint;
        let mut items = cleanup::in_targets(&servers.targets).await?;
        items.extend(cleanup::in_queue(&*servers.queue).await?);
        items.push(Item::new("lock store", "locks", servers.lock.count().await?));
        if self.file.exists().await? {
            let what = format!("rollback file {}", self.file.path().display());
            items.push(Item::new("this machine", what, 1));
        }
        let mut groups = BTreeSet::new();
        for key in list_all(store, "").await? {
            groups.insert(key.split_inclusive('/').next().unwrap_or(&key).to_owned());
        }
        items.extend(cleanup::in_keys(store, &groups.into_iter().collect::<Vec<_>>()).await?);
        items.extend(cleanup::in_logs(store, &LOGS).await?);
        Ok(items)
    }

    /// Needed by a process that runs, or by readers that do not yet all answer from the target (the
    /// target could not be filled again from where it was left).
    async fn check_unneeded(&self) -> Result<()> {
        let store: &dyn CheckpointStore = &*self.servers.checkpoint;
        check_at_rest(store, &[&DUAL_WRITE, &BACKFILL, &VERIFY]).await?;
        if let Some(reader) = readers(store).await?.first() {
            return Err(Error::new(ErrorKind::Refused, "clean up: a service still asks for the stage")
                .with("reader", &reader.process)
                .hint("without a stage it would read from the source again: stop it, or deploy it without the reader; then clean up"));
        }
        let record = document::read::<Record>(store, STAGE_KEY).await?;
        let Some((record, _)) = record else { return Ok(()) };
        record.check_plan(self.plan)?;
        let basis_points = record.stage.basis_points();
        if basis_points > 0 && !record.stage.is_full() {
            return Err(Error::new(ErrorKind::Refused, "clean up in the middle of the switch")
                .with("stage", record.stage)
                .hint("climb to 100% first, or go back with `cutover abort`; then clean up"));
        }
        Ok(())
    }

    async fn remove(&self) -> Result<()> {
        let servers = &self.servers;
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
        self.file.remove().await
    }
}

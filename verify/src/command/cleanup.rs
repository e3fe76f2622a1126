//! `cleanup`: what this phase keeps in the checkpoint store.

use crate::command::PHASE;
use async_trait::async_trait;
use migration::checkpoint::{CheckpointStore, audit, open_existing};
use migration::cleanup::{self, Consent, Item, Remains, check_at_rest, keys_of};
use migration::cli::{Exit, SharedArgs};
use migration::error::Result;
use migration::phase::VERIFY;
use migration::process::operator;
use migration::shutdown::Shutdown;
use std::sync::Arc;

const NOTE: &str =
    "The verdicts are evidence: they stay with the audit log until `cutover cleanup`.";

pub(super) async fn run(shared: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let run = RunRemains { store: open_existing(&plan.checkpoint, &plan.id).await? };
    cleanup::run(&run, Consent::Yes, (PHASE, NOTE), (shared, shutdown)).await
}

/// A run's record, what it found, and what was wanted of it.
struct RunRemains {
    store: Arc<dyn CheckpointStore>,
}

#[async_trait]
impl Remains for RunRemains {
    async fn list(&self) -> Result<Vec<Item>> {
        cleanup::in_keys(&*self.store, &keys_of(&VERIFY)).await
    }

    async fn check_unneeded(&self) -> Result<()> {
        check_at_rest(&*self.store, &[&VERIFY]).await
    }

    async fn remove(&self) -> Result<()> {
        audit::record(&*self.store, &operator(), format!("{PHASE}: cleanup"), None).await?;
        cleanup::remove_keys(&*self.store, &keys_of(&VERIFY)).await
    }
}

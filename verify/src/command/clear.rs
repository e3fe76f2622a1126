//! `status`, and the two commands that forget: `abort` and `cleanup`.

use migration::checkpoint::{audit, list_all, remove_all};
use migration::cli::{Exit, Report, SharedArgs, confirm, print, table};
use migration::error::Result;
use migration::phase::VERIFY;
use migration::process::operator;
use migration::shutdown::Shutdown;
use migration::status::{self, NoDetails, StatusArgs};
use serde::Serialize;

/// What a run leaves: its record and what it found.
const RUN: &[&str] = &["verify/"];

/// Everything of this phase but its verdicts, which are evidence and stay with the audit log.
const PHASE: &[&str] = &["verify/", "progress/verify/"];

/// Shows how far the run is.
pub(super) async fn status(
    shared: &SharedArgs,
    args: &StatusArgs,
    shutdown: &Shutdown,
) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let store = migration::checkpoint::open_existing(&plan.checkpoint, &plan.id).await?;
    status::show(&*store, &VERIFY, &NoDetails, args, shared, shutdown).await
}

/// Forgets the run that was interrupted.
pub(super) async fn abort(shared: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    forget(shared, shutdown, RUN, "abort").await
}

/// Removes what this phase keeps.
pub(super) async fn cleanup(shared: &SharedArgs, shutdown: &Shutdown) -> Result<Exit> {
    forget(shared, shutdown, PHASE, "cleanup").await
}

#[derive(Debug, Serialize)]
struct Kept {
    checkpoint_keys: Vec<String>,
}

impl Report for Kept {
    fn text(&self) -> String {
        let rows: Vec<[String; 1]> = self.checkpoint_keys.iter().map(|k| [k.clone()]).collect();
        table(["kept in the checkpoint store"], &rows)
    }
}

async fn forget(
    shared: &SharedArgs,
    shutdown: &Shutdown,
    prefixes: &[&str],
    what: &str,
) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let store = migration::checkpoint::open_existing(&plan.checkpoint, &plan.id).await?;
    let mut kept = Kept { checkpoint_keys: Vec::new() };
    for prefix in prefixes {
        kept.checkpoint_keys.extend(list_all(&*store, prefix).await?);
    }
    print(shared, &kept)?;
    confirm(shared, shutdown, "remove all of this").await?;
    audit::record(&*store, &operator(), format!("verify: {what}"), None).await?;
    for prefix in prefixes {
        remove_all(&*store, prefix).await?;
    }
    Ok(Exit::Done)
}

//! What each command does. Only here is anything printed.

mod cleanup;
mod locks;
mod plan;
mod run;
mod status;

use crate::args::{Args, Command, LocksCommand};
use migration::checkpoint::desired::Change;
use migration::cli::{Exit, ReasonArgs, check, steer};
use migration::error::Result;
use migration::phase;
use migration::shutdown::Shutdown;

/// The name of this phase in the checkpoint store.
const PHASE: &str = phase::BACKFILL.name;

pub(crate) async fn run(args: Args, shutdown: Shutdown) -> Result<Exit> {
    let shared = &args.shared;
    match &args.command {
        Command::Check(how) => check(shared, *how).await,
        Command::Plan => plan::run(shared).await,
        Command::Run(what) => run::run(shared, what, &shutdown).await,
        Command::Status(watch) => status::run(shared, watch, &shutdown).await,
        Command::Pause(reason) => steer(shared, &phase::BACKFILL, &[Change::Pause], reason).await,
        Command::Resume(reason) => {
            steer(shared, &phase::BACKFILL, &[Change::Resume, Change::Restart], reason).await
        }
        Command::Set { settings, reason } => {
            steer(shared, &phase::BACKFILL, settings, reason).await
        }
        Command::Get => steer(shared, &phase::BACKFILL, &[], &ReasonArgs::default()).await,
        Command::Locks { command: LocksCommand::List } => locks::list(shared).await,
        Command::Locks { command: LocksCommand::Break } => locks::take(shared, &shutdown).await,
        Command::Abort(reason) => steer(shared, &phase::BACKFILL, &[Change::Abort], reason).await,
        Command::Cleanup => cleanup::run(shared, &shutdown).await,
        // The caller, `migration::cli::execute`, has run it.
        Command::Shared(_) => Ok(Exit::Done),
    }
}

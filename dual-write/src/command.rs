//! What each command does. Only here is anything printed.

mod cleanup;
mod dlq;
mod explain;
mod purge;
mod run;
mod set_up;
mod status;
mod trim;

use crate::args::{Args, Command, DlqCommand, OutboxCommand};
use migration::checkpoint::desired::Change;
use migration::cli::{Exit, check, steer};
use migration::error::Result;
use migration::phase;
use migration::shutdown::Shutdown;

/// The name of this phase in the checkpoint store.
const PHASE: &str = phase::DUAL_WRITE.name;

pub(crate) async fn run(args: Args, shutdown: Shutdown) -> Result<Exit> {
    let shared = &args.shared;
    match &args.command {
        Command::Check(how) => check(shared, *how).await,
        Command::SetUp => set_up::run(shared, &shutdown).await,
        Command::Run(how) => run::run(shared, how, &shutdown).await,
        Command::Status(watch) => status::run(shared, watch, &shutdown).await,
        Command::Pause(reason) => steer(shared, &phase::DUAL_WRITE, &[Change::Pause], reason).await,
        Command::Resume(reason) => {
            steer(shared, &phase::DUAL_WRITE, &[Change::Resume, Change::Restart], reason).await
        }
        Command::Dlq { command: DlqCommand::List { all } } => dlq::list(shared, *all).await,
        Command::Dlq { command: DlqCommand::Show { id } } => dlq::show(shared, id).await,
        Command::Dlq { command: DlqCommand::Replay { selection, reason } } => {
            dlq::replay(shared, selection, reason).await
        }
        Command::Dlq { command: DlqCommand::Drop { selection, reason } } => {
            dlq::give_up(shared, selection, reason, &shutdown).await
        }
        Command::Outbox { command: OutboxCommand::Trim } => trim::run(shared, &shutdown).await,
        Command::Explain(what) => explain::run(shared, what).await,
        Command::Purge => purge::run(shared, &shutdown).await,
        Command::Abort(reason) => steer(shared, &phase::DUAL_WRITE, &[Change::Abort], reason).await,
        Command::Cleanup => cleanup::run(shared, &shutdown).await,
        // The caller, `migration::cli::execute`, has run it.
        Command::Shared(_) => Ok(Exit::Done),
    }
}

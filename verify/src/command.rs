//! What each command does. Only here is anything printed.

mod cleanup;
mod diff;
mod repair;
mod run;
mod status;
mod verdicts;

use crate::args::{Args, Command};
use migration::checkpoint::desired::Change;
use migration::checkpoint::verdict::Outcome;
use migration::cli::{Exit, ReasonArgs, check, steer};
use migration::error::Result;
use migration::phase;
use migration::shutdown::Shutdown;

/// The name of this phase in the checkpoint store.
const PHASE: &str = phase::VERIFY.name;

/// Runs one command of `verify`: the program, without its process.
///
/// # Errors
/// Those of the command.
pub async fn run(args: Args, shutdown: Shutdown) -> Result<Exit> {
    let shared = &args.shared;
    match &args.command {
        Command::Run(how) => run::run(shared, how, &shutdown).await,
        Command::Check(how) => check(shared, *how).await,
        Command::Status(args) => status::run(shared, args, &shutdown).await,
        Command::Pause(reason) => steer(shared, &phase::VERIFY, &[Change::Pause], reason).await,
        Command::Resume(reason) => {
            steer(shared, &phase::VERIFY, &[Change::Resume, Change::Restart], reason).await
        }
        Command::Set { settings, reason } => steer(shared, &phase::VERIFY, settings, reason).await,
        Command::Get => steer(shared, &phase::VERIFY, &[], &ReasonArgs::default()).await,
        Command::Abort(reason) => steer(shared, &phase::VERIFY, &[Change::Abort], reason).await,
        Command::Cleanup => cleanup::run(shared, &shutdown).await,
        Command::List => verdicts::list(shared).await,
        Command::Show => verdicts::show(shared).await,
        Command::Gate(what) => verdicts::gate(shared, what).await,
        Command::Diff(which) => diff::run(shared, which).await,
        Command::Repair(how) => repair::run(shared, how, &shutdown).await,
        // The caller, `migration::cli::execute`, has run it.
        Command::Shared(_) => Ok(Exit::Done),
    }
}

/// The exit code that a verdict ends with.
fn exit(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Pass => Exit::Done,
        Outcome::Fail => Exit::NotMet,
        Outcome::Inconclusive => Exit::Inconclusive,
    }
}

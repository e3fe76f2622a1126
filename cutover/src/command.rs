//! The commands, one a file.

mod change;
mod check;
mod cleanup;
mod evaluate;
mod gate;
mod history;
mod promote;
mod retry;
mod rollback;
mod serve;
mod status;
mod whitelist;

use crate::args::{Args, Command, WhitelistCommand};
use crate::context::Context;
use crate::stage::Action;
use migration::cli::Exit;
use migration::error::Result;
use migration::shutdown::Shutdown;

/// Runs one command of `cutover`: the program, without its process.
///
/// # Errors
/// Those of the command.
pub async fn run(args: Args, shutdown: Shutdown) -> Result<Exit> {
    let Args { shared, command } = args;
    let open = || Context::open(shared.clone(), shutdown.clone());
    match command {
        // These two must work when next to nothing else does.
        Command::Rollback(args) => rollback::run(&shared, &args).await,
        Command::Check(how) => check::run(&shared, how).await,
        Command::Status(args) => status::run(&open().await?, &args).await,
        Command::Gate => gate::run(&open().await?).await,
        Command::Evaluate(args) => evaluate::run(&open().await?, &args).await,
        Command::History(args) => history::run(&open().await?, &args).await,
        Command::Promote(args) => promote::run(&open().await?, &args).await,
        Command::Retry(args) => retry::run(&open().await?, &args).await,
        Command::Pause(args) => change::pause(&open().await?, &args).await,
        Command::Resume(args) => change::resume(&open().await?, &args).await,
        Command::Abort(args) => change::abort(&open().await?, &args).await,
        Command::Serve(args) => serve::run(&open().await?, &args).await,
        Command::Cleanup(args) => cleanup::run(&shared, &shutdown, &args).await,
        Command::Whitelist(WhitelistCommand::List) => whitelist::list(&open().await?).await,
        Command::Whitelist(WhitelistCommand::Add { keys }) => {
            whitelist::change(&open().await?, Action::WhitelistAdd, &keys).await
        }
        Command::Whitelist(WhitelistCommand::Remove { keys }) => {
            whitelist::change(&open().await?, Action::WhitelistRemove, &keys).await
        }
        // The caller, `migration::cli::execute`, has run it.
        Command::Shared(_) => Ok(Exit::Done),
    }
}

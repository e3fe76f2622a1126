//! The service whose data is moved in the playbooks. Not part of the product.
//!
//! - [`Command::Seed`] creates its database, and the empty instances of the target;
//! - [`Command::Run`] is the service: live writes (in SQLite with an outbox row in the same
//!   transaction, on a server for a Debezium to find), an oracle of what was acknowledged, list reads
//!   through the cutover library, mirrored reads off the response path;
//! - [`Command::Judge`] holds the source, the target and every answer against the oracle.

mod acknowledge;
mod args;
mod clock;
mod crew;
mod edge;
mod files;
mod graph;
mod judge;
mod list;
mod log;
mod mirror;
mod oracle;
mod outbox;
mod pick;
mod read_log;
mod readers;
mod schedule;
mod seed;
mod serve;
mod store;
mod tally;
mod target_row;
mod traffic;
mod writer;

pub use args::{Args, Command, DataArgs, FlightArgs, JudgeArgs, RunArgs, SeedArgs};

use migration::error::Result;
use migration::plan::Plan;
use store::Stores;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Done,
    /// The judge found something.
    Failed,
}

/// Carries out a command.
///
/// # Errors
/// What kept it from being carried out.
pub async fn run(args: Args) -> Result<Outcome> {
    match args.command {
        Command::Seed(args) => {
            let plan = Plan::load(&args.flight.config)?;
            let stores = Stores::of(&plan, &args.flight.dir())?;
            let seed = || {
                seed::create_checkpoint(&plan)?;
                seed::seed(&args.flight.dir(), &stores, &args.data.data())
            };
            let edges = tokio::task::block_in_place(seed)?;
            let instances = stores.instances.len();
            say(&format!(
                "{edges} edges in the source; empty instances of the target: {instances}"
            ));
            Ok(Outcome::Done)
        }
        Command::Run(args) => serve::serve(args).await.map(|()| Outcome::Done),
        Command::Judge(args) => tokio::task::block_in_place(|| judge::judge(&args)),
    }
}

/// Prints a line for whoever watches.
#[expect(clippy::print_stdout, reason = "the one place where the service prints")]
fn say(line: &str) {
    println!("{line}");
}

//! The service whose data is moved in the first-flight playbook. Not part of the product.
//!
//! - [`Command::Seed`] creates its database, and the empty instances of the target;
//! - [`Command::Run`] is the service: live writes with an outbox row in the same transaction, an
//!   oracle of what was acknowledged, list reads through the cutover library, mirrored reads off
//!   the response path;
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
mod tally;
mod target_row;
mod traffic;
mod writer;

pub use args::{Args, Command, FlightArgs, JudgeArgs, RunArgs, SeedArgs};

use files::FlightDir;
use migration::error::Result;

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
            let edges = seed::seed(&FlightDir(args.flight.dir), &args.data)?;
            say(&format!("{edges} edges in service.db, and {} empty shards", files::SHARDS));
            Ok(Outcome::Done)
        }
        Command::Run(args) => serve::serve(args).await.map(|()| Outcome::Done),
        Command::Judge(args) => judge::judge(&args),
    }
}

/// Prints a line for whoever watches.
#[expect(clippy::print_stdout, reason = "the one place where the service prints")]
fn say(line: &str) {
    println!("{line}");
}

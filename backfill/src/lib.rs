//! Phase 2: the lock-guarded copy of the history.
//!
//! A table is split into ranges. A range belongs to whoever holds its lease in the checkpoint store
//! and, what decides, its epoch on every instance of the target. It is copied interval by interval:
//! find the interval's bound, lock its entities, read the source, write every instance in one
//! atomic step with the range's progress, give the lock back; the next interval is read while one
//! is written. Whatever happens to the lock, the guard in the target decides what is written.

mod agenda;
mod args;
mod command;
mod copier;
mod known;
mod pace;
mod pool;
mod range;
mod read;
mod scatter;
mod split;
mod write;

pub use args::Args;
pub use copier::{Copier, Counters};
pub use pace::{Pace, Steered, Unpaced};
pub use pool::{Ended, Job, LEASES, Pool};
pub use range::{Copied, copy_range};
pub use split::split_table;

use migration::cli::Exit;
use migration::error::Result;
use migration::shutdown::Shutdown;

/// Runs a command.
///
/// # Errors
/// Those of the command; each says what to do next.
pub async fn run(args: Args, shutdown: Shutdown) -> Result<Exit> {
    Box::pin(command::run(args, shutdown)).await
}

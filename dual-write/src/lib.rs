//! Phase 1: applies every live write to the target, idempotently.
//!
//! A consumer (one at a time, or on Kafka several that share the partitions) polls the queue,
//! decodes and compacts a batch, keeps what cannot be decoded, waits a bounded time for copies that
//! hold locks on what it touches, and applies the batch on every instance of the target, each in
//! one atomic step with the partition's position; the next batch is polled while one is applied.
//! What decides is in the target: the consumer's generation, the position, and the guard of every
//! record.

mod apply;
mod args;
mod command;
mod counters;
mod courses;
mod gate;
mod hold;
mod lag;
mod live;
mod prepare;
mod replay;
mod silence;

pub use args::Args;
pub use counters::Counters;
pub use gate::{Gate, Steered};
pub use hold::Hold;
pub use live::{Ended, LiveParts, LivePath};
pub use prepare::Preparer;
pub use replay::{Replayed, Replayer};

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

//! Bad input ends in a clear error or a dead letter, with the next command to run, and loses
//! nothing.
//!
//! Every refusal is asserted by [`Ran::complains`](faults::Ran::complains) or
//! [`Ran::finds`](faults::Ran::finds): the exact exit code, and a hint.

mod checkpoint;
mod locked;
mod plan;
mod queue;
mod source;
mod target;

use faults::Bed;

const ROWS: u64 = 500;

/// A migration that nothing has been done for.
async fn new() -> Bed {
    Bed::new(ROWS, 7).await
}

/// A migration that is set up.
async fn ready() -> Bed {
    let bed = new().await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed
}

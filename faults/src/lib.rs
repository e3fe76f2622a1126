//! Fault tests: the real programs on real files, killed at every named point.
//!
//! A [`Bed`] is a small migration in a folder of its own: a source with an outbox, two target
//! shards that hold every edge twice, and the plan. The tests run the programs a person would run,
//! break them, run them again, and hold the two sides against each other.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test bed that cannot be set up ends the test"
)]

mod bed;
mod kills;
mod program;
mod sides;

pub use bed::Bed;
pub use kills::{Kill, kills, seed};
pub use program::{Complaint, Ran, Running, program};
pub use sides::{Difference, differences};

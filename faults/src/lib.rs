//! Fault tests: the real programs on real files and servers, killed at every named point.
//!
//! A [`Bed`] is a small migration in a folder of its own: a source with an outbox, two target
//! shards that hold every edge twice, and the plan. A [`Flight`] is the same on real servers, under
//! the load of an [`Application`] that keeps what it was told is done. The tests run the programs a
//! person would run, break them, run them again, and hold the two sides against each other.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test bed that cannot be set up ends the test"
)]

mod application;
mod bed;
mod collecting;
mod engine;
mod flight;
mod gateway;
mod kills;
mod machine;
mod own;
mod process;
mod program;
mod ran;
mod relay;
mod sides;
mod watched;

pub use application::{Application, Load};
pub use bed::Bed;
pub use engine::{Engine, Place, Session};
pub use flight::Flight;
pub use gateway::Gateway;
pub use kills::{Kill, all_faults, kills, seed};
pub use machine::Machine;
pub use own::OwnServer;
pub use program::{Running, program};
pub use ran::{Complaint, Ran};
pub use relay::{Lying, Relay, Topic};
pub use sides::{Difference, differences};

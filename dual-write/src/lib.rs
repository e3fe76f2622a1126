//! Phase 1: applies every live write to the target, idempotently.

mod apply;
mod args;
mod counters;
mod gate;
mod hold;
mod live;
mod prepare;

pub use args::Args;
pub use counters::Counters;
pub use gate::Gate;
pub use hold::Hold;
pub use live::{Ended, LiveParts, LivePath};
pub use prepare::Preparer;

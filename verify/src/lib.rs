//! Phase 3: compares source and target under live writes and gives a verdict.

mod again;
mod args;
mod basis;
pub mod bound;
mod command;
mod cursor;
pub mod difference;
mod pass;
pub mod record;
mod resume;
mod round;
pub mod run;
pub mod scope;
mod settle;
mod suspect;
pub mod tally;

pub use args::Args;
pub use command::run;

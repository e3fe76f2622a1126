//! Phase 3: compares source and target under live writes and gives a verdict.

pub mod bound;
mod cursor;
pub mod difference;
mod pass;
pub mod record;
pub mod run;
pub mod scope;
mod settle;
mod suspect;
pub mod tally;

//! Phase 3: compares source and target under live writes and gives a verdict.

pub mod bound;
mod cursor;
pub mod difference;
mod pass;
pub mod scope;
mod settle;
mod suspect;

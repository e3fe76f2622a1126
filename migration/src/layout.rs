//! How records lie in the target: pure functions from source records to target records, with an
//! inverse.
//!
//! Every writer and reader asks the same [`Layout`], so the backfill, the live path, the
//! verification and the clean-up cannot disagree on where a record lies. The range key of a target
//! record is its source key; [`Layout::resolve`] refuses a plan in which one does not determine the
//! other.

mod conversion;
mod mapping;
mod resolve;
mod shard;

pub use conversion::Conversion;
pub use mapping::{Layout, TargetLayout};
pub use shard::{ShardBound, ShardFunction, Sharding};

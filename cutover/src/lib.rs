//! Phase 4: moves reads from the source to the target step by step, and back at any moment.
//!
//! A service asks a [`Reader`] for each read which store answers it. The `cutover` program moves
//! the stage that readers follow: `off`, then the stages of the plan in order, each behind gates.
//! Both meet in one entry of the checkpoint store, and in the rollback file, which works without
//! it. The decision itself is [`decide()`], one pure function for everybody who asks.
//!
//! ```no_run
//! # use cutover::Store;
//! # fn read_from_source() {}
//! # fn read_from_target() {}
//! # fn read(plan: migration::plan::Plan, user_id: &str) -> migration::error::Result<()> {
//! let reader = cutover::Reader::connect(&plan)?;
//! match reader.decide(user_id).store {
//!     Store::Old => read_from_source(),
//!     Store::New => read_from_target(),
//! }
//! # Ok(())
//! # }
//! ```

mod args;
mod bucket;
mod command;
mod context;
mod decide;
mod evidence;
mod gate;
mod ladder;
mod machine;
mod reader;
mod rollback;
mod stage;
mod switch;
mod whitelist;

pub use args::Args;
pub use bucket::{BUCKETS, bucket, hash};
pub use command::run;
pub use decide::{Decision, Reason, State, Store, decide};
pub use evidence::{gather, mirrored};
pub use gate::{Evidence, Finding, Gate, LagSeen, Outcome, Seen, VerdictsSeen};
pub use ladder::Ladder;
pub use machine::{Current, HISTORY, Machine};
pub use reader::{
    Counts, MIRROR_PREFIX, MirrorOutcome, Reader, ReaderSeen, StageView, WATCH_LAPSE,
    latency_bound, mirror_key, mirror_prefix, readers,
};
pub use rollback::{Rollback, RollbackId};
pub use stage::{Action, Change, Record, STAGE_KEY, Signed, Stage};
pub use switch::{RollbackFile, Thrown};
pub use whitelist::Whitelist;

//! Phase 4: moves reads from the source to the target step by step, and back at any moment.
//!
//! A service asks a [`Reader`] for each read which store answers it. The `cutover` program moves
//! the stage that readers follow: `off`, then the stages of the plan in order, each behind gates.
//! Both meet in one entry of the checkpoint store, and in the rollback file, which works without
//! it. The decision itself is [`decide()`], one pure function for everybody who asks.
//!
//! ```no_run
//! # use cutover::{MirrorOutcome, Store};
//! # use std::time::Duration;
//! # fn read_from_source() -> String { String::new() }
//! # fn read_from_target() -> String { String::new() }
//! # fn read_from_the_other(_: &str) -> (MirrorOutcome, Duration) {
//! #     (MirrorOutcome::Same, Duration::ZERO)
//! # }
//! # fn read(plan: migration::plan::Plan, user_id: &str) -> migration::error::Result<()> {
//! let reader = cutover::Reader::connect(&plan)?;
//! let decision = reader.decide(user_id);
//! let answer = match decision.store {
//!     Store::Old => read_from_source(),
//!     Store::New => read_from_target(),
//! };
//! if decision.mirror {
//!     // Off the response path: read the other store too, and say what came of it.
//!     let (outcome, latency) = read_from_the_other(&answer);
//!     reader.report(&decision, outcome, latency);
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

//! The decisions that keep live writes and the copy of the history correct together.
//!
//! Pure functions over what the atomic step has just read in the target. Production code and the
//! model checker (`model/`) call these same functions; everything around them (locks, leases,
//! retries) may fail in any way without making a wrong row visible.
//!
//! The invariants, by the names the tests use:
//! - **I1** a write reaches the target only if its version exceeds the guard's, or there is none.
//! - **I2** once a delete is applied no older state of the record is visible again, not for a moment.
//! - **I3** no write of an old range epoch or an old consumer generation reaches the target.
//! - **I4** a range is done only with no dirty guard in it.
//! - **I5** a counter holds the source's value at a version plus exactly the later commands.
//! - **I6** I1-I5 hold for every behaviour of the key lock, including none.
//! - **I7** the live path waits for nothing but the target longer than the plan's `lock.wait_ms`.

mod fence;
mod guard;

pub use fence::{
    Admission, Claim, CopyAdmission, Finish, Partition, Progress, Range, RangeState, admit_copy,
    admit_live, claim, finish, purge, split,
};
pub use guard::{
    Copy, CopyAbsent, Effect, Guard, Kind, Live, Repair, Replay, copy, copy_absent, live, repair,
    repair_barrier, repaired_version, replay,
};

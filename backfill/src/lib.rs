//! Phase 2: the lock-guarded copy of the history.

mod agenda;
mod copier;
mod pace;
mod pool;
mod range;
mod read;
mod scatter;
mod split;
mod write;

pub use copier::{Copier, Counters};
pub use pace::{Pace, Unpaced};
pub use pool::{Ended, Job, LEASES, Pool};
pub use range::{Copied, copy_range};
pub use split::split_table;

//! Wall-clock time that never goes backwards within a run, so that intervals can be compared.

use migration::clock::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The wall clock, which stands still where it was put back until it has caught up. It is read
/// every time: the programs of the flight note their moments by it, and those have to be comparable
/// after it was put forward. All clones are one clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    latest: Arc<AtomicI64>,
}

impl Clock {
    /// Microseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        let now = Timestamp::now().0;
        self.latest.fetch_max(now, Ordering::SeqCst).max(now)
    }
}

//! Wall-clock time that never goes backwards within a run, so that intervals can be compared.

use migration::clock::Timestamp;
use std::time::Instant;

/// The wall clock, read once and then carried on by the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    wall: Timestamp,
    since: Instant,
}

impl Clock {
    /// Reads the wall clock.
    pub(crate) fn start() -> Self {
        Self { wall: Timestamp::now(), since: Instant::now() }
    }

    /// Microseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.wall.plus(self.since.elapsed()).0
    }
}

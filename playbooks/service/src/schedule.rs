//! Holds a rate: what is due is counted from the clock, so a pause is caught up with.

use std::time::{Duration, Instant};

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(5);
/// Time that is caught up with at most. A longer stall lowers the rate instead of ending in a burst
/// that no user would make.
const CATCH_UP_MAX: Duration = Duration::from_secs(2);

/// A fixed rate.
#[derive(Debug)]
pub(crate) struct Schedule {
    per_second: u32,
    from: Instant,
    done: u64,
}

impl Schedule {
    /// Begins now.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second, from: Instant::now(), done: 0 }
    }

    /// How many are due now; the caller carries them all out.
    pub(crate) fn due(&mut self) -> u64 {
        self.due_after(self.from.elapsed())
    }

    fn due_after(&mut self, elapsed: Duration) -> u64 {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let per_second = u64::from(self.per_second);
        let total = micros.saturating_mul(per_second) / 1_000_000;
        let most = per_second * CATCH_UP_MAX.as_secs();
        let due = (total - self.done).min(most);
        self.done = total;
        due
    }

    /// Waits a moment.
    pub(crate) fn pause(&self) {
        std::thread::sleep(TICK);
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use std::time::Duration;

    #[test]
    fn the_rate_is_held_over_a_pause_but_a_stall_ends_in_no_burst() {
        let mut schedule = Schedule::new(2_000);
        assert_eq!(schedule.due_after(Duration::from_millis(10)), 20);
        assert_eq!(schedule.due_after(Duration::from_millis(1_010)), 2_000);
        assert_eq!(schedule.due_after(Duration::from_millis(1_010)), 0);
        assert_eq!(schedule.due_after(Duration::from_secs(3_600)), 4_000);
        assert_eq!(schedule.due_after(Duration::from_millis(3_600_500)), 1_000);
    }
}

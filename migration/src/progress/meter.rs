//! The rate of late: a moving average.

use std::time::Duration;
use tokio::time::Instant;

/// Between two samples: several batches, so that one does not show as a jump.
const SAMPLE: Duration = Duration::from_millis(500);

/// How long the average remembers, in seconds.
const MEMORY_S: f64 = 5.0;

#[derive(Debug)]
pub(super) struct Meter {
    sampled: Instant,
    done: u64,
    rate: Option<f64>,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { sampled: Instant::now(), done: 0, rate: None }
    }

    /// Forgets what was, and counts from `done`.
    pub(super) fn restart(&mut self, done: u64) {
        *self = Self { done, ..Self::new() };
    }

    /// The rate a second, given how much is done now.
    pub(super) fn rate(&mut self, done: u64) -> f64 {
        let elapsed = self.sampled.elapsed();
        if elapsed >= SAMPLE {
            #[expect(clippy::cast_precision_loss, reason = "for display")]
            let fresh = done.saturating_sub(self.done) as f64 / elapsed.as_secs_f64();
            let weight = 1.0 - (-elapsed.as_secs_f64() / MEMORY_S).exp();
            // The first sample is all that is known; later ones move the average.
            let average = self.rate.map_or(fresh, |rate| rate + weight * (fresh - rate));
            *self = Self { sampled: Instant::now(), done, rate: Some(average) };
        }
        self.rate.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_steady_pace_is_its_own_average_and_a_stop_is_noticed() {
        let mut meter = Meter::new();
        for second in 1..=20 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!((meter.rate(second * 100) - 100.0).abs() < 1.0);
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(meter.rate(2_000) < 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_done_before_is_no_part_of_the_rate() {
        let mut meter = Meter::new();
        meter.restart(1_000_000);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!((meter.rate(1_000_010) - 10.0).abs() < 0.1);
    }
}

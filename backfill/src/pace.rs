//! How fast the copy may go.

use async_trait::async_trait;
use migration::checkpoint::desired::{DesiredWatch, Rate};
use migration::shutdown::Shutdown;
use migration::store::ReadLimit;
use migration::throttle::Throttle;
use std::fmt::Debug;
use std::sync::Arc;

/// Fewest records that a rate makes of a batch: with fewer, its locks, statements and commits are
/// most of what it costs both sides.
const ROWS_MIN: usize = 100;

/// What slows the copy down and how large its batches are; asked before every batch.
#[async_trait]
pub trait Pace: Send + Sync + Debug {
    /// Waits while the copy is paused or throttled. Returns whether to go on; `false` means drain
    /// and stop, because `stop` has begun or an operator said so.
    async fn ready(&self, stop: &Shutdown) -> bool;

    /// Accounts for records that were read, so that the next batch waits for them.
    fn took(&self, rows: usize);

    /// The bounds of the next batch.
    fn batch(&self) -> ReadLimit;
}

/// Full speed, until somebody says stop: for tests, simulations and benchmarks.
#[derive(Debug)]
pub struct Unpaced {
    limit: ReadLimit,
}

impl Unpaced {
    /// Batches of these bounds, without pause.
    #[must_use]
    pub fn new(limit: ReadLimit) -> Self {
        Self { limit }
    }
}

#[async_trait]
impl Pace for Unpaced {
    async fn ready(&self, stop: &Shutdown) -> bool {
        !stop.has_begun()
    }

    fn took(&self, _rows: usize) {}

    fn batch(&self) -> ReadLimit {
        self.limit
    }
}

/// As fast as the plan and the operators allow, also while it runs.
#[derive(Debug)]
pub struct Steered {
    /// Rate and pause.
    pub throttle: Arc<Throttle>,
    /// Size of a batch, where an operator set one.
    pub wanted: DesiredWatch,
    /// The plan's batch.
    pub planned: ReadLimit,
    /// Workers that share the rate.
    pub workers: usize,
}

#[async_trait]
impl Pace for Steered {
    async fn ready(&self, stop: &Shutdown) -> bool {
        self.throttle.ready(stop).await
    }

    fn took(&self, rows: usize) {
        self.throttle.took(u64::try_from(rows).unwrap_or(u64::MAX));
    }

    fn batch(&self) -> ReadLimit {
        let rows = self.wanted.current().batch_rows.as_ref().map(|set| set.value.get());
        let rows = rows.and_then(|rows| usize::try_from(rows).ok());
        let rows_max =
            smooth(rows.unwrap_or(self.planned.rows_max), self.throttle.rate(), self.workers);
        ReadLimit { rows_max, ..self.planned }
    }
}

/// The records of a batch at a rate: what may pass in one go, shared by all workers, because a rate
/// lets them all go on at the same moment. `rows` is the most without a rate.
fn smooth(rows: usize, rate: Rate, workers: usize) -> usize {
    let Some(together) = rate.in_one_go().and_then(|go| usize::try_from(go.get()).ok()) else {
        return rows;
    };
    rows.min((together / workers.max(1)).max(ROWS_MIN))
}

#[cfg(test)]
mod tests {
    use super::{ROWS_MIN, Steered, smooth};
    use crate::Pace as _;
    use migration::checkpoint::MemoryCheckpoint;
    use migration::checkpoint::desired::{Change, DesiredWatch, Rate, change};
    use migration::store::ReadLimit;
    use migration::throttle::Throttle;
    use std::num::NonZeroU32;
    use std::sync::Arc;

    fn per_second(rate: u32) -> Rate {
        Rate::PerSecond(NonZeroU32::new(rate).unwrap())
    }

    #[test]
    fn the_batches_of_all_workers_are_a_twentieth_of_a_second_together() {
        for (rate, workers, rows) in
            [(10_000, 1, 500), (10_000, 2, 250), (40_000, 2, 1_000), (100_000, 4, 1_250)]
        {
            assert_eq!(smooth(5_000, per_second(rate), workers), rows, "{rate}/s of {workers}");
        }
    }

    #[test]
    fn a_batch_is_worth_its_round_trips_and_never_more_than_what_was_asked_for() {
        assert_eq!(smooth(5_000, per_second(1), 2), ROWS_MIN);
        assert_eq!(smooth(5_000, per_second(10_000), 64), ROWS_MIN);
        assert_eq!(smooth(50, per_second(10_000), 2), 50);
        assert_eq!(smooth(20, per_second(1), 64), 20);
        assert_eq!(smooth(5_000, per_second(u32::MAX), 1), 5_000);
        assert_eq!(smooth(5_000, Rate::Unlimited, 2), 5_000);
        assert_eq!(smooth(5_000, per_second(10_000), 0), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_follows_the_rate_and_the_size_that_operators_set_while_it_runs() {
        let store = MemoryCheckpoint::new("m");
        let watch = DesiredWatch::start(Arc::new(store.clone()), "backfill");
        let mut pace = Steered {
            throttle: Arc::new(Throttle::new(per_second(10_000))),
            wanted: watch.await.unwrap(),
            planned: ReadLimit { rows_max: 5_000, bytes_max: 1 << 20 },
            workers: 2,
        };
        assert_eq!(pace.batch().rows_max, 250);
        pace.throttle.set_rate(Rate::Unlimited);
        assert_eq!(pace.batch().rows_max, 5_000);
        let rows = NonZeroU32::new(600).unwrap();
        change(&store, "backfill", Change::BatchRows(rows), "alice", None).await.unwrap();
        pace.wanted.changed().await;
        assert_eq!(pace.batch().rows_max, 600);
        pace.throttle.set_rate(per_second(40_000));
        assert_eq!(pace.batch().rows_max, 600);
        pace.throttle.set_rate(per_second(20_000));
        assert_eq!(pace.batch().rows_max, 500);
    }
}

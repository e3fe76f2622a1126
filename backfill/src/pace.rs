//! How fast the copy may go.

use async_trait::async_trait;
use migration::checkpoint::desired::DesiredWatch;
use migration::shutdown::Shutdown;
use migration::store::ReadLimit;
use migration::throttle::Throttle;
use std::fmt::Debug;
use std::sync::Arc;

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
        let rows_max = rows.and_then(|rows| usize::try_from(rows).ok());
        ReadLimit { rows_max: rows_max.unwrap_or(self.planned.rows_max), ..self.planned }
    }
}

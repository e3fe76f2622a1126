//! What the live path counts: changes, so that what was consumed is the sum of what became of it.

use crate::prepare::Prepared;
use migration::store::Tally;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since this process started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Changes taken off the queue, redeliveries included.
    pub consumed: AtomicU64,
    /// Changes applied.
    pub applied: AtomicU64,
    /// Changes older than what the target holds.
    pub stale: AtomicU64,
    /// Changes that the target had applied before.
    pub duplicate: AtomicU64,
    /// Changes overtaken by a later one of the same record in the same batch.
    pub compacted: AtomicU64,
    /// Changes that cannot be decoded, kept as dead letters.
    pub dead: AtomicU64,
    /// Changes of tables that the plan does not move.
    pub foreign: AtomicU64,
    /// Messages without a change, such as the empty one that Kafka keeps behind a delete.
    pub ignored: AtomicU64,
    /// Batches applied.
    pub batches: AtomicU64,
    /// Times that every instance was found where it was left, while the queue had nothing.
    pub looks: AtomicU64,
    /// Locks of a copy that did not come back in time and were taken away.
    pub locks_revoked: AtomicU64,
    /// Batches that a fence of the target refused, because a newer consumer has the partition now.
    pub fenced: AtomicU64,
    /// Times the consumer went back, because an instance was behind or had lost its tail.
    pub rewinds: AtomicU64,
    /// The most that a change was behind when it had been applied, in microseconds.
    pub lag_max_micros: AtomicU64,
}

impl Counters {
    /// A figure that rises as long as the target and the queue answer.
    pub(crate) fn worked(&self) -> u64 {
        let (batches, looks) = (&self.batches, &self.looks);
        batches.load(Ordering::Relaxed) + looks.load(Ordering::Relaxed)
    }

    pub(crate) fn add_len(counter: &AtomicU64, count: usize) {
        counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts a batch that is on every instance. `tallies`: by instance, then as the writes were
    /// given.
    pub(crate) fn count(&self, batch: &Prepared, tallies: &[Vec<Tally>]) {
        let mut sum = Tally::default();
        for (writes, tallies) in batch.writes.iter().zip(tallies) {
            // A change that became several records is counted where the first of them lies.
            for (_, tally) in
                writes.iter().zip(tallies).filter(|(writes, _)| batch.is_first_table(writes))
            {
                sum.applied += tally.applied;
                sum.duplicate += tally.duplicate;
                sum.stale += tally.stale;
            }
        }
        for (counter, count) in [
            (&self.applied, sum.applied),
            (&self.duplicate, sum.duplicate),
            (&self.stale, sum.stale),
            (&self.batches, 1),
        ] {
            counter.fetch_add(count, Ordering::Relaxed);
        }
        Self::add_len(&self.consumed, batch.consumed);
        Self::add_len(&self.compacted, batch.compacted);
        Self::add_len(&self.dead, batch.dead.len());
        Self::add_len(&self.foreign, batch.foreign);
        Self::add_len(&self.ignored, batch.ignored);
    }
}

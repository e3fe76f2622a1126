//! The parts that every worker of the copy shares, and what they count.

use crate::pace::Pace;
use migration::layout::Layout;
use migration::lock::{KeyLock, Token};
use migration::position::Owner;
use migration::sample::Sample;
use migration::store::{Store, Target};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Everything it takes to copy the ranges of one table.
#[derive(Debug, Clone)]
pub struct Copier {
    /// The source.
    pub source: Arc<dyn Store>,
    /// The target's instances, in shard order.
    pub targets: Vec<Arc<dyn Target>>,
    /// The key lock.
    pub lock: Arc<dyn KeyLock>,
    /// The table and what it becomes.
    pub layout: Arc<Layout>,
    /// Who claims: this process.
    pub owner: Owner,
    /// How long a lock may be held.
    pub lease: Duration,
    /// Copies only these entities, and keeps no progress.
    pub sample: Option<Sample>,
    /// Bounds of a batch, rate and pause.
    pub pace: Arc<dyn Pace>,
    /// What is counted.
    pub counters: Arc<Counters>,
}

impl Copier {
    /// Gives a lock back, if one was had.
    pub(crate) async fn release(&self, token: Option<Token>) {
        let Some(token) = token else { return };
        if let Err(error) = self.lock.release(&self.layout.source().table, token).await {
            tracing::debug!(error = %error, "key lock not released; its lease ends it");
        }
    }
}

/// What the copy counts, over all workers of a process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Source records dealt with: written, or no part of the sample.
    pub passed: AtomicU64,
    /// Source records read under the lock, those that had to be read again included.
    pub read: AtomicU64,
    /// Encoded bytes of them.
    pub bytes: AtomicU64,
    /// Target records inserted.
    pub inserted: AtomicU64,
    /// Target records that were there, copied before.
    pub existing: AtomicU64,
    /// Target records that a guard refused, because live data won.
    pub refused: AtomicU64,
    /// Batches written on every instance.
    pub batches: AtomicU64,
    /// Batches put off because their lock was refused or lost.
    pub later: AtomicU64,
    /// Batches written without the lock.
    pub unlocked: AtomicU64,
    /// Batches that a fence of the target refused, because another worker has the range now.
    pub fenced: AtomicU64,
    /// Ranges that were begun again because an instance had lost its tail.
    pub restarts: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn add_len(counter: &AtomicU64, count: usize) {
        Self::add(counter, u64::try_from(count).unwrap_or(u64::MAX));
    }
}

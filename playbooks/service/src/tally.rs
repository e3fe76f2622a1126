//! What the service counts, and the line that it prints.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that is counted in one run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) committed: Count,
    pub(crate) acknowledged: Count,
    /// Lists answered by the source.
    pub(crate) source: Count,
    /// Lists answered by the target.
    pub(crate) target: Count,
    /// Reads that failed.
    pub(crate) failed: Count,
    pub(crate) mirror: MirrorTally,
    /// Microseconds of the reads since the last line.
    latencies: Mutex<Vec<u64>>,
}

/// What became of mirrored reads.
#[derive(Debug, Default)]
pub(crate) struct MirrorTally {
    pub(crate) same: Count,
    pub(crate) lag: Count,
    pub(crate) different: Count,
    pub(crate) failed: Count,
    /// Never made, because too many were waiting.
    pub(crate) dropped: Count,
}

impl Tally {
    /// Notes how long a read took.
    pub(crate) fn took(&self, elapsed: Duration) {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(micros);
    }

    fn p99(&self) -> Duration {
        let mut latencies =
            std::mem::take(&mut *self.latencies.lock().unwrap_or_else(PoisonError::into_inner));
        latencies.sort_unstable();
        let place = latencies.len() * 99 / 100;
        Duration::from_micros(latencies.get(place).copied().unwrap_or(0))
    }
}

/// Makes the status line: rates are of the time since the last one.
#[derive(Debug, Default)]
pub(crate) struct StatusLine {
    committed: u64,
    reads: u64,
}

impl StatusLine {
    /// The next line.
    pub(crate) fn next(&mut self, tally: &Tally, elapsed: Duration, stage: &str) -> String {
        let committed = tally.committed.get();
        let (source, target) = (tally.source.get(), tally.target.get());
        let reads = source + target;
        let line = format!(
            "{} changes/s, {} acknowledged; {} lists/s, p99 {:.1} ms, {source} from source, \
             {target} from target, {} failed; mirror: {} same, {} lag, {} different, {} failed, \
             {} dropped; stage {stage}",
            rate(committed - self.committed, elapsed),
            tally.acknowledged.get(),
            rate(reads - self.reads, elapsed),
            tally.p99().as_secs_f64() * 1e3,
            tally.failed.get(),
            tally.mirror.same.get(),
            tally.mirror.lag.get(),
            tally.mirror.different.get(),
            tally.mirror.failed.get(),
            tally.mirror.dropped.get(),
        );
        (self.committed, self.reads) = (committed, reads);
        line
    }
}

fn rate(count: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1_000) / millis
}

//! Outcomes of mirrored reads, counted in memory by stage generation.

use migration::checkpoint::Revision;
use migration::checkpoint::document::{self, Document};
use migration::error::Result;
use migration::position::Owner;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What the keys of all counts begin with.
pub const MIRROR_PREFIX: &str = "mirror/";

/// Generations kept in memory: the current one, and those of reads that were under way when the
/// stage changed.
const GENERATIONS_MAX: usize = 4;

/// Buckets of the latency histogram: bucket `i` counts what took less than 2^i microseconds, the
/// last one everything longer (2^26 us is more than a minute).
const LATENCIES: usize = 27;

/// What became of a mirrored read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MirrorOutcome {
    /// Both stores gave the same answer.
    Same,
    /// The answers differ, and lag does not explain it.
    Different,
    /// The answers differ because a write had not reached the target when it was read.
    Lag,
    /// The read that was repeated failed.
    Failed,
}

/// Counts of mirrored reads, as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Both stores gave the same answer.
    pub same: u64,
    /// The answers differ, and lag does not explain it.
    pub different: u64,
    /// The answers differ because of lag.
    pub lag: u64,
    /// The repeated read failed.
    pub failed: u64,
    /// How long repeated reads took: entry `i` counts those below 2^i microseconds and not below
    /// the entry before; trailing zeros are left out.
    pub latency: Vec<u64>,
}

impl Document for Counts {
    const NAME: &'static str = "mirror counts";
    const FORMAT: u32 = 1;
}

impl Counts {
    /// Reads that were compared.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.same + self.different + self.lag
    }

    /// Adds the counts of another reader.
    pub fn add(&mut self, other: &Self) {
        self.same += other.same;
        self.different += other.different;
        self.lag += other.lag;
        self.failed += other.failed;
        if self.latency.len() < other.latency.len() {
            self.latency.resize(other.latency.len(), 0);
        }
        for (sum, count) in self.latency.iter_mut().zip(&other.latency) {
            *sum += count;
        }
    }

    /// The bound that the given fraction of repeated reads stayed below; `None` without reads.
    #[must_use]
    pub fn latency_quantile(&self, fraction: f64) -> Option<Duration> {
        let total: u64 = self.latency.iter().sum();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a display figure, and the fraction is between 0 and 1"
        )]
        let rank = (total as f64 * fraction).ceil() as u64;
        let mut seen = 0;
        self.latency.iter().enumerate().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank.max(1)).then(|| latency_bound(bucket))
        })
    }

    fn count(&mut self, outcome: MirrorOutcome, latency: Duration) {
        match outcome {
            MirrorOutcome::Same => self.same += 1,
            MirrorOutcome::Different => self.different += 1,
            MirrorOutcome::Lag => self.lag += 1,
            MirrorOutcome::Failed => self.failed += 1,
        }
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bits = usize::try_from(u64::BITS - micros.leading_zeros()).unwrap_or(LATENCIES);
        let bucket = bits.min(LATENCIES - 1);
        if self.latency.len() <= bucket {
            self.latency.resize(bucket + 1, 0);
        }
        self.latency[bucket] += 1;
    }
}

/// The bound of a bucket of the latency histogram.
#[must_use]
pub fn latency_bound(bucket: usize) -> Duration {
    Duration::from_micros(1 << bucket.min(LATENCIES - 1))
}

/// The key of one reader's counts of one generation. The generation leads, so that a gate lists
/// only its own.
#[must_use]
pub fn mirror_key(generation: u32, reader: &str) -> String {
    mirror_prefix(generation) + reader
}

/// What the keys of one generation's counts begin with.
#[must_use]
pub fn mirror_prefix(generation: u32) -> String {
    format!("{MIRROR_PREFIX}{generation:010}/")
}

#[derive(Debug)]
pub(super) struct Tally {
    /// Unique per start of a reader, so that nobody else writes its counts.
    reader: String,
    generations: Mutex<BTreeMap<u32, Counted>>,
}

/// Counts of one generation to be written.
#[derive(Debug)]
pub(super) struct Unwritten {
    generation: u32,
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    /// The revision that this reader left.
    pub(super) expected: Option<Revision>,
    at: u64,
}

#[derive(Debug, Default)]
struct Counted {
    counts: Counts,
    /// Grows with every count; `written` is what the store has seen.
    at: u64,
    written: u64,
    revision: Option<Revision>,
}

impl Tally {
    pub(super) fn new(reader: Owner) -> Self {
        Self { reader: format!("{:032x}", reader.0), generations: Mutex::default() }
    }

    pub(super) fn count(&self, generation: u32, outcome: MirrorOutcome, latency: Duration) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = generations.entry(generation).or_default();
        counted.counts.count(outcome, latency);
        counted.at += 1;
        if generations.len() > GENERATIONS_MAX {
            generations.pop_first();
        }
    }

    /// What the store has not seen.
    pub(super) fn changed(&self) -> Result<Vec<Unwritten>> {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = generations.iter().filter(|(_, counted)| counted.at != counted.written);
        changed
            .map(|(&generation, counted)| {
                let value = document::encode(&counted.counts)?;
                let key = mirror_key(generation, &self.reader);
                let expected = counted.revision;
                Ok(Unwritten { generation, key, value, expected, at: counted.at })
            })
            .collect()
    }

    /// An entry was written as of `revision`.
    pub(super) fn written(&self, entry: &Unwritten, revision: Revision) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = generations.get_mut(&entry.generation) {
            counted.revision = Some(revision);
            counted.written = entry.at;
        }
    }
}

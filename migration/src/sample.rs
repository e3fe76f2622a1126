//! A sample of entities, the same in every program that asks.
//!
//! A sampled backfill copies whole entities, and `verify` judges exactly those as a census. Both
//! decide by hash, so neither has to keep a list.

use crate::checkpoint::CheckpointStore;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Key of the last sampled backfill in the checkpoint store.
const SAMPLE_KEY: &str = "sample";

/// A share of all keys, chosen by hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Makes another choice of the same size.
    pub seed: u64,
    /// Keys whose hash lies below this are in; `u64::MAX` takes (all but) every key.
    pub below: u64,
}

impl Sample {
    /// A sample of about `share` of all keys, from 0 to 1.
    ///
    /// # Errors
    /// `Plan` if `share` is not a share.
    pub fn new(seed: u64, share: f64) -> Result<Self> {
        if !(share > 0.0 && share <= 1.0) {
            return Err(Error::new(ErrorKind::Plan, "choose sample")
                .with("share", share)
                .hint("a share is above 0 % and at most 100 %, such as 1%"));
        }
        // 2^53 steps are all that an f64 can tell apart.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "share is in (0, 1], so the product is a whole number of at most 2^53"
        )]
        let steps = (share * 9_007_199_254_740_992.0).ceil() as u64;
        Ok(Self { seed, below: steps.saturating_mul(1 << 11) })
    }

    /// Whether `key` is in the sample.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        xxh3_64_with_seed(key.as_bytes(), self.seed) < self.below
    }

    /// Remembers this as the sample that the backfill copied.
    ///
    /// # Errors
    /// Those of the checkpoint store.
    pub async fn record(&self, checkpoint: &dyn CheckpointStore) -> Result<()> {
        let value = serde_json::to_vec(self)
            .map_err(|error| Error::new(ErrorKind::Failed, "write sample").because(error))?;
        let expected = checkpoint.get(SAMPLE_KEY).await?.map(|entry| entry.revision);
        match checkpoint.put(SAMPLE_KEY, &value, expected).await? {
            Some(_) => Ok(()),
            None => Err(Error::new(ErrorKind::Busy, "record sample: another process did as well")),
        }
    }

    /// The sample that the backfill copied last.
    ///
    /// # Errors
    /// Those of the checkpoint store; `Unreadable` if the entry is damaged.
    pub async fn recorded(checkpoint: &dyn CheckpointStore) -> Result<Option<Self>> {
        let Some(entry) = checkpoint.get(SAMPLE_KEY).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&entry.value).map(Some).map_err(|error| {
            Error::new(ErrorKind::Unreadable, "read recorded sample").because(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;
    use crate::key::Key;
    use crate::value::Value;

    fn count(sample: Sample) -> usize {
        (0..10_000).filter(|&id| sample.contains(&Key::new([Value::Int(id)]).unwrap())).count()
    }

    #[test]
    fn a_sample_holds_about_its_share_and_all_means_all() {
        let one_percent = count(Sample::new(7, 0.01).unwrap());
        assert!((60..140).contains(&one_percent), "{one_percent}");
        assert_eq!(count(Sample::new(7, 1.0).unwrap()), 10_000);
    }

    #[test]
    fn a_share_outside_zero_to_one_is_refused() {
        for share in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(Sample::new(7, share).is_err(), "{share}");
        }
    }
}

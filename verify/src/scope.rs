//! What a run compares.

use migration::error::Result;
use migration::key::Key;
use migration::layout::Layout;
use migration::sample::Sample;
use serde::{Deserialize, Serialize};

/// What a run compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Scope {
    /// Every record: the verdict is exact.
    Full,
    /// Every record of the entities that a sampled backfill copied: exact for those.
    Backfilled {
        /// The backfill's sample.
        sample: Sample,
    },
    /// A random share of all records: the verdict is a confidence bound.
    Sampled {
        /// The share.
        sample: Sample,
    },
}

impl Scope {
    /// Whether the verdict counts a whole population rather than a sample of one.
    #[must_use]
    pub fn is_census(&self) -> bool {
        !matches!(self, Self::Sampled { .. })
    }

    /// Whether every record is in, so that nobody needs to look at its key.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Full)
    }

    /// Whether a record, given by its range key, is in.
    ///
    /// # Errors
    /// `Unreadable` if `key` is no key of the table.
    pub fn contains(&self, layout: &Layout, key: &Key) -> Result<bool> {
        Ok(match self {
            Self::Full => true,
            Self::Backfilled { sample } => sample.contains(&layout.entity(key)?),
            Self::Sampled { sample } => sample.contains(key),
        })
    }
}

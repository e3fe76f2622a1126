//! What a run compares.

use migration::checkpoint::verdict::Kind;
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
    /// What the figures of a verdict on it are.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Full | Self::Backfilled { .. } => Kind::Census,
            Self::Sampled { .. } => Kind::Sample,
        }
    }

    /// What is compared, in words.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::Full => "every record",
            Self::Backfilled { .. } => "every record of the backfill's sample",
            Self::Sampled { .. } => "a sample of all records",
        }
    }

    /// Whether a run over this scope may go on with one over `wanted`: a sample need not be the
    /// same draw.
    #[must_use]
    pub fn is_like(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Sampled { .. }, Self::Sampled { .. }) => true,
            _ => self == wanted,
        }
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

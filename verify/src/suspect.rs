//! A record that looked different once. Under live writes most of these are only moving.

use migration::batch::Batch;
use migration::key::Key;

/// Where a suspect was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Suspect {
    /// The target instance.
    pub(crate) instance: usize,
    /// The range key of the record.
    pub(crate) key: Key,
}

/// What one step of a pass found.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// Records of the side it walks that were read, in scope or not, and those of the other side
    /// that it passed by: the work done.
    pub(crate) walked: u64,
    /// Records compared, suspects included.
    pub(crate) compared: u64,
    /// Those that have to be read again.
    pub(crate) suspects: Vec<Suspect>,
    /// Where the pass goes on after this chunk; none in the middle of a batch, which is no place to
    /// go on from.
    pub(crate) reached: Option<Reached>,
}

impl Chunk {
    /// A step over `rows`, of which nothing is compared yet.
    pub(crate) fn of(rows: &Batch, reached: Reached) -> Self {
        let walked = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        Self { walked, reached: Some(reached), ..Self::default() }
    }
}

/// Where a pass goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reached {
    /// At the beginning.
    Start,
    /// After this key of the side it walks, on this instance if it walks the target.
    After {
        /// The instance; zero for a walk of the source.
        instance: usize,
        /// The last key dealt with; none at the beginning of an instance.
        key: Option<Key>,
    },
    /// Nowhere: everything has been compared.
    End,
}

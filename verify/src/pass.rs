//! The passes over one source table and one target table that together compare both directions.
//!
//! Where the target's key order is the source's, one [`Merge`] walks both sides at once. Where it
//! is not, [`SourceProbe`] walks the source and looks each record up in the target, and
//! [`TargetProbe`] walks the target and looks for records that the source does not have.

mod merge;
mod probe;

pub(crate) use merge::Merge;
pub(crate) use probe::{SourceProbe, TargetProbe};

use crate::scope::Scope;
use crate::suspect::{Chunk, Reached};
use migration::error::Result;
use migration::layout::{Layout, TargetLayout};
use migration::store::{ReadLimit, Store, Target};
use std::sync::Arc;

/// One source table, one target table, and everything a pass needs to compare them.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) source: Arc<dyn Store>,
    pub(crate) targets: Vec<Arc<dyn Target>>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) target: Arc<TargetLayout>,
    pub(crate) scope: Scope,
    pub(crate) limit: ReadLimit,
}

/// Which pass, in the order they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PassKind {
    /// Both sides at once.
    Merge,
    /// Source to target.
    SourceProbe,
    /// Target to source.
    TargetProbe,
}

/// The passes that compare a target table in both directions.
pub(crate) fn kinds(target: &TargetLayout) -> &'static [PassKind] {
    if target.is_aligned() {
        &[PassKind::Merge]
    } else {
        &[PassKind::SourceProbe, PassKind::TargetProbe]
    }
}

/// How often a run walks this target table or its source.
pub(crate) fn walks(target: &TargetLayout) -> usize {
    kinds(target).len()
}

/// A pass under way.
#[derive(Debug)]
pub(crate) enum Pass {
    Merge(Merge),
    SourceProbe(SourceProbe),
    TargetProbe(TargetProbe),
}

impl Pass {
    /// Begins a pass, or goes on with one from where it was.
    pub(crate) fn begin(kind: PassKind, pair: Pair, reached: &Reached) -> Self {
        match kind {
            PassKind::Merge => Self::Merge(Merge::new(pair, reached)),
            PassKind::SourceProbe => Self::SourceProbe(SourceProbe::new(pair, reached)),
            PassKind::TargetProbe => Self::TargetProbe(TargetProbe::new(pair, reached)),
        }
    }

    /// Compares the next batch. The chunk that reaches [`Reached::End`] is the last.
    pub(crate) async fn next(&mut self) -> Result<Chunk> {
        match self {
            Self::Merge(pass) => pass.next().await,
            Self::SourceProbe(pass) => pass.next().await,
            Self::TargetProbe(pass) => pass.next().await,
        }
    }
}

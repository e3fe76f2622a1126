//! The claim of a worker of the copy on a range.

use super::{ATTEMPTS_MAX, Bids, not_set_up, repeatable};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::position::{Generation, Owner};
use crate::protocol::{Progress, Range, RangeState};
use crate::store::Target;
use futures::future::{join_all, try_join_all};
use std::sync::Arc;

/// A range that was claimed on every instance.
#[derive(Debug, Clone)]
pub struct RangeClaim {
    /// The fence that every write carries.
    pub epoch: Generation,
    /// The lower bound, exclusive, which names the range.
    pub after: Option<Key>,
    /// The upper bound, inclusive.
    pub until: Option<Key>,
    /// Where to go on: the smallest progress of the instances where the range is not done.
    pub resume: Progress,
    /// Batches found on each instance; `None` where the range is done.
    pub left: Vec<Option<u64>>,
}

impl RangeClaim {
    /// Whether the range is done on every instance.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left.iter().all(Option::is_none)
    }
}

/// Claims the range that begins after `after` on every instance, splitting first where an instance
/// lacks a bound that another has.
///
/// # Errors
/// `Refused` if an instance is not set up; `Fenced` if others keep claiming the range; those of
/// the target, but never `UnknownOutcome`: a claim may be made again.
pub async fn claim_range(
    targets: &[Arc<dyn Target>],
    table: &str,
    after: Option<&Key>,
    owner: Owner,
) -> Result<RangeClaim> {
    let mut bids = Bids::default();
    for _ in 0..ATTEMPTS_MAX {
        let until = align(targets, table, after).await?;
        let highest = ranges(targets, table, after).await?;
        let highest = highest.iter().map(|range| range.epoch.number).max();
        let epoch = Generation { number: bids.next(highest), owner };
        let claims = targets.iter().map(|target| target.claim_range(table, after, &epoch));
        if !bids.is_taken(epoch.number, join_all(claims).await)? {
            continue;
        }
        // Read after the claim: until then an older worker could still move it.
        let found = ranges(targets, table, after).await?;
        if found.iter().any(|range| range.until != until) {
            continue;
        }
        return Ok(claimed(epoch, after, until, &found));
    }
    let fenced = Error::new(ErrorKind::Fenced, "claim range: others keep claiming it")
        .hint("see who is running with `backfill locks list`");
    Err(bids.given_up(fenced).with("table", table))
}

/// Whether the range that begins after `after` is done on every instance, read now.
///
/// # Errors
/// Those of the target.
pub async fn is_done(
    targets: &[Arc<dyn Target>],
    table: &str,
    after: Option<&Key>,
) -> Result<bool> {
    let found = try_join_all(targets.iter().map(|target| target.range(table, after))).await?;
    let is_done =
        |range: &Option<Range>| range.as_ref().is_some_and(|range| range.state == RangeState::Done);
    // Every instance must also mean the same range by it.
    let until = |range: &Option<Range>| range.as_ref().map(|range| range.until.clone());
    let alike = found.windows(2).all(|pair| until(&pair[0]) == until(&pair[1]));
    Ok(alike && found.iter().all(is_done))
}

fn claimed(
    epoch: Generation,
    after: Option<&Key>,
    until: Option<Key>,
    found: &[Range],
) -> RangeClaim {
    // What somebody else has done since is no part of this claim: its write will be fenced.
    let open = |range: &&Range| range.state != RangeState::Done || range.epoch != epoch;
    RangeClaim {
        epoch,
        after: after.cloned(),
        until,
        resume: found
            .iter()
            .filter(open)
            .map(|range| range.progress.clone())
            .min()
            .unwrap_or(Progress::End),
        left: found
            .iter()
            .map(|range| Some(range).filter(open).map(|range| range.batches))
            .collect(),
    }
}

async fn ranges(
    targets: &[Arc<dyn Target>],
    table: &str,
    after: Option<&Key>,
) -> Result<Vec<Range>> {
    try_join_all(targets.iter().map(|target| async move {
        let range = target.range(table, after).await?;
        range.ok_or_else(|| not_set_up(target.name()).with("table", table))
    }))
    .await
}

/// Gives every instance the bounds of the range, and returns its upper one.
async fn align(
    targets: &[Arc<dyn Target>],
    table: &str,
    after: Option<&Key>,
) -> Result<Option<Key>> {
    let mut until: Option<Key> = None;
    for target in targets {
        if let (None, Some(key)) = (target.range(table, after).await?, after) {
            target.split_range(table, key).await.map_err(repeatable)?;
        }
        let range = target.range(table, after).await?;
        let range = range.ok_or_else(|| not_set_up(target.name()).with("table", table))?;
        until = match (until, range.until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    if let Some(key) = &until {
        // Does nothing where the range ends there already.
        let splits = targets.iter().map(|target| target.split_range(table, key));
        try_join_all(splits).await.map_err(repeatable)?;
    }
    Ok(until)
}

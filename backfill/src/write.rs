//! Writes one batch on every instance, each in one atomic step with the range's progress.

use crate::copier::{Copier, Counters};
use crate::read::Ready;
use futures::future::join_all;
use migration::error::{ErrorKind, Result};
use migration::fault;
use migration::key::Key;
use migration::position::Generation;
use migration::protocol::Progress;
use migration::store::{CopyOutcome, CopyStep, CopyWrites};
use std::sync::Arc;

/// The claim under which a range is written, with what was left on each instance.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) after: Option<Key>,
    pub(crate) epoch: Generation,
    /// Batches on each instance; `None` where the range is done.
    pub(crate) left: Vec<Option<u64>>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is on every instance.
    Committed,
    /// Its lock was lost before it was written, or the source is behind: read it again.
    Again,
    /// Another worker has the range.
    Fenced,
    /// An instance is not where it was left: claim the range again.
    LostTail,
}

/// Writes a batch that was read under its lock, and gives the lock back.
///
/// # Errors
/// Those of the target, after every instance has answered.
pub(crate) async fn write(
    copier: Arc<Copier>,
    mut hold: Hold,
    ready: Box<Ready>,
    next: Option<Progress>,
) -> Result<(Box<Ready>, Hold, Written)> {
    let table = &copier.layout.source().table;
    if let Some(token) = ready.token
        && !copier.lock.still_held(table, token).await.unwrap_or(false)
    {
        return Ok((ready, hold, Written::Again));
    }
    fault::point("backfill.checked");
    let span = ready.span.as_ref().map(|(first, last)| (first, last));
    let written = step(&copier, &mut hold, &ready.parts, span, next.as_ref()).await;
    copier.release(ready.token).await;
    fault::point("backfill.released");
    Ok((ready, hold, written?))
}

/// One step on every instance at once. A sample (`next` is `None`) skips those it has nothing for.
pub(crate) async fn step(
    copier: &Copier,
    hold: &mut Hold,
    parts: &[Vec<CopyWrites>],
    span: Option<(&Key, &Key)>,
    next: Option<&Progress>,
) -> Result<Written> {
    let (after, epoch) = (hold.after.as_ref(), hold.epoch);
    let steps = copier.targets.iter().enumerate().map(|(instance, target)| {
        let writes = parts.get(instance).map_or(&[][..], Vec::as_slice);
        let left = hold.left[instance].filter(|_| next.is_some() || !writes.is_empty());
        async move {
            let Some(left) = left else {
                return Ok(CopyOutcome::Done);
            };
            let source_table = &copier.layout.source().table;
            let step =
                CopyStep { source_table, range_after: after, epoch, left, next, span, writes };
            let outcome = target.copy(&step).await;
            fault::point("backfill.written");
            outcome
        }
    });
    // Every instance is waited for, also beside one that fails: nothing is left running.
    let outcomes = join_all(steps).await;
    let mut written = Written::Committed;
    for (left, outcome) in hold.left.iter_mut().zip(outcomes) {
        match outcome {
            Ok(CopyOutcome::Applied { inserted, existing, refused, later }) => {
                Counters::add(&copier.counters.inserted, inserted);
                Counters::add(&copier.counters.existing, existing);
                Counters::add(&copier.counters.refused, refused);
                if let (Some(left), Some(_)) = (left.as_mut(), next) {
                    *left += 1;
                }
                if !later.is_empty() {
                    written = worse(written, Written::Again);
                }
            }
            // A sample has nothing for an instance that is skipped, but the range is not done.
            Ok(CopyOutcome::Done) if next.is_none() => {}
            Ok(CopyOutcome::Done) => *left = None,
            Ok(CopyOutcome::Fenced) => written = worse(written, Written::Fenced),
            Ok(CopyOutcome::LostTail) => written = worse(written, Written::LostTail),
            // The instance tells when it is asked again: as after a crash.
            Err(error) if error.kind() == ErrorKind::UnknownOutcome => {
                written = worse(written, Written::LostTail);
            }
            Err(error) => return Err(error),
        }
    }
    match written {
        Written::Committed => Counters::add(&copier.counters.batches, 1),
        Written::Fenced => Counters::add(&copier.counters.fenced, 1),
        Written::Again | Written::LostTail => {}
    }
    Ok(written)
}

/// The outcome that decides: another owner before a lost tail before a lost lock.
fn worse(one: Written, other: Written) -> Written {
    let rank = |written| match written {
        Written::Committed => 0,
        Written::Again => 1,
        Written::LostTail => 2,
        Written::Fenced => 3,
    };
    if rank(other) > rank(one) { other } else { one }
}

//! The removal of guards that have done their duty.

use super::{Access, LockMode, Transactional, lost};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::protocol::{self, Range, RangeState};
use crate::store::PurgeStep;

/// Removes guards and raises the epoch in one transaction, so that nobody who might still write
/// what they refused can.
pub(super) async fn purge<E: Transactional>(engine: &E, step: &PurgeStep<'_>) -> Result<u64> {
    let table = step.source_table;
    let mut transaction = engine.begin(Access::Write).await?;
    let partition = transaction.partition(step.partition).await?;
    let found = transaction.lock_range(table, step.range_after, LockMode::Exclusive).await?;
    let Some(mut range) = found else {
        return Err(lost("purge guards: the range is not there").with("table", table));
    };
    // An instance that lost its tail since it was looked at is asked here, not there.
    let is_past = partition.is_some_and(|partition| partition.next >= step.passed);
    if !protocol::purge(&range, step.open_dead_letters, step.source_shows && is_past) {
        return Err(refused(&range, step, is_past).with("table", table));
    }
    let removed = transaction.delete_guards(table, &range, &step.below, step.limit).await?;
    if removed > 0 {
        fault::fallible("target.purge.removed")?;
        range.epoch.number += 1;
        transaction.put_range(table, &range).await?;
        transaction.commit().await?;
        fault::fallible("target.purge.committed")?;
    }
    Ok(removed)
}

/// What still needs the guards.
fn refused(range: &Range, step: &PurgeStep<'_>, is_past: bool) -> Error {
    let (why, hint) = if range.state != RangeState::Done {
        ("the range is not copied", "run `backfill run` until every range is done")
    } else if step.open_dead_letters {
        (
            "a dead letter is open, and its replay needs the guards",
            "see `dual-write dlq list`; replay or drop it first",
        )
    } else if !is_past {
        (
            "this instance has not applied the changes that they guard",
            "run `dual-write run` until the lag is 0, then purge again",
        )
    } else {
        (
            "the source that is read does not show the changes that they guard",
            "wait for its replica, or read from its primary; then purge again",
        )
    };
    Error::new(ErrorKind::Refused, format!("purge guards: {why}")).hint(hint)
}

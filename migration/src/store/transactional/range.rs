//! The ranges that the copy works through.

use super::{Access, LockMode, Transactional, lock_span};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::key::Key;
use crate::position::Generation;
use crate::protocol::{Claim, Finish, Range, RangeState, claim, finish, split};

/// Fewer would make paging stand still: the first range has no lower bound to page after.
const PAGE_MIN: usize = 2;

pub(super) async fn ranges<E: Transactional>(
    engine: &E,
    table: &str,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<Range>> {
    if !engine.is_marked().await? {
        return Ok(Vec::new());
    }
    engine.begin(Access::Read).await?.ranges(table, after, limit.max(PAGE_MIN)).await
}

pub(super) async fn range<E: Transactional>(
    engine: &E,
    table: &str,
    after: Option<&Key>,
) -> Result<Option<Range>> {
    if !engine.is_marked().await? {
        return Ok(None);
    }
    engine.begin(Access::Read).await?.lock_range(table, after, LockMode::Shared).await
}

/// Splits the range that contains `key` after it.
pub(super) async fn split_range<E: Transactional>(
    engine: &E,
    table: &str,
    key: &Key,
) -> Result<()> {
    let mut transaction = engine.begin(Access::Write).await?;
    let found = lock_span(&mut *transaction, table, key, key, LockMode::Exclusive).await?;
    let Some((lower, upper)) = found.first().and_then(|range| split(range, key)) else {
        return Ok(());
    };
    transaction.put_range(table, &lower).await?;
    fault::fallible("target.split.lower")?;
    transaction.put_range(table, &upper).await?;
    transaction.commit().await?;
    fault::fallible("target.split.committed")
}

/// Sets the range's epoch if it is the highest.
pub(super) async fn claim_range<E: Transactional>(
    engine: &E,
    table: &str,
    after: Option<&Key>,
    epoch: &Generation,
) -> Result<Claim> {
    let mut transaction = engine.begin(Access::Write).await?;
    let Some(mut range) = transaction.lock_range(table, after, LockMode::Exclusive).await? else {
        return Err(Error::new(ErrorKind::Refused, "claim range: none begins there")
            .with("table", table)
            .hint("split the range that holds the key first"));
    };
    let decision = claim(&range.epoch, epoch);
    if decision == Claim::Take {
        range.epoch = *epoch;
        transaction.put_range(table, &range).await?;
        fault::fallible("target.claim.written")?;
        transaction.commit().await?;
        fault::fallible("target.claim.committed")?;
    }
    Ok(decision)
}

/// Marks the range as done, which fences every worker that is not.
pub(super) async fn finish_range<E: Transactional>(
    engine: &E,
    table: &str,
    after: Option<&Key>,
    epoch: &Generation,
    left: u64,
) -> Result<Finish> {
    let mut transaction = engine.begin(Access::Write).await?;
    let found = transaction.lock_range(table, after, LockMode::Exclusive).await?;
    let dirty_count = match &found {
        Some(range) => transaction.count_dirty(table, range).await?,
        None => 0,
    };
    let decision = finish(found.as_ref(), epoch, left, dirty_count);
    if let (Finish::Mark, Some(mut range)) = (decision, found) {
        range.state = RangeState::Done;
        range.epoch.number += 1;
        transaction.put_range(table, &range).await?;
        fault::fallible("target.finish.marked")?;
        transaction.commit().await?;
        fault::fallible("target.finish.committed")?;
    }
    Ok(decision)
}

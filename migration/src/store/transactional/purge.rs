//! The removal of guards that have done their duty.

use super::{Access, LockMode, Transactional, lost};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::key::Key;
use crate::position::Version;
use crate::protocol;

/// Removes guards and raises the epoch in one transaction, so that nobody who might still write
/// what they refused can.
pub(super) async fn purge<E: Transactional>(
    engine: &E,
    table: &str,
    after: Option<&Key>,
    below: &Version,
    limit: usize,
) -> Result<u64> {
    let mut transaction = engine.begin(Access::Write).await?;
    let Some(mut range) = transaction.lock_range(table, after, LockMode::Exclusive).await? else {
        return Err(lost("purge guards: the range is not there").with("table", table));
    };
    // The caller vouches for the dead letters and the positions: they lie outside this instance.
    if !protocol::purge(&range, false, true) {
        return Err(Error::new(ErrorKind::Refused, "purge guards: the range is not copied")
            .with("table", table)
            .hint("run `backfill run` until every range is done"));
    }
    let removed = transaction.delete_guards(table, &range, below, limit).await?;
    if removed > 0 {
        fault::fallible("target.purge.removed")?;
        range.epoch.number += 1;
        transaction.put_range(table, &range).await?;
        transaction.commit().await?;
        fault::fallible("target.purge.committed")?;
    }
    Ok(removed)
}

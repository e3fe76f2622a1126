//! The set-up of an instance.

use super::{Access, Transactional};
use crate::error::Result;
use crate::fault;
use crate::position::{Generation, Owner};
use crate::protocol::{Partition, Progress, Range, RangeState};
use crate::store::StartPosition;

/// Everybody's claim lies above it.
const UNCLAIMED: Generation = Generation { number: 0, owner: Owner(0) };

/// Adds what lacks, in one transaction with the mark: an instance is set up wholly or not at all.
pub(super) async fn set_up<E: Transactional>(
    engine: &E,
    tables: &[&str],
    partitions: &[StartPosition],
) -> Result<()> {
    let mut transaction = engine.begin(Access::SetUp).await?;
    for table in tables {
        if transaction.ranges(table, None, 1).await?.is_empty() {
            let whole = Range {
                after: None,
                until: None,
                epoch: UNCLAIMED,
                state: RangeState::Open,
                progress: Progress::Start,
                batches: 0,
            };
            transaction.put_range(table, &whole).await?;
        }
    }
    fault::fallible("target.set-up.ranges")?;
    for start in partitions {
        if transaction.partition(&start.partition).await?.is_none() {
            let row =
                Partition { generation: UNCLAIMED, start: start.position, next: start.position };
            transaction.put_partition(&start.partition, &row).await?;
        }
    }
    fault::fallible("target.set-up.partitions")?;
    transaction.commit().await?;
    fault::fallible("target.set-up.committed")
}

/// A partition's row as it is now.
pub(super) async fn partition<E: Transactional>(
    engine: &E,
    partition: &str,
) -> Result<Option<Partition>> {
    if !engine.is_marked().await? {
        return Ok(None);
    }
    engine.begin(Access::Read).await?.partition(partition).await
}

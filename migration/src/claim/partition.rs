//! The claim of a consumer on a queue partition.

use super::{ATTEMPTS_MAX, Bids, not_set_up};
use crate::error::{Error, ErrorKind, Result};
use crate::position::{Generation, Owner, Position};
use crate::protocol::Partition;
use crate::store::Target;
use futures::future::{join_all, try_join_all};
use std::sync::Arc;

/// A partition that was claimed on every instance.
#[derive(Debug, Clone)]
pub struct PartitionClaim {
    /// The fence that every write carries.
    pub generation: Generation,
    /// The position of every instance, the highest first and the smallest last: a consumer seeks
    /// to each of them in this order, which proves each, and goes on at the last.
    pub positions: Vec<Position>,
}

/// A partition's row on every instance, in instance order.
///
/// # Errors
/// `Refused` if an instance has none; those of the target.
pub async fn partitions(targets: &[Arc<dyn Target>], partition: &str) -> Result<Vec<Partition>> {
    try_join_all(targets.iter().map(|target| async move {
        let found = target.partition(partition).await?;
        found.ok_or_else(|| not_set_up(target.name()).with("partition", partition))
    }))
    .await
}

/// Claims a partition on every instance.
///
/// # Errors
/// `Refused` if an instance is not set up; `Fenced` if others keep claiming it; those of the
/// target, but never `UnknownOutcome`: a claim may be made again.
pub async fn claim_partition(
    targets: &[Arc<dyn Target>],
    partition: &str,
    owner: Owner,
) -> Result<PartitionClaim> {
    let generation = outbid_all(targets, partition, owner, None).await?;
    // Read after the claim: until then an older consumer could still move it.
    let now = partitions(targets, partition).await?;
    let mut positions: Vec<Position> = now.iter().map(|row| row.next).collect();
    positions.sort_unstable_by(|one, other| other.cmp(one));
    positions.dedup();
    Ok(PartitionClaim { generation, positions })
}

/// Claims a partition on these instances and lets it begin anew at `start` there.
///
/// # Errors
/// As [`claim_partition`].
pub async fn restart_partition(
    targets: &[Arc<dyn Target>],
    partition: &str,
    owner: Owner,
    start: &Position,
) -> Result<()> {
    outbid_all(targets, partition, owner, Some(start)).await.map(drop)
}

async fn outbid_all(
    targets: &[Arc<dyn Target>],
    partition: &str,
    owner: Owner,
    start: Option<&Position>,
) -> Result<Generation> {
    let mut bids = Bids::default();
    for _ in 0..ATTEMPTS_MAX {
        let found = partitions(targets, partition).await?;
        let highest = found.iter().map(|row| row.generation.number).max();
        let generation = Generation { number: bids.next(highest), owner };
        let claims = targets.iter().map(|target| async {
            match start {
                Some(start) => target.restart_partition(partition, &generation, start).await,
                None => target.claim_partition(partition, &generation).await,
            }
        });
        if bids.is_taken(generation.number, join_all(claims).await)? {
            return Ok(generation);
        }
    }
    let fenced = Error::new(ErrorKind::Fenced, "claim queue partition: others keep claiming it")
        .hint("see who is running with `dual-write status`");
    Err(bids.given_up(fenced).with("partition", partition))
}

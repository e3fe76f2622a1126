//! The claim of a consumer on a queue partition.

use super::{ATTEMPTS_MAX, not_set_up, outbid};
use crate::error::{Error, ErrorKind, Result};
use crate::position::{Generation, Owner, Position};
use crate::protocol::Partition;
use crate::store::Target;
use futures::future::try_join_all;
use std::sync::Arc;

/// A partition that was claimed on every instance.
#[derive(Debug, Clone, Copy)]
pub struct PartitionClaim {
    /// The fence that every write carries.
    pub generation: Generation,
    /// The smallest position of all instances: where to go on.
    pub resume: Position,
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
/// target.
pub async fn claim_partition(
    targets: &[Arc<dyn Target>],
    partition: &str,
    owner: Owner,
) -> Result<PartitionClaim> {
    let mut seen = 0;
    for _ in 0..ATTEMPTS_MAX {
        let found = partitions(targets, partition).await?;
        let highest = found.iter().map(|row| row.generation.number).max().unwrap_or(0);
        let generation = Generation { number: seen.max(highest) + 1, owner };
        let claims = targets.iter().map(|target| target.claim_partition(partition, &generation));
        match outbid(&try_join_all(claims).await?) {
            Some(number) => seen = number,
            None => {
                // Read after the claim: until then an older consumer could still move it.
                let now = partitions(targets, partition).await?;
                let resume = now.iter().map(|row| row.next).min();
                let resume = resume.ok_or_else(|| not_set_up("(none)"))?;
                return Ok(PartitionClaim { generation, resume });
            }
        }
    }
    Err(Error::new(ErrorKind::Fenced, "claim queue partition: others keep claiming it")
        .with("partition", partition)
        .hint("see who is running with `dual-write status`"))
}

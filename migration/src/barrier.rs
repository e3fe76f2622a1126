//! Barriers: waits until the source, on the connection that is read, shows what the queue has
//! delivered.
//!
//! "Delivered" is not "visible": a replica lags, and some engines hand a change to log readers
//! before a query sees it. What is read after a barrier is at least as new as its position.

#[cfg(test)]
mod tests;

use crate::claim::partitions;
use crate::error::{Error, ErrorKind, Result};
use crate::position::Position;
use crate::protocol::repair_barrier;
use crate::queue::Queue;
use crate::store::Target;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tracing::warn;

/// First pause between two looks at the source; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(2);
/// Longest pause between two looks at the source: what a barrier may add to the source's own lag.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// Longest that a queue may give no answer before a wait for the source ends: Kafka takes nine
/// seconds, by default, to see that a broker is dead and give its partitions to others.
const AWAY_MAX: Duration = Duration::from_secs(30);

/// Waits until the source shows everything below the highest start of all instances: once per run
/// of the copy, before its first read. What changed earlier is then read by the copy, what changes
/// later is delivered by the queue.
///
/// # Errors
/// `TimedOut` once it has waited for `bound`, all partitions together; `Refused` if an instance is
/// not set up; those of queue and target.
pub async fn start_barrier(
    queue: &dyn Queue,
    targets: &[Arc<dyn Target>],
    bound: Duration,
) -> Result<()> {
    let deadline = Instant::now() + bound;
    for partition in queue.partitions().await? {
        let rows = partitions(targets, &partition).await?;
        if let Some(start) = rows.iter().map(|row| row.start).max() {
            wait_for_source(queue, &partition, &start, deadline).await?;
        }
    }
    Ok(())
}

/// Where a dead letter that is replayed ends in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterEnd {
    /// The letter's partition.
    pub partition: String,
    /// The position after it.
    pub position: Position,
}

/// Waits until the source shows everything that any instance has applied, and the dead letter that
/// is replayed, if one is: what a repair reads after it placed its lease.
///
/// # Errors
/// As [`start_barrier`].
pub async fn source_barrier(
    queue: &dyn Queue,
    targets: &[Arc<dyn Target>],
    letter: Option<&LetterEnd>,
    bound: Duration,
) -> Result<()> {
    let deadline = Instant::now() + bound;
    for partition in queue.partitions().await? {
        let rows = partitions(targets, &partition).await?;
        let letter = letter.filter(|letter| letter.partition == *partition);
        let end = letter.map(|letter| &letter.position);
        if let Some(barrier) = rows.iter().map(|row| repair_barrier(row, end)).max() {
            wait_for_source(queue, &partition, &barrier, deadline).await?;
        }
    }
    Ok(())
}

async fn wait_for_source(
    queue: &dyn Queue,
    partition: &str,
    position: &Position,
    deadline: Instant,
) -> Result<()> {
    let mut pause = PAUSE_MIN;
    let mut silent_until = None;
    loop {
        match queue.source_shows(partition, position).await {
            Ok(true) => return Ok(()),
            Ok(false) => silent_until = None,
            Err(error) if error.kind().is_retryable() => {
                let now = Instant::now();
                if silent_until.is_none() {
                    warn!(%error, partition, "whether the source has caught up is asked again");
                }
                let until = *silent_until.get_or_insert((now + AWAY_MAX).min(deadline));
                if now >= until {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        if Instant::now() >= deadline {
            return Err(Error::new(ErrorKind::TimedOut, "wait for the source to catch up")
                .with("partition", partition)
                .with("position", queue.describe(position))
                .hint("the source that is read lags behind the queue: read from its primary, or wait for its replica; on PostgreSQL any transaction that stays open holds this up: see pg_stat_activity and pg_prepared_xacts"));
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

//! Gathers what the gates look at.

use crate::gate::{Evidence, LagSeen, Seen, VerdictsSeen};
use crate::machine::Current;
use crate::reader::{Counts, mirror_prefix};
use crate::switch::RollbackFile;
use migration::checkpoint::verdict::{self, Dimension};
use migration::checkpoint::{CheckpointStore, document, progress};
use migration::clock::Timestamp;
use migration::dead_letter;
use migration::error::{Chain, Error, ErrorKind, Result};
use migration::phase::DUAL_WRITE;
use migration::plan::Plan;
use std::time::Duration;

/// Entries per read of a list.
const PAGE: usize = 500;

/// Most readers whose counts are added up. More than this many starts of a service within one stage
/// means that it crashes all day, and is no evidence.
const READERS_MAX: usize = 100_000;

/// Gathers the evidence for the gate above the current stage. What cannot be read is part of it:
/// each piece says for itself why it is missing.
pub async fn gather(plan: &Plan, checkpoint: &dyn CheckpointStore, current: &Current) -> Evidence {
    let now = Timestamp::now();
    let generation = current.record.generation;
    Evidence {
        now,
        edition: plan.edition(),
        record: current.record.clone(),
        rollback_file: seen(RollbackFile::new(&plan.cutover.rollback_file).exists().await),
        verdicts: seen(verdicts(checkpoint).await),
        lag: seen(lag(checkpoint, now).await),
        dead_letters: seen(dead_letter::count_open(checkpoint).await),
        mirrored: seen(mirrored(checkpoint, generation).await),
    }
}

fn seen<T>(result: Result<T>) -> Seen<T> {
    result.map_err(|error| Chain(&error).to_string())
}

async fn verdicts(checkpoint: &dyn CheckpointStore) -> Result<VerdictsSeen> {
    let mut latest = Vec::new();
    for dimension in [Dimension::Storage, Dimension::Business] {
        latest.extend(verdict::last(checkpoint, |seen| seen.dimension == dimension).await?);
    }
    let whole = |seen: &verdict::Verdict| seen.dimension == Dimension::Storage && seen.whole;
    Ok(VerdictsSeen { latest, whole: verdict::last(checkpoint, whole).await? })
}

/// The lag of the live path: the largest that a process of it reports. Processes that ended or fell
/// silent are looked at only where there is no other.
async fn lag(checkpoint: &dyn CheckpointStore, now: Timestamp) -> Result<Option<LagSeen>> {
    let snapshots = progress::snapshots(checkpoint, DUAL_WRITE.name).await?;
    let lives = |seen: &&progress::Snapshot| !seen.is_silent(now) && !seen.activity.is_over();
    let living = snapshots.iter().filter(lives).max_by_key(|seen| seen.lag_ms);
    // The latest comes first.
    Ok(living.or(snapshots.first()).map(|seen| LagSeen {
        at: seen.updated,
        lag: seen.lag_ms.map(Duration::from_millis),
        lives: lives(&seen),
    }))
}

/// Counts of mirrored reads of one stage generation, over all readers.
///
/// # Errors
/// Those of the checkpoint store; `Unreadable` if an entry is damaged.
pub async fn mirrored(checkpoint: &dyn CheckpointStore, generation: u32) -> Result<Counts> {
    let prefix = mirror_prefix(generation);
    let mut sum = Counts::default();
    let mut after: Option<String> = None;
    for _ in 0..READERS_MAX / PAGE {
        let page = checkpoint.list(&prefix, after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(sum) };
        after = Some(last.clone());
        for (key, entry) in &page {
            sum.add(&document::decode(&entry.value).map_err(|error| error.with("key", key))?);
        }
    }
    Err(Error::new(ErrorKind::Refused, "add up mirror counts")
        .with("most readers", READERS_MAX)
        .hint("the service was started this often within one stage: look at why"))
}

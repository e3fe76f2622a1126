//! Live changes.

use super::{
    Access, GuardRow, GuardTable, GuardWrite, LockMode, Transaction, Transactional, lock_span, lost,
};
use crate::batch::Row;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::key::Key;
use crate::position::{Generation, Position, Version};
use crate::protocol::{
    self, Admission, Claim, Effect, Guard, Kind, Live, Partition, admit_live, claim,
};
use crate::store::{LiveEntry, LiveOutcome, LiveStep, LiveWrites, Tally};
use std::collections::BTreeMap;

/// Sets the partition's generation if it is the highest.
pub(super) async fn claim_partition<E: Transactional>(
    engine: &E,
    partition: &str,
    generation: &Generation,
) -> Result<Claim> {
    claim_and(engine, partition, generation, |_| ()).await
}

/// The same, and nothing of the partition is applied then: it begins at `start`.
pub(super) async fn restart_partition<E: Transactional>(
    engine: &E,
    partition: &str,
    generation: &Generation,
    start: &Position,
) -> Result<Claim> {
    claim_and(engine, partition, generation, |row| row.restart(*start)).await
}

async fn claim_and<E: Transactional>(
    engine: &E,
    partition: &str,
    generation: &Generation,
    change: impl FnOnce(&mut Partition),
) -> Result<Claim> {
    let mut transaction = engine.begin(Access::Write).await?;
    let Some(mut row) = transaction.partition(partition).await? else {
        return Err(lost("claim partition: it is not there").with("partition", partition));
    };
    let decision = claim(&row.generation, generation);
    if decision == Claim::Take {
        row.generation = *generation;
        change(&mut row);
        transaction.put_partition(partition, &row).await?;
        fault::fallible("target.claim.written")?;
        transaction.commit().await?;
        fault::fallible("target.claim.committed")?;
    }
    Ok(decision)
}

/// Applies a batch and moves the position.
pub(super) async fn apply<E: Transactional>(
    engine: &E,
    step: &LiveStep<'_>,
) -> Result<LiveOutcome> {
    refuse_commands(step)?;
    let mut transaction = engine.begin(Access::Write).await?;
    let found = transaction.partition(step.partition).await?;
    let admission = admit_live(found.as_ref(), &step.generation, &step.from);
    let mut partition = match (admission, found) {
        (Admission::Go, Some(partition)) => partition,
        (Admission::Gap, Some(partition)) => return Ok(LiveOutcome::Gap(partition.next)),
        (Admission::Fenced, _) => return Ok(LiveOutcome::Fenced),
        (_, _) => return Ok(LiveOutcome::LostTail),
    };
    lock(&mut *transaction, step).await?;
    fault::fallible("target.live.locked")?;
    let mut tallies = Vec::with_capacity(step.writes.len());
    for writes in step.writes {
        tallies.push(write(&mut *transaction, &partition, writes).await?);
    }
    partition.advance(step.next);
    transaction.put_partition(step.partition, &partition).await?;
    fault::fallible("target.live.position")?;
    transaction.commit().await?;
    fault::fallible("target.live.committed")?;
    Ok(LiveOutcome::Applied { tallies })
}

/// No engine with transactions applies commands yet: adding to a stored value is a primitive of
/// its own. A plan with commands is refused long before; this is the last line.
fn refuse_commands(step: &LiveStep<'_>) -> Result<()> {
    let is_command = |entry: &&LiveEntry| entry.effect == Effect::Delta;
    let Some(entry) = step.writes.iter().flat_map(|writes| &writes.entries).find(is_command) else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Refused, "apply command: this store takes whole records only")
        .with("key", &entry.key)
        .hint("let the queue carry the resulting record instead of the command"))
}

/// Locks every range that the batch writes to, one source table after the other.
async fn lock(transaction: &mut dyn Transaction, step: &LiveStep<'_>) -> Result<()> {
    let mut spans: BTreeMap<&str, (&Key, &Key)> = BTreeMap::new();
    for writes in step.writes {
        for entry in &writes.entries {
            let span = spans.entry(&writes.source_table).or_insert((&entry.key, &entry.key));
            *span = (span.0.min(&entry.key), span.1.max(&entry.key));
        }
    }
    for (table, (first, last)) in spans {
        lock_span(transaction, table, first, last, LockMode::Shared).await?;
    }
    Ok(())
}

/// What one table's changes come to once the guards are known.
#[derive(Default)]
struct Decided<'a> {
    upserts: Vec<Row<'a>>,
    deletes: Vec<Row<'a>>,
    guards: Vec<GuardWrite<'a>>,
}

async fn write(
    transaction: &mut dyn Transaction,
    partition: &Partition,
    writes: &LiveWrites,
) -> Result<Tally> {
    let table = GuardTable {
        source_table: &writes.source_table,
        target_table: &writes.target.schema().table,
    };
    let mut tally = Tally::default();
    let due: Vec<&LiveEntry> =
        writes.entries.iter().filter(|entry| partition.is_due(&entry.position)).collect();
    // What lies before the position has been applied or refused here before.
    tally.duplicate = u64::try_from(writes.entries.len() - due.len()).unwrap_or(u64::MAX);
    let keys: Vec<&Key> = due.iter().map(|entry| &entry.key).collect();
    let guards = transaction.guards(table, &keys).await?;
    let mut decided = Decided::default();
    for (entry, guard) in due.into_iter().zip(&guards) {
        decide(writes, entry, guard.as_ref(), &mut decided, &mut tally);
    }
    transaction.upsert(writes.target.schema(), &decided.upserts).await?;
    transaction.delete(writes.target.key_schema(), &decided.deletes).await?;
    fault::fallible("target.live.records")?;
    transaction.put_guards(table, &decided.guards).await?;
    fault::fallible("target.live.guards")?;
    Ok(tally)
}

fn decide<'a>(
    writes: &'a LiveWrites,
    entry: &'a LiveEntry,
    found: Option<&GuardRow>,
    decided: &mut Decided<'a>,
    tally: &mut Tally,
) {
    let guard = found.map(|row| &row.guard);
    let write = |row| GuardWrite { key: &entry.key, was: found.copied(), row };
    // Whether the range is done matters to commands only.
    let kind = match protocol::live(guard, &entry.version, entry.effect, false) {
        Live::Set | Live::Add => {
            decided.upserts.push(writes.records.row(entry.row));
            Kind::Present
        }
        Live::Delete => {
            decided.deletes.push(writes.keys.row(entry.row));
            Kind::Deleted
        }
        Live::MarkDirty => Kind::Dirty,
        decision @ (Live::SkipDuplicate | Live::SkipStale) => {
            let count = match decision {
                Live::SkipDuplicate => &mut tally.duplicate,
                _ => &mut tally.stale,
            };
            *count += 1;
            // Even a change that is skipped takes the lease away: the repair reads again.
            if let Some(row) = found.filter(|row| row.lease.is_some()) {
                decided.guards.push(write(GuardRow { lease: None, ..*row }));
            }
            return;
        }
    };
    tally.applied += 1;
    let guard: Guard<Version> = Guard { version: entry.version, kind };
    decided.guards.push(write(GuardRow { guard, lease: None }));
}

//! The copy of the history.

use super::{Access, FoundGuard, GuardTable, LockMode, Transaction, Transactional};
use crate::batch::Row;
use crate::error::Result;
use crate::fault;
use crate::key::Key;
use crate::position::Version;
use crate::protocol::{self, Copy, CopyAdmission, Guard, Range, RangeState, admit_copy};
use crate::store::{CopyOutcome, CopyStep, CopyWrites};

/// Guards read by interval, for each record of the batch: a batch of scattered records spans far
/// more guards than it has records, and asks for them by key.
const GUARDS_PER_RECORD: usize = 4;

/// Writes one batch and the range's progress.
pub(super) async fn copy<E: Transactional>(engine: &E, step: &CopyStep<'_>) -> Result<CopyOutcome> {
    let mut transaction = engine.begin(Access::Write).await?;
    let table = step.source_table;
    let found = transaction.lock_range(table, step.range_after, LockMode::Exclusive).await?;
    let admission = admit_copy(found.as_ref(), &step.epoch, step.left);
    let mut range = match (admission, found) {
        (CopyAdmission::Go, Some(range)) => range,
        (CopyAdmission::Done, _) => return Ok(CopyOutcome::Done),
        (CopyAdmission::LostTail, _) => return Ok(CopyOutcome::LostTail),
        (_, _) => return Ok(CopyOutcome::Fenced),
    };
    if !holds_span(&range, step) {
        return Ok(CopyOutcome::Fenced);
    }
    let guards = interval_guards(&mut *transaction, step).await?;
    fault::fallible("target.copy.locked")?;
    let mut counts = Counts::default();
    for writes in step.writes {
        write(&mut *transaction, step, writes, guards.as_deref(), &mut counts).await?;
        fault::fallible("target.copy.records")?;
    }
    if let Some(next) = step.next {
        range.state = RangeState::Copying;
        range.progress = next.clone();
        range.batches += 1;
        transaction.put_range(table, &range).await?;
        fault::fallible("target.copy.progress")?;
    }
    if step.next.is_some() || step.span.is_some() {
        transaction.commit().await?;
        fault::fallible("target.copy.committed")?;
    }
    let Counts { inserted, existing, refused, later } = counts;
    Ok(CopyOutcome::Applied { inserted, existing, refused, later })
}

/// A split has raised the epoch, so this never fails; it costs two comparisons to be sure.
fn holds_span(range: &Range, step: &CopyStep<'_>) -> bool {
    step.span.is_none_or(|(first, last)| range.contains(first) && range.contains(last))
}

/// The guards of the batch's interval, or `None` if there are too many to be worth it.
async fn interval_guards(
    transaction: &mut dyn Transaction,
    step: &CopyStep<'_>,
) -> Result<Option<Vec<FoundGuard>>> {
    let Some((first, last)) = step.span else {
        return Ok(Some(Vec::new()));
    };
    let records: usize = step.writes.iter().map(|writes| writes.records.len()).sum();
    let limit = records * GUARDS_PER_RECORD;
    let found = transaction.guards_between(step.source_table, first, last, limit + 1).await?;
    Ok((found.len() <= limit).then_some(found))
}

#[derive(Default)]
struct Counts {
    inserted: u64,
    existing: u64,
    refused: u64,
    later: Vec<Key>,
}

async fn write(
    transaction: &mut dyn Transaction,
    step: &CopyStep<'_>,
    writes: &CopyWrites,
    interval: Option<&[FoundGuard]>,
    counts: &mut Counts,
) -> Result<()> {
    let schema = writes.target.schema();
    let table = GuardTable { source_table: step.source_table, target_table: &schema.table };
    let inserts = match interval {
        // Nothing was written live here: no key needs to be computed.
        Some([]) => writes.records.rows().collect(),
        Some(found) => by_interval(writes, found, counts)?,
        None => by_key(transaction, table, writes, counts).await?,
    };
    let inserted = transaction.insert_absent(schema, &inserts).await?;
    counts.inserted += inserted;
    counts.existing += u64::try_from(inserts.len()).unwrap_or(u64::MAX).saturating_sub(inserted);
    Ok(())
}

/// The records to insert, where the guards of the whole interval are known.
fn by_interval<'a>(
    writes: &'a CopyWrites,
    found: &[FoundGuard],
    counts: &mut Counts,
) -> Result<Vec<Row<'a>>> {
    let table = writes.target.schema().table.as_str();
    let mut inserts = Vec::with_capacity(writes.records.len());
    for row in writes.records.rows() {
        let key = writes.target.range_key(&row)?;
        let place = found.binary_search_by(|guard| {
            guard.key.cmp(&key).then_with(|| guard.target_table.as_str().cmp(table))
        });
        let guard = place.ok().and_then(|place| found.get(place)).map(|found| &found.row.guard);
        if decide(guard, key, counts) {
            inserts.push(row);
        }
    }
    Ok(inserts)
}

/// The records to insert, where the guards have to be asked for.
async fn by_key<'a>(
    transaction: &mut dyn Transaction,
    table: GuardTable<'_>,
    writes: &'a CopyWrites,
    counts: &mut Counts,
) -> Result<Vec<Row<'a>>> {
    let keys: Vec<Key> =
        writes.records.rows().map(|row| writes.target.range_key(&row)).collect::<Result<_>>()?;
    let guards = transaction.guards(table, &keys.iter().collect::<Vec<_>>()).await?;
    let mut inserts = Vec::with_capacity(writes.records.len());
    for ((row, key), guard) in writes.records.rows().zip(keys).zip(guards) {
        if decide(guard.as_ref().map(|row| &row.guard), key, counts) {
            inserts.push(row);
        }
    }
    Ok(inserts)
}

/// Whether the record is to be inserted where it lacks.
fn decide(guard: Option<&Guard<Version>>, key: Key, counts: &mut Counts) -> bool {
    match protocol::copy(guard, None) {
        Copy::InsertIfAbsent => return true,
        // Copied records carry no version of their own, so `Overwrite` does not come up; reading
        // again is always safe.
        Copy::Overwrite | Copy::Later => counts.later.push(key),
        Copy::Skip => counts.refused += 1,
    }
    false
}

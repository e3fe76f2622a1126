//! Repairs: a lease on the guard, a read of the source, a write if the lease still stands.

use super::{
    Access, GuardRow, GuardTable, GuardWrite, LockMode, Transaction, Transactional, guard_of,
    lock_span,
};
use crate::batch::Row;
use crate::error::Result;
use crate::fault;
use crate::key::Key;
use crate::position::Version;
use crate::protocol::{self, Guard, Kind, Repair, repaired_version};
use crate::store::{RepairEntry, RepairStep, SourceRow};

/// The guards of records.
pub(super) async fn guards<E: Transactional>(
    engine: &E,
    table: GuardTable<'_>,
    keys: &[Key],
) -> Result<Vec<Option<Guard<Version>>>> {
    let mut transaction = engine.begin(Access::Read).await?;
    let rows = transaction.guards(table, &keys.iter().collect::<Vec<_>>()).await?;
    Ok(rows.iter().map(|row| row.as_ref().and_then(guard_of)).collect())
}

/// Puts the lease on every guard; a record without one gets a guard that means nothing else.
pub(super) async fn place_lease<E: Transactional>(
    engine: &E,
    table: GuardTable<'_>,
    keys: &[Key],
    lease: u128,
) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut transaction = engine.begin(Access::Write).await?;
    let keys: Vec<&Key> = keys.iter().collect();
    lock(&mut *transaction, table, &keys).await?;
    let found = transaction.guards(table, &keys).await?;
    let none = Guard { version: Version::LOWEST, kind: Kind::None };
    let writes: Vec<GuardWrite<'_>> = keys
        .into_iter()
        .zip(found)
        .map(|(key, was)| {
            let guard = was.map_or(none, |row| row.guard);
            GuardWrite { key, was, row: GuardRow { guard, lease: Some(lease) } }
        })
        .collect();
    transaction.put_guards(table, &writes).await?;
    fault::fallible("target.lease.placed")?;
    transaction.commit().await?;
    fault::fallible("target.lease.committed")
}

/// Writes what was read, record by record, where nothing happened since.
pub(super) async fn repair<E: Transactional>(
    engine: &E,
    step: &RepairStep<'_>,
) -> Result<Vec<Repair>> {
    if step.entries.is_empty() {
        return Ok(Vec::new());
    }
    let schema = step.target.schema();
    let table = GuardTable { source_table: step.source_table, target_table: &schema.table };
    let keys: Vec<&Key> = step.entries.iter().map(|entry| &entry.key).collect();
    let mut transaction = engine.begin(Access::Write).await?;
    lock(&mut *transaction, table, &keys).await?;
    let found = transaction.guards(table, &keys).await?;
    let mut decided = Decided::default();
    let decisions = step
        .entries
        .iter()
        .zip(&found)
        .map(|(entry, row)| decide(step, entry, row.as_ref(), &mut decided))
        .collect();
    transaction.upsert(schema, &decided.upserts).await?;
    transaction.delete(step.target.key_schema(), &decided.deletes).await?;
    fault::fallible("target.repair.records")?;
    transaction.put_guards(table, &decided.guards).await?;
    transaction.commit().await?;
    fault::fallible("target.repair.committed")?;
    Ok(decisions)
}

async fn lock(
    transaction: &mut dyn Transaction,
    table: GuardTable<'_>,
    keys: &[&Key],
) -> Result<()> {
    if let (Some(first), Some(last)) = (keys.iter().min(), keys.iter().max()) {
        lock_span(transaction, table.source_table, first, last, LockMode::Shared).await?;
    }
    Ok(())
}

#[derive(Default)]
struct Decided<'a> {
    upserts: Vec<Row<'a>>,
    deletes: Vec<Row<'a>>,
    guards: Vec<GuardWrite<'a>>,
}

fn decide<'a>(
    step: &RepairStep<'a>,
    entry: &'a RepairEntry,
    found: Option<&GuardRow>,
    decided: &mut Decided<'a>,
) -> Repair {
    let guard = found.map(|row| row.guard);
    let is_mine = found.is_some_and(|row| row.lease == Some(step.lease));
    let decision = protocol::repair(guard.as_ref(), is_mine, entry.source_version.as_ref());
    if decision == Repair::Write {
        let kind = match entry.row {
            SourceRow::Present(row) => {
                decided.upserts.push(step.records.row(row));
                Kind::Present
            }
            SourceRow::Absent(row) => {
                decided.deletes.push(step.keys.row(row));
                Kind::Deleted
            }
        };
        let version =
            repaired_version(guard, entry.source_version, entry.replayed, Version::LOWEST);
        let row = GuardRow { guard: Guard { version, kind }, lease: None };
        decided.guards.push(GuardWrite { key: &entry.key, was: found.copied(), row });
    }
    decision
}

//! Engines with transactions: from a few primitives near SQL to the protocol's atomic steps.
//!
//! An engine implements [`Transactional`] and [`Transaction`]; [`Target`] follows. The steps below
//! decide nothing themselves: they read the fence, ask [`crate::protocol`], and write what it says.
//! Every step works in the same order, which is also the order in which it locks: the partition,
//! the ranges in ascending order, the guards, the records.

mod copy;
mod live;
mod purge;
mod range;
mod repair;
mod setup;

use super::{
    AtomicStep, CopyOutcome, CopyStep, LiveOutcome, LiveStep, PurgeStep, RepairStep, SideTable,
    StartPosition, Store, Target,
};
use crate::batch::{Row, Schema};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::key::Key;
use crate::layout::TargetLayout;
use crate::position::{Generation, Position, Version};
use crate::protocol::{Claim, Finish, Guard, Kind, Partition, Range, Repair};
use async_trait::async_trait;
use std::time::Duration;

/// How old knowledge of a table may be. A column that was narrowed rounds what is written to it
/// without an error, so the tables are looked at again all the time.
pub(super) const SHAPE_AGE_MAX: Duration = Duration::from_secs(10);

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading: one consistent view, no locks, nothing to commit.
    Read,
    /// Writing.
    Write,
    /// Writing, on an instance that may not be set up yet: the side tables are created where they
    /// lack, and the commit marks the instance as set up for this migration.
    SetUp,
}

/// How a range is locked until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Beside other shared locks: live writes and repairs, which guard each record themselves.
    Shared,
    /// Alone: the copy, and whatever changes the range.
    Exclusive,
}

/// A guard with the lease that a repair may have placed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardRow {
    /// The guard.
    pub guard: Guard<Version>,
    /// The lease of a repair under way.
    pub lease: Option<u128>,
}

/// A guard as an interval scan finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundGuard {
    /// The record's range key.
    pub key: Key,
    /// The record's target table.
    pub target_table: String,
    /// The guard.
    pub row: GuardRow,
}

/// A guard as it is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardWrite<'a> {
    /// The record's range key.
    pub key: &'a Key,
    /// As [`Transaction::guards`] found it: what was decided holds for this one only.
    pub was: Option<GuardRow>,
    /// As it is to become.
    pub row: GuardRow,
}

/// Where a guard belongs. With the range key, which determines the target key one to one, this
/// names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardTable<'a> {
    /// The source table, whose ranges hold the record.
    pub source_table: &'a str,
    /// The target table, which holds the record.
    pub target_table: &'a str,
}

/// A store whose atomic step is a transaction.
#[async_trait]
pub trait Transactional: Store {
    /// Begins a transaction. Waiting for another writer is bounded.
    ///
    /// # Errors
    /// `Refused` if this migration has not been set up here, unless `access` is for that, or if a
    /// newer program set it up; `Unreadable` if the side tables are damaged; `Busy` if another
    /// writer did not let go in time.
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction + '_>>;

    /// Whether a transaction for [`Access::SetUp`] of this migration has been committed here.
    async fn is_marked(&self) -> Result<bool>;

    /// The statements that create the side tables, for an operator who wants to run them.
    fn side_table_statements(&self) -> Vec<String>;

    /// Makes everything that was committed last through a power cut.
    async fn flush(&self) -> Result<()>;

    /// Whether a table holds no record. Also refuses a table that would change the values of these
    /// columns when they are written.
    async fn holds_nothing(&self, schema: &Schema) -> Result<bool>;

    /// The side tables with the rows of this migration in them.
    async fn list_side_tables(&self) -> Result<Vec<SideTable>>;

    /// Removes the rows of this migration, and the tables if no other migration has rows in them.
    async fn drop_side_tables(&self) -> Result<()>;
}

/// One transaction of a [`Transactional`] store. Dropped without [`commit`](Self::commit), it
/// leaves nothing.
///
/// At an isolation at which a read after a lock sees what was committed before the lock was got:
/// READ COMMITTED, or stronger with locking reads.
///
/// Call order: `partition` → `lock_range` | `lock_ranges` → `guards` | `guards_between` → writes →
/// `commit`.
#[async_trait]
pub trait Transaction: Send {
    /// A partition's row, locked against other writers unless the transaction only reads.
    async fn partition(&mut self, partition: &str) -> Result<Option<Partition>>;

    /// Writes a partition's row, new or not.
    async fn put_partition(&mut self, partition: &str, row: &Partition) -> Result<()>;

    /// Up to `limit` ranges of a source table whose lower bound lies after `after`, in order,
    /// without locks; `None` begins with the range without lower bound.
    async fn ranges(
        &mut self,
        table: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Range>>;

    /// The range that begins after `after`, as it is once it is locked.
    async fn lock_range(
        &mut self,
        table: &str,
        after: Option<&Key>,
        mode: LockMode,
    ) -> Result<Option<Range>>;

    /// The ranges that hold keys from `first` to `last`, both included, as they are once all of
    /// them are locked; locked in ascending order.
    async fn lock_ranges(
        &mut self,
        table: &str,
        first: &Key,
        last: &Key,
        mode: LockMode,
    ) -> Result<Vec<Range>>;

    /// Writes a range's row, new or not.
    async fn put_range(&mut self, table: &str, range: &Range) -> Result<()>;

    /// The guards of these records, in the order asked.
    async fn guards(
        &mut self,
        table: GuardTable<'_>,
        keys: &[&Key],
    ) -> Result<Vec<Option<GuardRow>>>;

    /// Up to `limit` guards of a source table's records, of all target tables, with range keys from
    /// `first` to `last`, both included; ordered by key, then target table.
    async fn guards_between(
        &mut self,
        source_table: &str,
        first: &Key,
        last: &Key,
        limit: usize,
    ) -> Result<Vec<FoundGuard>>;

    /// Writes guards, new or not; no key twice. Shared locks of a range let live writes and repairs
    /// meet on one record: a guard that another transaction has written since [`Self::guards`] read
    /// it, or did not find it, is not overwritten.
    ///
    /// # Errors
    /// `Busy` where another transaction was quicker.
    async fn put_guards(&mut self, table: GuardTable<'_>, writes: &[GuardWrite<'_>]) -> Result<()>;

    /// Removes up to `limit` guards of a range that are not dirty and whose version is at most
    /// `below`. Returns how many went.
    async fn delete_guards(
        &mut self,
        source_table: &str,
        range: &Range,
        below: &Version,
        limit: usize,
    ) -> Result<u64>;

    /// Number of dirty guards of a range.
    async fn count_dirty(&mut self, source_table: &str, range: &Range) -> Result<u64>;

    /// Inserts the records whose key is not there. Returns how many were not.
    async fn insert_absent(&mut self, schema: &Schema, records: &[Row<'_>]) -> Result<u64>;

    /// Writes records, new or not; no key twice.
    async fn upsert(&mut self, schema: &Schema, records: &[Row<'_>]) -> Result<()>;

    /// Removes the records with these keys, given as records of the table's key schema.
    async fn delete(&mut self, schema: &Schema, keys: &[Row<'_>]) -> Result<()>;

    /// Makes everything take effect.
    ///
    /// # Errors
    /// `UnknownOutcome` where it is not known whether it did.
    async fn commit(self: Box<Self>) -> Result<()>;
}

#[async_trait]
impl<E: Transactional> Target for E {
    fn atomic_step(&self) -> AtomicStep {
        AtomicStep::Transaction
    }

    fn set_up_statements(&self) -> Vec<String> {
        self.side_table_statements()
    }

    async fn set_up(&self, tables: &[&str], partitions: &[StartPosition]) -> Result<()> {
        setup::set_up(self, tables, partitions).await.map_err(|error| at(self, error))
    }

    async fn is_set_up(&self) -> Result<bool> {
        self.is_marked().await.map_err(|error| at(self, error))
    }

    async fn partition(&self, partition: &str) -> Result<Option<Partition>> {
        setup::partition(self, partition).await.map_err(|error| at(self, error))
    }

    async fn claim_partition(&self, partition: &str, generation: &Generation) -> Result<Claim> {
        live::claim_partition(self, partition, generation).await.map_err(|error| at(self, error))
    }

    async fn restart_partition(
        &self,
        partition: &str,
        generation: &Generation,
        start: &Position,
    ) -> Result<Claim> {
        live::restart_partition(self, partition, generation, start)
            .await
            .map_err(|error| at(self, error))
    }

    async fn apply_live(&self, step: &LiveStep<'_>) -> Result<LiveOutcome> {
        live::apply(self, step).await.map_err(|error| at(self, error))
    }

    async fn ranges(&self, table: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Range>> {
        range::ranges(self, table, after, limit).await.map_err(|error| at(self, error))
    }

    async fn range(&self, table: &str, after: Option<&Key>) -> Result<Option<Range>> {
        range::range(self, table, after).await.map_err(|error| at(self, error))
    }

    async fn split_range(&self, table: &str, key: &Key) -> Result<()> {
        range::split_range(self, table, key).await.map_err(|error| at(self, error))
    }

    async fn claim_range(
        &self,
        table: &str,
        after: Option<&Key>,
        epoch: &Generation,
    ) -> Result<Claim> {
        range::claim_range(self, table, after, epoch).await.map_err(|error| at(self, error))
    }

    async fn copy(&self, step: &CopyStep<'_>) -> Result<CopyOutcome> {
        copy::copy(self, step).await.map_err(|error| at(self, error))
    }

    async fn finish_range(
        &self,
        table: &str,
        after: Option<&Key>,
        epoch: &Generation,
        left: u64,
    ) -> Result<Finish> {
        range::finish_range(self, table, after, epoch, left).await.map_err(|error| at(self, error))
    }

    async fn purge(&self, step: &PurgeStep<'_>) -> Result<u64> {
        purge::purge(self, step).await.map_err(|error| at(self, error))
    }

    async fn guards(
        &self,
        source_table: &str,
        table: &str,
        keys: &[Key],
    ) -> Result<Vec<Option<Guard<Version>>>> {
        let table = GuardTable { source_table, target_table: table };
        repair::guards(self, table, keys).await.map_err(|error| at(self, error))
    }

    async fn place_lease(
        &self,
        source_table: &str,
        table: &str,
        keys: &[Key],
        lease: u128,
    ) -> Result<()> {
        let table = GuardTable { source_table, target_table: table };
        repair::place_lease(self, table, keys, lease).await.map_err(|error| at(self, error))
    }

    async fn repair(&self, step: &RepairStep<'_>) -> Result<Vec<Repair>> {
        repair::repair(self, step).await.map_err(|error| at(self, error))
    }

    async fn make_durable(&self) -> Result<()> {
        self.flush().await.map_err(|error| at(self, error))
    }

    async fn is_empty(&self, target: &TargetLayout) -> Result<bool> {
        self.holds_nothing(target.schema()).await.map_err(|error| at(self, error))
    }

    async fn side_tables(&self) -> Result<Vec<SideTable>> {
        self.list_side_tables().await.map_err(|error| at(self, error))
    }

    async fn remove_side_tables(&self) -> Result<()> {
        self.drop_side_tables().await.map_err(|error| at(self, error))?;
        fault::fallible("target.cleanup.committed")
    }
}

/// Names the instance: with four shards, "which one" is the first question.
fn at<E: Store>(engine: &E, error: Error) -> Error {
    error.with("instance", engine.name())
}

/// A value that the engine cannot store, with the place where it belongs. The live path turns such
/// a record into a dead letter; the copy stops, because what it leaves out nobody would bring
/// later.
pub(super) fn unwritable(error: Error, schema: &Schema, column: usize, row: &Row<'_>) -> Error {
    let error = error
        .with("table", &schema.table)
        .with("column", &schema.columns[column].name)
        .hint("mend the record in the source, or give the target's column a type that holds it");
    match row.key() {
        Ok(key) => error.with("key", key),
        Err(_) => error,
    }
}

/// A guard without a write, which carries nothing but a lease, is no guard to a caller.
fn guard_of(row: &GuardRow) -> Option<Guard<Version>> {
    (row.guard.kind != Kind::None).then_some(row.guard)
}

/// An instance whose fences are gone was replaced or restored from before the set-up.
fn lost(operation: &'static str) -> Error {
    Error::new(ErrorKind::Lost, operation).hint(
        "this instance was set up and has lost its side tables' rows: it was replaced or restored; \
         set the migration up again and copy everything again",
    )
}

/// Locks the ranges of keys, and makes sure that there is one for each.
async fn lock_span(
    transaction: &mut dyn Transaction,
    table: &str,
    first: &Key,
    last: &Key,
    mode: LockMode,
) -> Result<Vec<Range>> {
    let ranges = transaction.lock_ranges(table, first, last, mode).await?;
    let connected = ranges.windows(2).all(|pair| pair[0].until == pair[1].after);
    let covered = ranges.first().is_some_and(|range| range.contains(first))
        && ranges.last().is_some_and(|range| range.contains(last));
    if connected && covered {
        Ok(ranges)
    } else {
        Err(lost("lock ranges: some keys belong to none").with("table", table))
    }
}

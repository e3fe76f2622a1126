//! Stores: where records lie, on either side of a migration.
//!
//! Source and target are roles, not engines: every engine implements [`Store`], and what can be
//! written to implements [`Target`] as well. Engines with transactions get [`Target`] from the few
//! primitives of [`Transactional`]; an engine whose atomic step is one key or one row implements
//! [`Target`] itself, around the same decisions of [`crate::protocol`].

mod cut;
mod horizon;
mod memory;
mod mysql;
mod postgres;
mod side;
mod sqlite;
mod step;
mod supervised;
mod transactional;
mod walk;
mod width;

pub use horizon::Horizon;
pub use memory::{MemoryDatabase, MemorySnapshot, MemoryStore};
pub use mysql::MysqlStore;
pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
pub use step::{
    AtomicStep, CopyOutcome, CopyStep, CopyWrites, LiveEntry, LiveOutcome, LiveStep, LiveWrites,
    PurgeStep, RepairEntry, RepairStep, SIDE_ROWS_COUNTED_MAX, SideTable, SourceRow, StartPosition,
    Tally,
};
pub use supervised::Supervision;
pub use transactional::{
    Access, FoundGuard, GuardRow, GuardTable, GuardWrite, LockMode, Transaction, Transactional,
};

use crate::batch::{Batch, Schema};
use crate::decode::ColumnTraits;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::layout::TargetLayout;
use crate::position::{Generation, Position, Version};
use crate::protocol::{Claim, Finish, Guard, Partition, Range, Repair};
use async_trait::async_trait;
use std::fmt::Debug;
use std::sync::Arc;

/// What a store may do with its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Read. The database is opened so that nothing can change it.
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// How much one read may return: it ends at whichever bound is reached first, but returns at least
/// one record where there is one.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimit {
    /// Most records.
    pub rows_max: usize,
    /// Most encoded bytes; the record that crosses the bound is still returned.
    pub bytes_max: usize,
}

/// Stands for an expression among the columns of a unique key.
pub const EXPRESSION: &str = "(expression)";

/// A table as the engine describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDescription {
    /// Its columns and its primary key.
    pub schema: Schema,
    /// Longest text or bytes a column takes, where it is bounded; same order as the columns.
    pub lengths_max: Vec<Option<u32>>,
    /// Unique keys beside the primary key, by column names, [`EXPRESSION`] among them: two records
    /// of different moments could meet on one of them.
    pub other_unique_keys: Vec<Vec<String>>,
    /// Whether an integer key is never given out twice, even after deletes (`AUTOINCREMENT`).
    pub key_never_reused: bool,
    /// Columns whose declared type the engine does not know, with that type: the plan has to state
    /// theirs, and what `schema` says of them is a guess.
    pub unknown_types: Vec<(String, String)>,
}

/// A mark of a table that grows when it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteMark {
    /// Only compared with an earlier one: it also goes back, where the server begins to count anew.
    pub value: u64,
    /// Whether a write that was rolled back makes it grow, too.
    pub counts_rolled_back: bool,
}

/// A place where records lie. Reads only.
///
/// Calls may come from several tasks at once; each is one consistent read. Records come back in the
/// columns and types of the schema that is asked for; a stored value that is not of its column's
/// type is `Unreadable`, with table, column and key, and is never coerced.
///
/// Call order: open → `describe` of each table → any reads.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// The name of this instance, for people: the plan's name for it, never an address with a
    /// secret.
    fn name(&self) -> &str;

    /// What tells this database from every other, whatever names lead to it: two stores that give
    /// the same are one.
    fn identity(&self) -> String;

    /// Describes a table.
    ///
    /// # Errors
    /// `Refused` if there is no such table.
    async fn describe(&self, table: &str) -> Result<TableDescription>;

    /// Reads the records whose key lies in (`after`, `until`], in key order. `None` is unbounded.
    /// There may be fewer than the limit allows although more follow; an empty batch means that
    /// there is none.
    async fn scan(
        &self,
        schema: &Arc<Schema>,
        after: Option<&Key>,
        until: Option<&Key>,
        limit: ReadLimit,
    ) -> Result<Batch>;

    /// Finds the first key in (`after`, `until`] and the last of a batch that begins with it:
    /// `rows` keys, or as many as end with a whole entity, which is the first `entity_columns` of a
    /// key, if that leaves more than half of them. `None` if there are fewer than `rows`, or if the
    /// engine has no cheaper way than a scan of the keys.
    async fn interval(
        &self,
        _schema: &Arc<Schema>,
        _after: Option<&Key>,
        _until: Option<&Key>,
        _entity_columns: usize,
        _rows: usize,
    ) -> Result<Option<(Key, Key)>> {
        Ok(None)
    }

    /// Reads the records with these keys, in any order; a key without a record is left out.
    async fn read(&self, schema: &Arc<Schema>, keys: &[Key]) -> Result<Batch>;

    /// Up to `count - 1` keys that cut the table into about `count` equal parts, in order. An
    /// estimate: parts may differ in size.
    async fn split_points(&self, schema: &Arc<Schema>, count: usize) -> Result<Vec<Key>>;

    /// Number of records, exact or estimated: for progress bars only.
    async fn estimate_rows(&self, schema: &Arc<Schema>) -> Result<u64>;

    /// A key column that is null in some record. Such a record has no place in the order of keys,
    /// so no scan is sure to return it. An engine whose keys are never null has nothing to add.
    async fn null_in_key(&self, _schema: &Arc<Schema>) -> Result<Option<String>> {
        Ok(None)
    }

    /// What this database has committed by now, as far as readers of its log could know. Asked of a
    /// source whose queue is another server: what that has delivered lies below.
    ///
    /// # Errors
    /// `Refused` if it cannot tell, such as a replica.
    async fn horizon(&self) -> Result<Horizon> {
        Err(Error::new(ErrorKind::Refused, "ask for what was committed: the store does not tell")
            .with("store", self.name())
            .hint("use an outbox in the source as the queue"))
    }

    /// Whether whatever is read from now on shows everything below `horizon`. To be asked again
    /// until it does.
    async fn shows(&self, horizon: &Horizon) -> Result<bool> {
        match horizon {
            Horizon::Now => Ok(true),
            _ => Err(horizon.foreign()),
        }
    }

    /// A mark that changes some time after the table was written to, at once or within seconds;
    /// `None` where the engine keeps none.
    async fn write_mark(&self, _table: &str) -> Result<Option<WriteMark>> {
        Ok(None)
    }

    /// What the database says of a table's columns beyond their types, for messages that leave it
    /// out, by name. An engine whose changes no producer writes in a form of its own has none.
    async fn column_traits(&self, _table: &str) -> Result<Vec<(String, ColumnTraits)>> {
        Ok(Vec::new())
    }
}

/// A store that a migration writes to, with the fences that its writes are checked against.
///
/// Every instance (shard) keeps its own guards, ranges and partitions, in its own side tables whose
/// keys begin with the migration's id. Each method is one atomic step on this instance: it takes
/// effect as a whole or not at all, and after a crash, a timeout or `UnknownOutcome` it may be
/// called again. No method trusts what the caller believes: it reads the fence in the same step.
///
/// Call order: `set_up` (once) → for the live path `claim_partition` → `apply_live`*; for the copy
/// `split_range`* → `claim_range` → `copy`* → `finish_range` → later `purge`; for a repair
/// `place_lease` → read the source → `repair`.
#[async_trait]
pub trait Target: Store {
    /// What one atomic step can hold.
    fn atomic_step(&self) -> AtomicStep;

    /// The statements that `set_up` would run, for an operator who wants to run them.
    fn set_up_statements(&self) -> Vec<String>;

    /// Creates the side tables, one open range per source table, and one row per queue partition.
    /// What is there already is kept as it is.
    async fn set_up(&self, tables: &[&str], partitions: &[StartPosition]) -> Result<()>;

    /// Whether `set_up` has been done on this instance.
    async fn is_set_up(&self) -> Result<bool>;

    /// The partition's row; `None` before `set_up`, or if this instance lost it.
    async fn partition(&self, partition: &str) -> Result<Option<Partition>>;

    /// Claims a partition for a consumer. The generation's number lies above every one seen on any
    /// instance.
    async fn claim_partition(&self, partition: &str, generation: &Generation) -> Result<Claim>;

    /// Claims a partition and lets it begin anew at `start`, with nothing before that applied: for
    /// a source that was put back, whose old positions mean nothing any more.
    async fn restart_partition(
        &self,
        partition: &str,
        generation: &Generation,
        start: &Position,
    ) -> Result<Claim>;

    /// Applies live changes and moves the partition's position, or says why not.
    async fn apply_live(&self, step: &LiveStep<'_>) -> Result<LiveOutcome>;

    /// Up to `limit` ranges, at least two, of a source table whose lower bound lies after `after`,
    /// in order; `None` begins with the range without lower bound. The next page begins after the
    /// lower bound of the last range of this one.
    async fn ranges(&self, table: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Range>>;

    /// The range of a source table that begins after `after`.
    async fn range(&self, table: &str, after: Option<&Key>) -> Result<Option<Range>>;

    /// Splits the range that contains `key` after it, which fences its worker. Does nothing where a
    /// range ends there already.
    async fn split_range(&self, table: &str, key: &Key) -> Result<()>;

    /// Claims the range that begins after `after` for a worker: sets its epoch and nothing else.
    ///
    /// # Errors
    /// `Refused` if no range begins there: the caller splits first.
    async fn claim_range(
        &self,
        table: &str,
        after: Option<&Key>,
        epoch: &Generation,
    ) -> Result<Claim>;

    /// Writes one batch of the copy and the range's progress, or says why not.
    async fn copy(&self, step: &CopyStep<'_>) -> Result<CopyOutcome>;

    /// Marks a range as done, if it is. `left`: as in [`CopyStep`].
    async fn finish_range(
        &self,
        table: &str,
        after: Option<&Key>,
        epoch: &Generation,
        left: u64,
    ) -> Result<Finish>;

    /// Removes tombstones and guards of a range, raising the range's epoch in the same step.
    /// Returns how many went.
    ///
    /// # Errors
    /// `Refused` if something may still need them, with what.
    async fn purge(&self, step: &PurgeStep<'_>) -> Result<u64>;

    /// The guards of records of a target table, by range key, in the order asked. `None` also where
    /// nothing but a lease was written.
    async fn guards(
        &self,
        source_table: &str,
        table: &str,
        keys: &[Key],
    ) -> Result<Vec<Option<Guard<Version>>>>;

    /// Places the lease of a repair on the guards of these records.
    async fn place_lease(
        &self,
        source_table: &str,
        table: &str,
        keys: &[Key],
        lease: u128,
    ) -> Result<()>;

    /// Writes what a repair has read from the source, record by record where the lease still
    /// stands. Returns one decision per entry.
    async fn repair(&self, step: &RepairStep<'_>) -> Result<Vec<Repair>>;

    /// Makes everything that was committed here last through a power cut. Needed before something
    /// that it was made from is removed elsewhere.
    async fn make_durable(&self) -> Result<()>;

    /// Whether the target table holds no record.
    async fn is_empty(&self, target: &TargetLayout) -> Result<bool>;

    /// What this migration keeps here beside the data.
    async fn side_tables(&self) -> Result<Vec<SideTable>>;

    /// Removes it; side tables that other migrations share lose only this migration's rows.
    async fn remove_side_tables(&self) -> Result<()>;
}

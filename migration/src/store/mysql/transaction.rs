//! A transaction. The locks on the rows of partitions and ranges come first, in ascending order.

use super::config::{STATEMENT_BYTES_MAX, STATEMENT_BYTES_MORE, VALUE_BYTES_MORE};
use super::error::{commit_failed, name_blocker, write_failed};
use super::read::Reader;
use super::shape::Shape;
use super::statement;
use super::statement::side::Lock;
use super::value::{Purpose, Storage, add, bind};
use super::{MysqlStore, side};
use crate::batch::{Row, Schema};
use crate::driver::mysql::{Failure, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::position::Version;
use crate::protocol::{Partition, Range};
use crate::store::transactional::unwritable;
use crate::store::{Access, FoundGuard, GuardRow, GuardTable, GuardWrite, LockMode, Transaction};
use async_trait::async_trait;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use std::collections::{HashMap, HashSet};

/// How often the ranges of an interval are looked up anew because one was split meanwhile.
const RANGE_TRIES_MAX: usize = 8;

pub(super) struct MysqlTransaction<'a> {
    store: &'a MysqlStore,
    session: Session,
    access: Access,
}

impl<'a> MysqlTransaction<'a> {
    pub(super) fn new(store: &'a MysqlStore, session: Session, access: Access) -> Self {
        Self { store, session, access }
    }

    async fn failed(&self, operation: &str, failure: Failure) -> Error {
        let (failure, blocker) = name_blocker(&self.store.database, failure).await;
        blocked_by(blocker, self.store.database.failed(operation, failure))
    }

    /// A failed write of records.
    async fn unwritten(
        &self,
        operation: &str,
        schema: &Schema,
        rows: &[Row<'_>],
        failure: Failure,
    ) -> Error {
        let (failure, blocker) = name_blocker(&self.store.database, failure).await;
        let error = write_failed(&self.store.database, operation, schema, rows, failure);
        blocked_by(blocker, error)
    }

    /// The lock to read with, where what is read decides about writes.
    fn lock(&self, lock: Lock) -> Lock {
        if self.access == Access::Read { Lock::None } else { lock }
    }

    async fn execute(
        &mut self,
        operation: &'static str,
        sql: impl Into<String>,
        arguments: MySqlArguments,
    ) -> Result<u64> {
        match self.session.execute(sql, arguments).await {
            Ok(changed) => Ok(changed),
            Err(failure) => Err(self.failed(operation, failure).await),
        }
    }

    async fn fetch(
        &mut self,
        sql: impl Into<String>,
        arguments: MySqlArguments,
    ) -> Result<Vec<MySqlRow>> {
        match self.session.fetch(sql, arguments).await {
            Ok(rows) => Ok(rows),
            Err(failure) => Err(self.failed("read side table", failure).await),
        }
    }

    fn damaged(&self, error: Error) -> Error {
        error.with("server", self.store.database.address())
    }

    /// Arguments that begin with the migration's id, as every key of a side table does.
    fn arguments(&self, table: &str) -> Result<MySqlArguments> {
        let mut arguments = self.store.id()?;
        add(&mut arguments, table.as_bytes())?;
        Ok(arguments)
    }

    fn ranges_of(&self, rows: &[MySqlRow]) -> Result<Vec<Range>> {
        rows.iter().map(|row| side::range(row).map_err(|error| self.damaged(error))).collect()
    }

    /// The ranges that begin after these bounds, locked one after the other.
    async fn lock_bounds(
        &mut self,
        table: &str,
        bounds: &[Key],
        mode: LockMode,
    ) -> Result<Vec<Range>> {
        let lock = self.lock(match mode {
            LockMode::Shared => Lock::Shared,
            LockMode::Exclusive => Lock::Exclusive,
        });
        let mut ranges = Vec::with_capacity(bounds.len());
        let mut rest = bounds;
        while let Some(last) = rest.last() {
            let size = statement::size_over(rest.len());
            let (part, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            let mut arguments = self.arguments(table)?;
            // The last one fills the statement up.
            for bound in part.iter().chain(std::iter::repeat(last)).take(size) {
                add(&mut arguments, bound.as_bytes())?;
            }
            let rows = self.fetch(statement::side::ranges(size, lock), arguments).await?;
            ranges.extend(self.ranges_of(&rows)?);
        }
        Ok(ranges)
    }

    /// The lower bounds of the ranges that hold keys from `first` to `last`, without locks.
    async fn bounds_of(&mut self, table: &str, first: &Key, last: &Key) -> Result<Vec<Key>> {
        let mut arguments = self.arguments(table)?;
        add(&mut arguments, first.as_bytes())?;
        add(&mut arguments, self.store.migration.as_bytes())?;
        add(&mut arguments, table.as_bytes())?;
        add(&mut arguments, first.as_bytes())?;
        add(&mut arguments, last.as_bytes())?;
        let rows = self.fetch(statement::side::RANGES_OF, arguments).await?;
        rows.iter().map(|row| side::key(row, 0).map_err(|error| self.damaged(error))).collect()
    }

    async fn insert_or_put_guards(
        &mut self,
        table: GuardTable<'_>,
        writes: &[&GuardWrite<'_>],
        is_new: bool,
    ) -> Result<()> {
        let mut rest = writes;
        for size in statement::sizes(writes.len(), side::GUARD_BINDS) {
            let (part, after) = rest.split_at(size);
            rest = after;
            let mut arguments = MySqlArguments::default();
            for write in part {
                add(&mut arguments, self.store.migration.as_bytes())?;
                side::bind_table(&mut arguments, table)?;
                side::bind_guard(&mut arguments, write.key, &write.row)?;
            }
            let sql = if is_new {
                statement::side::insert_guards(size)
            } else {
                statement::side::put_guards(size)
            };
            match self.session.execute(sql, arguments).await {
                Ok(_) => {}
                Err(failure) if is_new && failure.is_duplicate() => {
                    return Err(self
                        .failed("write guards", failure)
                        .await
                        .into_kind(ErrorKind::Busy));
                }
                Err(failure) => return Err(self.failed("write guards", failure).await),
            }
        }
        Ok(())
    }

    /// Runs a statement of a few fixed sizes over records, within what the server takes at once.
    async fn write(
        &mut self,
        operation: &'static str,
        schema: &Schema,
        rows: &[Row<'_>],
        sql: fn(&Schema, usize) -> String,
    ) -> Result<u64> {
        if rows.is_empty() {
            return Ok(0);
        }
        let shape = self.store.shape_in(&mut self.session, &schema.table).await?;
        shape.check_write(schema)?;
        let storage = shape.storage(schema)?;
        let mut changed = 0;
        let mut rest = rows;
        while let Some(size) = self.part(schema, rest)? {
            let (part, after) = rest.split_at(size);
            rest = after;
            let arguments = bind_rows(schema, &storage, part)?;
            match self.session.execute(sql(schema, size), arguments).await {
                Ok(rows) => changed += rows,
                Err(failure) => return Err(self.unwritten(operation, schema, part, failure).await),
            }
        }
        Ok(changed)
    }

    /// How many records the next statement takes, by their number and their bytes.
    fn part(&self, schema: &Schema, rows: &[Row<'_>]) -> Result<Option<usize>> {
        let packet_max = self.store.database.packet_bytes_max.saturating_sub(STATEMENT_BYTES_MORE);
        let mut bytes = 0;
        let mut count = 0;
        for row in rows {
            let size = row.bytes().len() + schema.columns.len() * VALUE_BYTES_MORE;
            if size > packet_max {
                return match count {
                    0 => Err(self.too_large(schema, row, size)),
                    _ => Ok(statement::size_within(count, schema.columns.len())),
                };
            }
            bytes += size;
            if count > 0 && bytes > STATEMENT_BYTES_MAX.min(packet_max) {
                break;
            }
            count += 1;
        }
        Ok(statement::size_within(count, schema.columns.len()))
    }

    fn too_large(&self, schema: &Schema, row: &Row<'_>, bytes: usize) -> Error {
        let error = Error::new(
            ErrorKind::Unreadable,
            "write record: the server takes no statement of its size",
        )
        .with("server", self.store.database.address())
        .with("table", &schema.table)
        .with("bytes", bytes)
        .with("max_allowed_packet", self.store.database.packet_bytes_max)
        .hint("raise max_allowed_packet on this server, then start the program again");
        match row.key() {
            Ok(key) => error.with("key", key),
            Err(_) => error,
        }
    }

    /// Which of these records are there.
    async fn existing(
        &mut self,
        schema: &Schema,
        shape: &Shape,
        rows: &[Row<'_>],
    ) -> Result<HashSet<Key>> {
        let store = self.store;
        let reader = Reader::new(store, schema, shape)?;
        let mut found = HashSet::new();
        let mut rest = rows;
        for (taken, size) in statement::filled_sizes(rows.len(), schema.key.len()) {
            let (part, after) = rest.split_at(taken);
            rest = after;
            let mut arguments = MySqlArguments::default();
            for row in part.iter().chain(part.last().into_iter().cycle()).take(size) {
                reader.bind_whole(&mut arguments, &row.key()?)?;
            }
            let fetched = self.session.fetch(statement::keys(schema, size), arguments).await;
            for row in &fetched.map_err(|failure| reader.failed(failure))? {
                found.insert(reader.key_of(row)?);
            }
        }
        Ok(found)
    }
}

fn blocked_by(blocker: Option<String>, error: Error) -> Error {
    match blocker {
        Some(blocker) => error.with("perhaps locked by", blocker),
        None => error,
    }
}

fn bind_rows(schema: &Schema, storage: &[Storage<'_>], rows: &[Row<'_>]) -> Result<MySqlArguments> {
    let mut arguments = MySqlArguments::default();
    let bytes = rows.iter().map(|row| row.bytes().len()).sum();
    sqlx::Arguments::reserve(&mut arguments, rows.len() * storage.len(), bytes);
    let mut scratch = String::new();
    for row in rows {
        for (column, storage) in storage.iter().enumerate() {
            bind(&mut arguments, row.value(column), *storage, Purpose::Store, &mut scratch)
                .map_err(|error| unwritable(error, schema, column, row))?;
        }
    }
    Ok(arguments)
}

/// Whether ranges, in order, hold every key from `first` to `last`.
fn cover(ranges: &[Range], first: &Key, last: &Key) -> bool {
    ranges.windows(2).all(|pair| pair[0].until == pair[1].after)
        && ranges.first().is_some_and(|range| range.contains(first))
        && ranges.last().is_some_and(|range| range.contains(last))
}

#[async_trait]
impl Transaction for MysqlTransaction<'_> {
    async fn partition(&mut self, partition: &str) -> Result<Option<Partition>> {
        let arguments = self.arguments(partition)?;
        let sql = statement::side::partition(self.lock(Lock::Exclusive));
        let rows = self.fetch(sql, arguments).await?;
        let row = rows.first().map(side::partition).transpose();
        row.map_err(|error| self.damaged(error).with("partition", partition))
    }

    async fn put_partition(&mut self, partition: &str, row: &Partition) -> Result<()> {
        let mut arguments = self.arguments(partition)?;
        side::bind_partition(&mut arguments, row)?;
        self.execute("write partition", statement::side::PUT_PARTITION, arguments).await.map(drop)
    }

    async fn ranges(
        &mut self,
        table: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Range>> {
        let mut arguments = self.arguments(table)?;
        add(&mut arguments, after.map_or(&[][..], Key::as_bytes))?;
        add(&mut arguments, u64::try_from(limit).unwrap_or(u64::MAX))?;
        let rows = self.fetch(statement::side::ranges_after(after.is_none()), arguments).await?;
        self.ranges_of(&rows)
    }

    async fn lock_range(
        &mut self,
        table: &str,
        after: Option<&Key>,
        mode: LockMode,
    ) -> Result<Option<Range>> {
        let bound = after.cloned().unwrap_or_default();
        Ok(self.lock_bounds(table, &[bound], mode).await?.pop())
    }

    async fn lock_ranges(
        &mut self,
        table: &str,
        first: &Key,
        last: &Key,
        mode: LockMode,
    ) -> Result<Vec<Range>> {
        for _ in 0..RANGE_TRIES_MAX {
            let bounds = self.bounds_of(table, first, last).await?;
            let ranges = self.lock_bounds(table, &bounds, mode).await?;
            // A split in between has left keys to a range that was not there: it is locked next.
            if cover(&ranges, first, last) || self.bounds_of(table, first, last).await? == bounds {
                return Ok(ranges);
            }
        }
        Err(Error::new(ErrorKind::Busy, "lock ranges: they are split all the time")
            .with("table", table))
    }

    async fn put_range(&mut self, table: &str, range: &Range) -> Result<()> {
        let mut arguments = self.arguments(table)?;
        side::bind_range(&mut arguments, range)?;
        self.execute("write range", statement::side::PUT_RANGE, arguments).await.map(drop)
    }

    async fn guards(
        &mut self,
        table: GuardTable<'_>,
        keys: &[&Key],
    ) -> Result<Vec<Option<GuardRow>>> {
        let lock = self.lock(Lock::Exclusive);
        let mut found = HashMap::new();
        let mut rest = keys;
        for (taken, size) in statement::filled_sizes(keys.len(), 1) {
            let (part, after) = rest.split_at(taken);
            rest = after;
            let mut arguments = self.store.id()?;
            side::bind_table(&mut arguments, table)?;
            for key in part.iter().chain(part.last().into_iter().cycle()).take(size) {
                add(&mut arguments, key.as_bytes())?;
            }
            for row in self.fetch(statement::side::guards(size, lock), arguments).await? {
                let (key, guard) = side::keyed_guard(&row).map_err(|error| self.damaged(error))?;
                found.insert(key, guard);
            }
        }
        Ok(keys.iter().map(|key| found.get(*key).copied()).collect())
    }

    async fn guards_between(
        &mut self,
        source_table: &str,
        first: &Key,
        last: &Key,
        limit: usize,
    ) -> Result<Vec<FoundGuard>> {
        // Under the exclusive lock of the range nobody else writes them: no locks of their own.
        let mut arguments = self.arguments(source_table)?;
        add(&mut arguments, first.as_bytes())?;
        add(&mut arguments, last.as_bytes())?;
        add(&mut arguments, u64::try_from(limit).unwrap_or(u64::MAX))?;
        let rows = self.fetch(statement::side::GUARDS_BETWEEN, arguments).await?;
        rows.iter().map(|row| side::found_guard(row).map_err(|error| self.damaged(error))).collect()
    }

    /// Those that were found are locked. Where none was found there was no row to lock, and another
    /// transaction may have written one since.
    async fn put_guards(&mut self, table: GuardTable<'_>, writes: &[GuardWrite<'_>]) -> Result<()> {
        let (new, known): (Vec<_>, Vec<_>) = writes.iter().partition(|write| write.was.is_none());
        self.insert_or_put_guards(table, &known, false).await?;
        self.insert_or_put_guards(table, &new, true).await
    }

    async fn delete_guards(
        &mut self,
        source_table: &str,
        range: &Range,
        below: &Version,
        limit: usize,
    ) -> Result<u64> {
        let mut arguments = self.store.id()?;
        side::bind_bounds(&mut arguments, source_table, range)?;
        add(&mut arguments, below.as_bytes())?;
        add(&mut arguments, u64::try_from(limit).unwrap_or(u64::MAX))?;
        let sql = statement::side::delete_guards(range.until.is_some());
        self.execute("purge guards", sql, arguments).await
    }

    async fn count_dirty(&mut self, source_table: &str, range: &Range) -> Result<u64> {
        let mut arguments = self.store.id()?;
        side::bind_bounds(&mut arguments, source_table, range)?;
        let rows =
            self.fetch(statement::side::count_dirty(range.until.is_some()), arguments).await?;
        rows.first().map_or(Ok(0), |row| side::count(row).map_err(|error| self.damaged(error)))
    }

    /// Most often none is there, and the records go in as they are. Otherwise the first that is
    /// there makes the statement fail as a whole, and the others are inserted after a look. A
    /// unique key beside the records' own makes that fail too: no record is passed over for it.
    async fn insert_absent(&mut self, schema: &Schema, records: &[Row<'_>]) -> Result<u64> {
        if records.is_empty() {
            return Ok(0);
        }
        let store = self.store;
        let shape = store.shape_in(&mut self.session, &schema.table).await?;
        shape.check_write(schema)?;
        let storage = shape.storage(schema)?;
        let mut inserted = 0;
        let mut rest = records;
        while let Some(size) = self.part(schema, rest)? {
            let (part, after) = rest.split_at(size);
            rest = after;
            let arguments = bind_rows(schema, &storage, part)?;
            match self.session.execute(statement::insert(schema, size), arguments).await {
                Ok(_) => inserted += u64::try_from(size).unwrap_or(u64::MAX),
                Err(failure) if failure.is_duplicate() => {
                    let existing = self.existing(schema, &shape, part).await?;
                    let mut absent = Vec::with_capacity(part.len());
                    for row in part {
                        if !existing.contains(&row.key()?) {
                            absent.push(*row);
                        }
                    }
                    inserted +=
                        self.write("insert records", schema, &absent, statement::insert).await?;
                }
                Err(failure) => {
                    return Err(self.unwritten("insert records", schema, part, failure).await);
                }
            }
        }
        Ok(inserted)
    }

    async fn upsert(&mut self, schema: &Schema, records: &[Row<'_>]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let has_other_unique =
            self.store.shape_in(&mut self.session, &schema.table).await?.has_other_unique(schema);
        let sql = if has_other_unique { statement::upsert_same } else { statement::upsert };
        self.write("write records", schema, records, sql).await.map(drop)
    }

    async fn delete(&mut self, schema: &Schema, keys: &[Row<'_>]) -> Result<()> {
        let mut rest = keys;
        for (taken, size) in statement::filled_sizes(keys.len(), schema.key.len()) {
            let (part, after) = rest.split_at(taken);
            rest = after;
            let filled: Vec<Row<'_>> =
                part.iter().chain(part.last().into_iter().cycle()).take(size).copied().collect();
            self.write("remove records", schema, &filled, statement::delete).await?;
        }
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self { store, mut session, .. } = *self;
        session.commit().await.map_err(|failure| commit_failed(&store.database, failure))
    }
}

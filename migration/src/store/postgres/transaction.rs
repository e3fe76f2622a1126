//! A transaction, at READ COMMITTED: a read after a lock sees what was committed before the lock
//! was got.
//!
//! A test of the guard inside the `INSERT` would not do: its snapshot may be older than a live
//! delete that it had to wait for, and the row would stand again beside its tombstone. So the
//! range's advisory lock comes first, shared for live changes and alone for the copy, and only what
//! is read after it counts. (A row with FOR SHARE and FOR UPDATE in its place would let an endless
//! row of sharers starve the copy; advisory locks queue.)

use super::error::commit_failed;
use super::shape::Form;
use super::value::{Arguments, Array, CopyRows};
use super::{PostgresStore, holder, run, side, statement};
use crate::batch::{Row, Schema};
use crate::driver::pool::{Session, bounded};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::position::Version;
use crate::protocol::{Partition, Range};
use crate::store::transactional::unwritable;
use crate::store::{Access, FoundGuard, GuardRow, GuardTable, GuardWrite, LockMode, Transaction};
use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgRow};

/// Records in one statement: what a batch usually has, and few enough for the memory of a batch of
/// any size.
const ROWS_MAX: usize = 4_096;

/// Fewest records that go in by `COPY`: it takes two round trips more than a statement.
const COPY_ROWS_MIN: usize = 2;

/// What a `COPY` has beside its records: header and end.
const COPY_FRAME_BYTES: usize = 21;

/// How often ranges may be split by others while they are being locked.
const SPLITS_MAX: usize = 16;

pub(super) struct PostgresTransaction<'a> {
    pub(super) store: &'a PostgresStore,
    pub(super) session: Session<PgConnection>,
    pub(super) access: Access,
}

impl PostgresTransaction<'_> {
    /// Arguments that begin with the migration's id, as every key of a side table does.
    fn arguments(&self) -> Result<Arguments> {
        let mut arguments = Arguments::default();
        arguments.add(self.store.migration.as_str())?;
        Ok(arguments)
    }

    async fn execute(
        &mut self,
        operation: &'static str,
        sql: String,
        arguments: Arguments,
    ) -> Result<u64> {
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments.into_inner());
        let done = bounded(query.execute(self.session.connection()?)).await;
        match self.session.settle(operation, done) {
            Ok(done) => Ok(done.rows_affected()),
            Err(error) => Err(holder::name(&self.store.pool, error).await),
        }
    }

    async fn fetch(&mut self, sql: String, arguments: Arguments) -> Result<Vec<PgRow>> {
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments.into_inner());
        let rows = bounded(query.fetch_all(self.session.connection()?)).await;
        match self.session.settle("read side table", rows) {
            Ok(rows) => Ok(rows),
            Err(error) => Err(holder::name(&self.store.pool, error).await),
        }
    }

    async fn fetch_ranges(&mut self, sql: String, arguments: Arguments) -> Result<Vec<Range>> {
        let rows = self.fetch(sql, arguments).await?;
        rows.iter().map(side::range).collect()
    }

    /// Waits for the locks of ranges, one after the other.
    async fn lock(
        &mut self,
        table: &str,
        bounds: impl IntoIterator<Item = &[u8]>,
        mode: LockMode,
    ) -> Result<()> {
        if self.access == Access::Read {
            return Ok(());
        }
        let migration = &self.store.migration;
        let numbers: Vec<i64> =
            bounds.into_iter().map(|after| side::range_lock(migration, table, after)).collect();
        let mut arguments = Arguments::default();
        arguments.add(numbers.as_slice())?;
        let sql = statement::side::lock(mode == LockMode::Exclusive).to_owned();
        let Err(error) = self.execute("lock range", sql, arguments).await else { return Ok(()) };
        if error.kind() == ErrorKind::Busy {
            let pool = &self.store.pool;
            match holder::end_stopped_copies(pool, &numbers, holder::COPY_WAIT_MAX).await {
                Ok(0) => {}
                Ok(ended) => tracing::warn!(table, ended, "sessions stopped in a COPY were ended"),
                Err(error) => tracing::warn!(error = %error, "no stopped COPY was looked for"),
            }
        }
        Err(error.with("table", table))
    }

    async fn ranges_of(&mut self, table: &str, first: &Key, last: &Key) -> Result<Vec<Range>> {
        let mut arguments = self.arguments()?;
        arguments.add(table)?;
        arguments.add(last.as_bytes())?;
        arguments.add(first.as_bytes())?;
        self.fetch_ranges(statement::side::ranges_of(), arguments).await
    }

    /// Runs a statement over the columns of records that it takes.
    async fn write(
        &mut self,
        operation: &'static str,
        schema: &Schema,
        rows: &[Row<'_>],
        statement: Statement,
    ) -> Result<u64> {
        if rows.is_empty() {
            return Ok(0);
        }
        let shape = self.store.shape(&mut self.session, &schema.table).await?;
        let form = shape.form(schema)?;
        let (sql, columns): (fn(&Form) -> String, Vec<usize>) = match statement {
            Statement::InsertAbsent => {
                (statement::insert_absent, (0..form.columns.len()).collect())
            }
            Statement::Upsert => (statement::upsert, (0..form.columns.len()).collect()),
            Statement::Delete => (statement::delete, form.key.clone()),
        };
        let mut changed = 0;
        for part in rows.chunks(ROWS_MAX) {
            let mut arguments = Arguments::default();
            for &column in &columns {
                let storage = &form.columns[column];
                let mut array = Array::new(storage.wire, part.len());
                for row in part {
                    array
                        .value(row.value(column), storage)
                        .map_err(|error| unwritable(error, schema, column, row))?;
                }
                arguments.array(array)?;
            }
            let done = self.execute(operation, sql(&form), arguments).await;
            changed += done.map_err(|error| error.with("table", &schema.table))?;
        }
        Ok(changed)
    }

    /// Inserts records by `COPY`; `None`, and nothing inserted, if the table does not take that, or
    /// one of them is there.
    pub(super) async fn copy_in(
        &mut self,
        schema: &Schema,
        rows: &[Row<'_>],
    ) -> Result<Option<u64>> {
        let shape = self.store.shape(&mut self.session, &schema.table).await?;
        let form = shape.form(schema)?;
        if !shape.takes_copy(schema, &form) || self.store.passes_copy() {
            return Ok(None);
        }
        let bytes: usize = rows.iter().map(|row| row.bytes().len()).sum();
        let overhead = rows.len() * (form.columns.len() + 1) * 4;
        let mut copied = CopyRows::new(form.columns.len(), bytes + overhead + COPY_FRAME_BYTES);
        for row in rows {
            copied.row();
            for (column, storage) in form.columns.iter().enumerate() {
                copied
                    .value(row.value(column), storage)
                    .map_err(|error| unwritable(error, schema, column, row))?;
            }
        }
        let (sql, copied) = (statement::copy_in(&form), copied.finish());
        run(&mut self.session, "insert records", statement::BEFORE_COPY.to_owned()).await?;
        let done = bounded(copy_rows(self.session.connection()?, &sql, &copied)).await;
        if let Ok(Err(error)) = &done
            && is_duplicate(error)
        {
            self.session.keep();
            self.store.pass_next_copies();
            run(&mut self.session, "insert records", statement::UNDO_COPY.to_owned()).await?;
            return Ok(None);
        }
        match self.session.settle("insert records", done) {
            Ok(inserted) => Ok(Some(inserted)),
            Err(error) => {
                let error = holder::name(&self.store.pool, error).await;
                Err(error.with("table", &schema.table))
            }
        }
    }
}

/// Whether the server has refused a record because its key is there.
fn is_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

async fn copy_rows(connection: &mut PgConnection, sql: &str, rows: &[u8]) -> sqlx::Result<u64> {
    let mut copy = connection.copy_in_raw(sql).await?;
    copy.send(rows).await?;
    copy.finish().await
}

/// What is done with records.
#[derive(Debug, Clone, Copy)]
enum Statement {
    InsertAbsent,
    Upsert,
    Delete,
}

fn bound(range: &Range) -> &[u8] {
    range.after.as_ref().map_or(&[][..], Key::as_bytes)
}

#[async_trait]
impl Transaction for PostgresTransaction<'_> {
    async fn partition(&mut self, partition: &str) -> Result<Option<Partition>> {
        let mut arguments = self.arguments()?;
        arguments.add(partition)?;
        let sql = statement::side::partition(self.access != Access::Read);
        let rows = self.fetch(sql, arguments).await?;
        let row = rows.first().map(side::partition).transpose();
        row.map_err(|error| error.with("partition", partition))
    }

    async fn put_partition(&mut self, partition: &str, row: &Partition) -> Result<()> {
        let mut arguments = self.arguments()?;
        arguments.add(partition)?;
        side::bind_partition(&mut arguments, row)?;
        let sql = statement::side::PUT_PARTITION.to_owned();
        self.execute("write partition", sql, arguments).await.map(drop)
    }

    async fn ranges(
        &mut self,
        table: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Range>> {
        let mut arguments = self.arguments()?;
        arguments.add(table)?;
        arguments.add(after.map_or(&[][..], Key::as_bytes))?;
        arguments.add(i64::try_from(limit).unwrap_or(i64::MAX))?;
        self.fetch_ranges(statement::side::ranges_after(after.is_none()), arguments).await
    }

    async fn lock_range(
        &mut self,
        table: &str,
        after: Option<&Key>,
        mode: LockMode,
    ) -> Result<Option<Range>> {
        let after = after.map_or(&[][..], Key::as_bytes);
        self.lock(table, [after], mode).await?;
        let mut arguments = self.arguments()?;
        arguments.add(table)?;
        arguments.add(after)?;
        Ok(self.fetch_ranges(statement::side::range(), arguments).await?.pop())
    }

    async fn lock_ranges(
        &mut self,
        table: &str,
        first: &Key,
        last: &Key,
        mode: LockMode,
    ) -> Result<Vec<Range>> {
        let mut known = self.ranges_of(table, first, last).await?;
        for _ in 0..SPLITS_MAX {
            self.lock(table, known.iter().map(bound), mode).await?;
            // A range that was split before its lock was got has children that are not locked yet.
            // Whoever splits holds one lock and waits for none, so what is locked may be kept.
            let found = self.ranges_of(table, first, last).await?;
            if found.iter().map(bound).eq(known.iter().map(bound)) {
                return Ok(found);
            }
            known = found;
        }
        Err(Error::new(ErrorKind::Busy, "lock ranges: they are being split").with("table", table))
    }

    async fn put_range(&mut self, table: &str, range: &Range) -> Result<()> {
        let mut arguments = self.arguments()?;
        arguments.add(table)?;
        side::bind_range(&mut arguments, range)?;
        self.execute("write range", statement::side::PUT_RANGE.to_owned(), arguments)
            .await
            .map(drop)
    }

    async fn guards(
        &mut self,
        table: GuardTable<'_>,
        keys: &[&Key],
    ) -> Result<Vec<Option<GuardRow>>> {
        let mut guards = vec![None; keys.len()];
        let parts = keys.chunks(ROWS_MAX).zip(guards.chunks_mut(ROWS_MAX));
        for (keys, guards) in parts {
            let mut arguments = self.arguments()?;
            side::bind_table(&mut arguments, table)?;
            side::bind_keys(&mut arguments, keys)?;
            for row in self.fetch(statement::side::GUARDS.to_owned(), arguments).await? {
                let (place, guard) = side::placed_guard(&row)?;
                if let Some(slot) = guards.get_mut(place) {
                    *slot = Some(guard);
                }
            }
        }
        Ok(guards)
    }

    async fn guards_between(
        &mut self,
        source_table: &str,
        first: &Key,
        last: &Key,
        limit: usize,
    ) -> Result<Vec<FoundGuard>> {
        let mut arguments = self.arguments()?;
        arguments.add(source_table)?;
        arguments.add(first.as_bytes())?;
        arguments.add(last.as_bytes())?;
        arguments.add(i64::try_from(limit).unwrap_or(i64::MAX))?;
        let rows = self.fetch(statement::side::GUARDS_BETWEEN.to_owned(), arguments).await?;
        rows.iter().map(side::found_guard).collect()
    }

    /// Guards are read without locks, so each is compared again in the statement that writes it.
    async fn put_guards(&mut self, table: GuardTable<'_>, writes: &[GuardWrite<'_>]) -> Result<()> {
        for part in writes.chunks(ROWS_MAX) {
            let mut arguments = self.arguments()?;
            side::bind_table(&mut arguments, table)?;
            side::bind_guards(&mut arguments, part)?;
            let rows = self.fetch(statement::side::PUT_GUARDS.to_owned(), arguments).await?;
            let written = rows.first().map_or(Ok(0), side::count)?;
            if written != u64::try_from(part.len()).unwrap_or(u64::MAX) {
                return Err(Error::new(
                    ErrorKind::Busy,
                    "write guards: another transaction was quicker",
                )
                .with("table", table.target_table));
            }
        }
        Ok(())
    }

    async fn delete_guards(
        &mut self,
        source_table: &str,
        range: &Range,
        below: &Version,
        limit: usize,
    ) -> Result<u64> {
        let mut arguments = self.arguments()?;
        side::bind_bounds(&mut arguments, source_table, range)?;
        arguments.add(below.as_bytes())?;
        arguments.add(i64::try_from(limit).unwrap_or(i64::MAX))?;
        self.execute("purge guards", statement::side::DELETE_GUARDS.to_owned(), arguments).await
    }

    async fn count_dirty(&mut self, source_table: &str, range: &Range) -> Result<u64> {
        let mut arguments = self.arguments()?;
        side::bind_bounds(&mut arguments, source_table, range)?;
        let rows = self.fetch(statement::side::COUNT_DIRTY.to_owned(), arguments).await?;
        rows.first().map_or(Ok(0), side::count)
    }

    /// Most often none is there, and a `COPY` takes them all. Otherwise the first that is there
    /// makes it fail as a whole, and the others are inserted one by one.
    async fn insert_absent(&mut self, schema: &Schema, records: &[Row<'_>]) -> Result<u64> {
        if records.len() >= COPY_ROWS_MIN
            && let Some(inserted) = self.copy_in(schema, records).await?
        {
            return Ok(inserted);
        }
        self.write("insert records", schema, records, Statement::InsertAbsent).await
    }

    async fn upsert(&mut self, schema: &Schema, records: &[Row<'_>]) -> Result<()> {
        self.write("write records", schema, records, Statement::Upsert).await.map(drop)
    }

    async fn delete(&mut self, schema: &Schema, keys: &[Row<'_>]) -> Result<()> {
        self.write("remove records", schema, keys, Statement::Delete).await.map(drop)
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        if self.access == Access::SetUp {
            let mut arguments = self.arguments()?;
            side::bind_format(&mut arguments)?;
            self.execute("mark as set up", statement::side::PUT_FORMAT.to_owned(), arguments)
                .await?;
        }
        self.store.commit(&mut self.session).await.map_err(commit_failed)
    }
}

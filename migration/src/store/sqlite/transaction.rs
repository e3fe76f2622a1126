//! A transaction. `BEGIN IMMEDIATE` makes it the only one that writes, so it is every lock at once.

use super::error::{commit_failed, failed};
use super::side;
use super::value::{add, bind};
use super::{SqliteStore, statement};
use crate::batch::{Row, Schema};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::position::Version;
use crate::protocol::{Partition, Range};
use crate::store::transactional::unwritable;
use crate::store::{Access, FoundGuard, GuardRow, GuardTable, GuardWrite, LockMode, Transaction};
use async_trait::async_trait;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Sqlite};

pub(super) struct SqliteTransaction<'a> {
    pub(super) store: &'a SqliteStore,
    pub(super) transaction: sqlx::Transaction<'static, Sqlite>,
    pub(super) access: Access,
}

impl SqliteTransaction<'_> {
    fn failed(&self, operation: &str, error: sqlx::Error) -> Error {
        failed(operation, &self.store.path, error)
    }

    /// Arguments that begin with the migration's id, as every key of a side table does.
    fn arguments(&self) -> Result<SqliteArguments> {
        let mut arguments = SqliteArguments::default();
        add(&mut arguments, self.store.migration.as_str())?;
        Ok(arguments)
    }

    async fn execute(
        &mut self,
        operation: &'static str,
        sql: String,
        arguments: SqliteArguments,
    ) -> Result<u64> {
        let done = sqlx::query_with(AssertSqlSafe(sql), arguments)
            .execute(&mut *self.transaction)
            .await
            .map_err(|error| self.failed(operation, error))?;
        Ok(done.rows_affected())
    }

    async fn fetch(&mut self, sql: String, arguments: SqliteArguments) -> Result<Vec<SqliteRow>> {
        sqlx::query_with(AssertSqlSafe(sql), arguments)
            .fetch_all(&mut *self.transaction)
            .await
            .map_err(|error| self.failed("read side table", error))
    }

    async fn fetch_ranges(
        &mut self,
        sql: String,
        arguments: SqliteArguments,
    ) -> Result<Vec<Range>> {
        let rows = self.fetch(sql, arguments).await?;
        rows.iter().map(|row| side::range(row).map_err(|error| self.damaged(error))).collect()
    }

    fn damaged(&self, error: Error) -> Error {
        error.with("file", self.store.path.display())
    }

    /// Runs a statement of a few fixed sizes over records.
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
        let shape = self.store.shape(&schema.table).await?;
        shape.check_write(schema)?;
        let storage = shape.storage(schema)?;
        let columns = schema.columns.len();
        let mut changed = 0;
        let mut rest = rows;
        for size in statement::sizes(rows.len(), columns) {
            let (part, after) = rest.split_at(size);
            rest = after;
            let mut arguments = SqliteArguments::default();
            sqlx::Arguments::reserve(&mut arguments, size * columns, 0);
            for row in part {
                for (column, storage) in storage.iter().enumerate() {
                    bind(&mut arguments, row.value(column), *storage)
                        .map_err(|error| unwritable(error, schema, column, row))?;
                }
            }
            let done = self.execute(operation, sql(schema, size), arguments).await;
            changed += done.map_err(|error| error.with("table", &schema.table))?;
        }
        Ok(changed)
    }
}

#[async_trait]
impl Transaction for SqliteTransaction<'_> {
    async fn partition(&mut self, partition: &str) -> Result<Option<Partition>> {
        let mut arguments = self.arguments()?;
        add(&mut arguments, partition)?;
        let rows = self.fetch(statement::side::PARTITION.to_owned(), arguments).await?;
        let row = rows.first().map(side::partition).transpose();
        row.map_err(|error| self.damaged(error).with("partition", partition))
    }

    async fn put_partition(&mut self, partition: &str, row: &Partition) -> Result<()> {
        let mut arguments = self.arguments()?;
        add(&mut arguments, partition)?;
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
        add(&mut arguments, table)?;
        add(&mut arguments, after.map_or(&[][..], Key::as_bytes))?;
        add(&mut arguments, i64::try_from(limit).unwrap_or(i64::MAX))?;
        self.fetch_ranges(statement::side::ranges_after(after.is_none()), arguments).await
    }

    async fn lock_range(
        &mut self,
        table: &str,
        after: Option<&Key>,
        _mode: LockMode,
    ) -> Result<Option<Range>> {
        let mut arguments = self.arguments()?;
        add(&mut arguments, table)?;
        add(&mut arguments, after.map_or(&[][..], Key::as_bytes))?;
        Ok(self.fetch_ranges(statement::side::range(), arguments).await?.pop())
    }

    async fn lock_ranges(
        &mut self,
        table: &str,
        first: &Key,
        last: &Key,
        _mode: LockMode,
    ) -> Result<Vec<Range>> {
        let mut arguments = self.arguments()?;
        add(&mut arguments, table)?;
        add(&mut arguments, last.as_bytes())?;
        add(&mut arguments, first.as_bytes())?;
        self.fetch_ranges(statement::side::ranges_of(), arguments).await
    }

    async fn put_range(&mut self, table: &str, range: &Range) -> Result<()> {
        let mut arguments = self.arguments()?;
        add(&mut arguments, table)?;
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
        let mut from = 0;
        for size in statement::sizes(keys.len(), 1) {
            let mut arguments = self.arguments()?;
            side::bind_table(&mut arguments, table)?;
            for key in &keys[from..from + size] {
                add(&mut arguments, key.as_bytes())?;
            }
            for row in self.fetch(statement::side::guards(size), arguments).await? {
                let (place, guard) =
                    side::placed_guard(&row).map_err(|error| self.damaged(error))?;
                if let Some(slot) = guards.get_mut(from + place) {
                    *slot = Some(guard);
                }
            }
            from += size;
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
        add(&mut arguments, source_table)?;
        add(&mut arguments, first.as_bytes())?;
        add(&mut arguments, last.as_bytes())?;
        add(&mut arguments, i64::try_from(limit).unwrap_or(i64::MAX))?;
        let rows = self.fetch(statement::side::GUARDS_BETWEEN.to_owned(), arguments).await?;
        rows.iter().map(|row| side::found_guard(row).map_err(|error| self.damaged(error))).collect()
    }

    /// There is one writer at a time: they are as they were read.
    async fn put_guards(&mut self, table: GuardTable<'_>, writes: &[GuardWrite<'_>]) -> Result<()> {
        let mut rest = writes;
        for size in statement::sizes(writes.len(), side::GUARD_BINDS) {
            let (part, after) = rest.split_at(size);
            rest = after;
            let mut arguments = self.arguments()?;
            side::bind_table(&mut arguments, table)?;
            for write in part {
                side::bind_guard(&mut arguments, write.key, &write.row)?;
            }
            self.execute("write guards", statement::side::put_guards(size), arguments).await?;
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
        add(&mut arguments, below.as_bytes())?;
        add(&mut arguments, i64::try_from(limit).unwrap_or(i64::MAX))?;
        self.execute("purge guards", statement::side::DELETE_GUARDS.to_owned(), arguments).await
    }

    async fn count_dirty(&mut self, source_table: &str, range: &Range) -> Result<u64> {
        let mut arguments = self.arguments()?;
        side::bind_bounds(&mut arguments, source_table, range)?;
        let rows = self.fetch(statement::side::COUNT_DIRTY.to_owned(), arguments).await?;
        rows.first().map_or(Ok(0), |row| side::count(row).map_err(|error| self.damaged(error)))
    }

    async fn insert_absent(&mut self, schema: &Schema, records: &[Row<'_>]) -> Result<u64> {
        self.write("insert records", schema, records, statement::insert_absent).await
    }

    async fn upsert(&mut self, schema: &Schema, records: &[Row<'_>]) -> Result<()> {
        self.write("write records", schema, records, statement::upsert).await.map(drop)
    }

    async fn delete(&mut self, schema: &Schema, keys: &[Row<'_>]) -> Result<()> {
        self.write("remove records", schema, keys, statement::delete).await.map(drop)
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        if self.access == Access::SetUp {
            let mut arguments = self.arguments()?;
            side::bind_format(&mut arguments)?;
            self.execute("mark as set up", statement::side::PUT_FORMAT.to_owned(), arguments)
                .await?;
        }
        let path = &self.store.path;
        self.transaction.commit().await.map_err(|error| commit_failed(path, error))
    }
}

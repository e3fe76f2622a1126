//! SQLite: one file is one instance, and one transaction in it one atomic step.
//!
//! There is one writer at a time, so `BEGIN IMMEDIATE` is the lock of every range and partition.
//! SQLite cannot break into a stopped writer's transaction: every wait for it is bounded, and the
//! failure names the process that holds the lock.

mod config;
mod describe;
mod error;
mod moment;
mod read;
mod shape;
mod side;
mod statement;
mod transaction;
mod value;

use super::{
    Access, Horizon, OpenMode, ReadLimit, SideTable, Store, TableDescription, Transaction,
    Transactional,
};
use crate::batch::{Batch, Schema};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use async_trait::async_trait;
use config::{Pools, WAIT_MAX};
use error::{failed, is_busy};
use shape::Shape;
use sqlx::{AssertSqlSafe, Sqlite, SqlitePool};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use transaction::SqliteTransaction;

/// One SQLite file, as one migration sees it.
#[derive(Debug)]
pub struct SqliteStore {
    name: String,
    path: PathBuf,
    migration: String,
    pools: Pools,
    /// Catalogue entries that were looked up before. A table that changes under way is noticed by
    /// the statements that no longer fit it.
    shapes: Mutex<HashMap<String, Arc<Shape>>>,
    /// Whether the mark of the set-up was seen, in a format that this program reads.
    is_marked: AtomicBool,
}

impl SqliteStore {
    /// Opens the database file at `path`, called `name` by the plan, for the migration called
    /// `migration`. A target is put into WAL mode, which stays with the file.
    ///
    /// # Errors
    /// `Refused` if there is no such file or it may not be used so; `Unreadable` if it is not a
    /// database; `Busy` if it is locked.
    pub async fn open(name: &str, path: &Path, migration: &str, mode: OpenMode) -> Result<Self> {
        let (path, pools) = config::open(path, mode).await?;
        Ok(Self {
            name: name.to_owned(),
            path,
            migration: migration.to_owned(),
            pools,
            shapes: Mutex::default(),
            is_marked: AtomicBool::new(false),
        })
    }

    /// What SQLite knows of a table.
    async fn shape(&self, table: &str) -> Result<Arc<Shape>> {
        let known = self.shapes.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        if let Some(shape) = known {
            return Ok(shape);
        }
        let connection = self.pools.readers.acquire().await;
        let mut connection =
            connection.map_err(|error| failed("read the catalogue", &self.path, error))?;
        let shape = Arc::new(Shape::load(&mut connection, &self.path, table).await?);
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.insert(table.to_owned(), Arc::clone(&shape));
        Ok(shape)
    }

    /// Begins a transaction that writes, waiting for another writer no longer than the bound.
    async fn begin_write(&self) -> Result<sqlx::Transaction<'static, Sqlite>> {
        let Some(writer) = &self.pools.writer else {
            return Err(Error::new(ErrorKind::Refused, "write: the store is open to read only")
                .with("file", self.path.display()));
        };
        let since = Instant::now();
        loop {
            match writer.begin_with("BEGIN IMMEDIATE").await {
                Ok(transaction) => return Ok(transaction),
                Err(error) if is_busy(&error) && since.elapsed() < WAIT_MAX => {}
                Err(error) => {
                    return Err(failed("begin to write", &self.path, error)
                        .with("waited_ms", since.elapsed().as_millis()));
                }
            }
        }
    }

    async fn execute(&self, on: &mut sqlx::Transaction<'_, Sqlite>, sql: String) -> Result<()> {
        let done = sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(&mut **on).await;
        done.map(drop).map_err(|error| failed("change side tables", &self.path, error))
    }

    /// Rows of this migration in a side table.
    async fn count_side(&self, table: &str) -> Result<u64> {
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(statement::side::count_side(table)))
            .bind(&self.migration)
            .fetch_one(&self.pools.readers)
            .await
            .map_err(|error| failed("count side table", &self.path, error))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn has_side_tables(&self) -> Result<bool> {
        self.exists(statement::side::HAS_SIDE_TABLES.to_owned()).await
    }

    /// Whether a query finds anything.
    async fn exists(&self, sql: String) -> Result<bool> {
        let found: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_optional(&self.pools.readers)
            .await
            .map_err(|error| failed("look into database", &self.path, error))?;
        Ok(found.is_some())
    }

    fn reader(&self) -> &SqlitePool {
        &self.pools.readers
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        // Two paths may lead to one file.
        match std::fs::metadata(&self.path) {
            Ok(file) => format!("file {}:{}", file.dev(), file.ino()),
            Err(_) => format!("file {}", self.path.display()),
        }
    }

    /// Nobody sees a change before its commit, and everybody does after it.
    async fn horizon(&self) -> Result<Horizon> {
        Ok(Horizon::Now)
    }

    async fn describe(&self, table: &str) -> Result<TableDescription> {
        Ok(describe::describe(&*self.shape(table).await?))
    }

    async fn scan(
        &self,
        schema: &Arc<Schema>,
        after: Option<&Key>,
        until: Option<&Key>,
        limit: ReadLimit,
    ) -> Result<Batch> {
        read::scan(self, schema, (after, until), limit).await
    }

    async fn interval(
        &self,
        schema: &Arc<Schema>,
        after: Option<&Key>,
        until: Option<&Key>,
        entity_columns: usize,
        rows: usize,
    ) -> Result<Option<(Key, Key)>> {
        read::interval(self, schema, (after, until), entity_columns, rows).await
    }

    async fn read(&self, schema: &Arc<Schema>, keys: &[Key]) -> Result<Batch> {
        read::read(self, schema, keys).await
    }

    async fn split_points(&self, schema: &Arc<Schema>, count: usize) -> Result<Vec<Key>> {
        read::split_points(self, schema, count).await
    }

    async fn estimate_rows(&self, schema: &Arc<Schema>) -> Result<u64> {
        read::count(self, &schema.table).await
    }

    async fn null_in_key(&self, schema: &Arc<Schema>) -> Result<Option<String>> {
        read::null_in_key(self, schema).await
    }
}

#[async_trait]
impl Transactional for SqliteStore {
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction + '_>> {
        if access != Access::SetUp && !self.is_marked().await? {
            return Err(Error::new(ErrorKind::Refused, "use target: the migration is not set up")
                .with("migration", &self.migration)
                .hint("run its set-up first: `dual-write set-up`"));
        }
        let transaction = match access {
            Access::Read => self
                .reader()
                .begin()
                .await
                .map_err(|error| failed("begin to read", &self.path, error))?,
            Access::Write => self.begin_write().await?,
            Access::SetUp => {
                let mut transaction = self.begin_write().await?;
                for sql in statement::side::CREATE_SIDE_TABLES {
                    self.execute(&mut transaction, sql.to_owned()).await?;
                }
                transaction
            }
        };
        Ok(Box::new(SqliteTransaction { store: self, transaction, access }))
    }

    async fn is_marked(&self) -> Result<bool> {
        if self.is_marked.load(Ordering::Relaxed) {
            return Ok(true);
        }
        if !self.has_side_tables().await? {
            return Ok(false);
        }
        let row = sqlx::query(statement::side::FORMAT)
            .bind(&self.migration)
            .fetch_optional(self.reader())
            .await
            .map_err(|error| failed("read format of side tables", &self.path, error))?;
        let Some(row) = row else { return Ok(false) };
        side::check_format(&row).map_err(|error| error.with("file", self.path.display()))?;
        self.is_marked.store(true, Ordering::Relaxed);
        Ok(true)
    }

    fn side_table_statements(&self) -> Vec<String> {
        statement::side::CREATE_SIDE_TABLES.map(|sql| format!("{sql};")).to_vec()
    }

    async fn flush(&self) -> Result<()> {
        let Some(writer) = &self.pools.writer else {
            return Ok(());
        };
        // A checkpoint syncs the log before it copies it; busy means that a reader held it up.
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(FULL)")
            .fetch_one(writer)
            .await
            .map_err(|error| failed("make commits durable", &self.path, error))?;
        if busy == 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Busy, "make commits durable: a reader holds the log")
            .with("file", self.path.display())
            .hint("run the command again when nothing reads the file for long"))
    }

    async fn holds_nothing(&self, schema: &Schema) -> Result<bool> {
        let shape = self.shape(&schema.table).await?;
        shape.storage(schema)?;
        shape.check_write(schema)?;
        Ok(!self.exists(statement::any(&schema.table)).await?)
    }

    async fn list_side_tables(&self) -> Result<Vec<SideTable>> {
        if !self.has_side_tables().await? {
            return Ok(Vec::new());
        }
        let is_marked = self.is_marked().await?;
        let mut tables = Vec::new();
        for name in statement::side::SIDE_TABLES {
            let rows = self.count_side(name).await?;
            // Another migration's tables without a row of this one are none of its business.
            if is_marked || rows > 0 {
                tables.push(SideTable { name: name.to_owned(), rows });
            }
        }
        Ok(tables)
    }

    async fn drop_side_tables(&self) -> Result<()> {
        if !self.has_side_tables().await? {
            return Ok(());
        }
        let mut transaction = self.begin_write().await?;
        let failed = |error| failed("remove side tables", &self.path, error);
        for table in statement::side::SIDE_TABLES {
            sqlx::query(AssertSqlSafe(statement::side::clear_side(table)))
                .bind(&self.migration)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        let left: i64 =
            sqlx::query_scalar(AssertSqlSafe(statement::count(statement::side::SIDE_TABLES[0])))
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed)?;
        if left == 0 {
            for table in statement::side::SIDE_TABLES {
                self.execute(&mut transaction, statement::side::drop_side(table)).await?;
            }
        }
        let committed = transaction.commit().await;
        committed.map_err(|error| error::commit_failed(&self.path, error))?;
        self.is_marked.store(false, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::SqliteStore;
    use crate::key::Key;
    use crate::store::{OpenMode, Store as _};
    use crate::value::Value;
    use sqlx::Executor as _;
    use std::sync::Arc;

    async fn bare(store: &SqliteStore, statement: &'static str) -> sqlx::Result<()> {
        let writer = store.pools.writer.as_ref().unwrap();
        writer.acquire().await?.execute(statement).await.map(drop)
    }

    #[tokio::test]
    async fn the_copy_need_not_read_keys_to_know_its_next_interval() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source.db");
        std::fs::write(&path, []).unwrap();
        let store = SqliteStore::open("s", &path, "m", OpenMode::ReadWrite).await.unwrap();
        bare(&store, "CREATE TABLE t (a INTEGER NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b))")
            .await
            .unwrap();
        bare(
            &store,
            "WITH n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99)
             INSERT INTO t SELECT i / 10, i FROM n",
        )
        .await
        .unwrap();
        let schema = Arc::new(store.describe("t").await.unwrap().schema);
        let key = |a, b| Key::new([Value::Int(a), Value::Int(b)]).unwrap();
        let found = store.interval(&schema, Some(&key(1, 14)), None, 1, 20).await.unwrap();
        assert_eq!(found, Some((key(1, 15), key(2, 29))));
        assert_eq!(store.interval(&schema, Some(&key(9, 90)), None, 1, 20).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_disk_that_was_full_for_a_moment_is_written_to_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("target.db");
        std::fs::write(&path, []).unwrap();
        let store = SqliteStore::open("t", &path, "m", OpenMode::ReadWrite).await.unwrap();
        bare(&store, "CREATE TABLE t (v BLOB)").await.unwrap();
        // What a full disk looks like to one connection.
        bare(&store, "PRAGMA max_page_count = 1").await.unwrap();
        let mut transaction = store.begin_write().await.unwrap();
        let big = "INSERT INTO t VALUES (zeroblob(1000000))";
        assert!(transaction.execute(big).await.is_err());
        drop(transaction);
        bare(&store, "PRAGMA max_page_count = 1000000").await.unwrap();
        let mut transaction = store.begin_write().await.unwrap();
        transaction.execute(big).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

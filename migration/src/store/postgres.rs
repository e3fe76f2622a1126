//! PostgreSQL: one database is one instance, and one transaction in it one atomic step.

mod config;
mod describe;
mod error;
mod holder;
mod horizon;
mod jsonb;
mod numeric;
mod read;
mod shape;
mod side;
mod statement;
mod transaction;
mod value;

use super::transactional::SHAPE_AGE_MAX;
use super::{
    Access, Horizon, OpenMode, ReadLimit, SIDE_ROWS_COUNTED_MAX, SideTable, Store,
    TableDescription, Transaction, Transactional, WriteMark,
};
use crate::batch::{Batch, Schema};
use crate::decode::ColumnTraits;
use crate::driver::pool::{Pool, Session, bounded};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::plan::ServerUrl;
use async_trait::async_trait;
use shape::Shape;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use transaction::PostgresTransaction;

/// One PostgreSQL database, as one migration sees it.
#[derive(Debug)]
pub struct PostgresStore {
    name: String,
    migration: String,
    mode: OpenMode,
    identity: String,
    pool: Arc<Pool<PgConnection>>,
    /// Catalogue entries that were looked up lately.
    shapes: Mutex<HashMap<String, Arc<Shape>>>,
    /// Whether the mark of the set-up was seen, in a format that this program reads.
    is_marked: AtomicBool,
    /// How many of the next batches are not to be tried with `COPY`.
    copies_passed: AtomicU32,
}

/// Where one batch held a record that is there already, the next ones most likely do too.
const COPIES_PASSED: u32 = 32;

impl PostgresStore {
    /// Opens the database that `url` leads to, called `name` by the plan, for the migration called
    /// `migration`.
    ///
    /// # Errors
    /// `Plan` if the URL cannot be found or read; `Refused` for a wrong user, password or database,
    /// and for a server that may not be used so; `Unavailable` if it cannot be reached.
    pub async fn open(
        name: &str,
        url: &ServerUrl,
        migration: &str,
        mode: OpenMode,
    ) -> Result<Self> {
        let (pool, identity) = config::open(url, mode).await?;
        Ok(Self {
            name: name.to_owned(),
            migration: migration.to_owned(),
            mode,
            identity,
            pool,
            shapes: Mutex::default(),
            is_marked: AtomicBool::new(false),
            copies_passed: AtomicU32::new(0),
        })
    }

    /// Takes note that a `COPY` met a record that was there.
    fn pass_next_copies(&self) {
        self.copies_passed.store(COPIES_PASSED, Ordering::Relaxed);
    }

    /// Whether a batch is not to be tried with `COPY`.
    fn passes_copy(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.copies_passed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// What PostgreSQL knows of a table.
    async fn shape(&self, session: &mut Session<PgConnection>, table: &str) -> Result<Arc<Shape>> {
        let known = self.shapes.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        if let Some(shape) = known.as_ref().filter(|it| it.loaded.elapsed() < SHAPE_AGE_MAX) {
            return Ok(Arc::clone(shape));
        }
        let mut shape = Shape::load(session, table).await?;
        if let Some(known) = known {
            shape.width = known.width.clone();
        }
        let shape = Arc::new(shape);
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.insert(table.to_owned(), Arc::clone(&shape));
        Ok(shape)
    }

    /// Begins a transaction.
    async fn begin_with(&self, statement: &'static str) -> Result<Session<PgConnection>> {
        let mut session = self.pool.session().await?;
        run(&mut session, "begin", statement.to_owned()).await?;
        session.in_transaction = true;
        Ok(session)
    }

    /// Begins a transaction that writes.
    async fn begin_write(&self) -> Result<Session<PgConnection>> {
        if self.mode == OpenMode::ReadOnly {
            return Err(Error::new(ErrorKind::Refused, "write: the store is open to read only"));
        }
        self.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await
    }

    async fn commit(&self, session: &mut Session<PgConnection>) -> Result<()> {
        run(session, "commit", "COMMIT".to_owned()).await?;
        session.in_transaction = false;
        Ok(())
    }

    /// This migration's rows in a side table, as far as they are counted.
    async fn count_side(&self, table: &str) -> Result<u64> {
        let mut session = self.pool.session().await?;
        let most = i64::try_from(SIDE_ROWS_COUNTED_MAX).unwrap_or(i64::MAX);
        let sql = AssertSqlSafe(statement::side::count_side(table));
        let query = sqlx::query_scalar::<_, i64>(sql).bind(&self.migration).bind(most);
        let rows = bounded(query.fetch_one(session.connection()?)).await;
        Ok(u64::try_from(session.settle("count side tables", rows)?).unwrap_or(0))
    }

    /// Removes some of this migration's rows from a side table; returns how many.
    async fn clear_side(&self, table: &str) -> Result<u64> {
        let mut session = self.begin_write().await?;
        let query =
            sqlx::query(AssertSqlSafe(statement::side::clear_side(table))).bind(&self.migration);
        let done = bounded(query.execute(session.connection()?)).await;
        let removed = session.settle("remove side tables", done)?.rows_affected();
        self.commit(&mut session).await.map_err(error::commit_failed)?;
        Ok(removed)
    }

    async fn has_side_tables(&self) -> Result<bool> {
        let mut session = self.pool.session().await?;
        let query = sqlx::query_scalar(statement::side::HAS_SIDE_TABLES);
        let found = bounded(query.fetch_one(session.connection()?)).await;
        session.settle("look for side tables", found)
    }
}

/// Runs a statement that binds nothing.
async fn run(session: &mut Session<PgConnection>, operation: &str, sql: String) -> Result<()> {
    let query = sqlx::raw_sql(AssertSqlSafe(sql));
    let done = bounded(query.execute(session.connection()?)).await;
    session.settle(operation, done).map(drop)
}

/// Makes everybody else wait who makes or removes side tables: `IF NOT EXISTS` does not.
async fn lock_set_up(session: &mut Session<PgConnection>) -> Result<()> {
    let sql = format!("SELECT pg_advisory_xact_lock({})", side::SET_UP_LOCK);
    run(session, "lock side tables", sql).await
}

#[async_trait]
impl Store for PostgresStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        format!("postgres {}", self.identity)
    }

    async fn describe(&self, table: &str) -> Result<TableDescription> {
        let mut session = self.pool.session().await?;
        Ok(describe::describe(&*self.shape(&mut session, table).await?))
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
        read::estimate(self, &schema.table).await
    }

    async fn write_mark(&self, table: &str) -> Result<Option<WriteMark>> {
        read::write_mark(self, table).await.map(Some)
    }

    async fn horizon(&self) -> Result<Horizon> {
        horizon::horizon(self).await
    }

    async fn shows(&self, horizon: &Horizon) -> Result<bool> {
        match horizon {
            Horizon::Transactions { below } => horizon::shows(self, *below).await,
            Horizon::Now => Ok(true),
            Horizon::Binlog { .. } => Err(horizon.foreign()),
        }
    }

    async fn column_traits(&self, table: &str) -> Result<Vec<(String, ColumnTraits)>> {
        let mut session = self.pool.session().await?;
        let shape = self.shape(&mut session, table).await?;
        let columns = shape.columns.iter();
        Ok(columns.map(|one| (one.name.clone(), ColumnTraits::postgres(&one.declared))).collect())
    }
}

#[async_trait]
impl Transactional for PostgresStore {
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction + '_>> {
        if access != Access::SetUp && !self.is_marked().await? {
            return Err(Error::new(ErrorKind::Refused, "use target: the migration is not set up")
                .with("migration", &self.migration)
                .hint("run its set-up first: `dual-write set-up`"));
        }
        let session = match access {
            Access::Read => {
                self.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?
            }
            Access::Write => self.begin_write().await?,
            Access::SetUp => {
                let mut session = self.begin_write().await?;
                lock_set_up(&mut session).await?;
                for sql in statement::side::CREATE_SIDE_TABLES {
                    run(&mut session, "create side table", sql.to_owned()).await?;
                }
                session
            }
        };
        Ok(Box::new(PostgresTransaction { store: self, session, access }))
    }

    async fn is_marked(&self) -> Result<bool> {
        if self.is_marked.load(Ordering::Relaxed) {
            return Ok(true);
        }
        if !self.has_side_tables().await? {
            return Ok(false);
        }
        let mut session = self.pool.session().await?;
        let query = sqlx::query(statement::side::FORMAT).bind(&self.migration);
        let row = bounded(query.fetch_optional(session.connection()?)).await;
        let Some(row) = session.settle("read format of side tables", row)? else {
            return Ok(false);
        };
        side::check_format(&row)?;
        self.is_marked.store(true, Ordering::Relaxed);
        Ok(true)
    }

    fn side_table_statements(&self) -> Vec<String> {
        statement::side::CREATE_SIDE_TABLES.map(|sql| format!("{sql};")).to_vec()
    }

    async fn flush(&self) -> Result<()> {
        if self.mode == OpenMode::ReadOnly || !self.is_marked().await? {
            return Ok(());
        }
        // A commit that waits for the log waits for everything before it in the log.
        let mut session = self.begin_write().await?;
        run(&mut session, "make commits durable", "SET LOCAL synchronous_commit = on".to_owned())
            .await?;
        let query = sqlx::query(statement::side::TOUCH_FORMAT).bind(&self.migration);
        let done = bounded(query.execute(session.connection()?)).await;
        session.settle("make commits durable", done)?;
        self.commit(&mut session).await
    }

    async fn holds_nothing(&self, schema: &Schema) -> Result<bool> {
        let mut session = self.pool.session().await?;
        let form = self.shape(&mut session, &schema.table).await?.form(schema)?;
        let sql = AssertSqlSafe(statement::any(&form.table));
        let found = sqlx::query_scalar::<_, i32>(sql).fetch_optional(session.connection()?);
        let found = bounded(found).await;
        Ok(session.settle("look into table", found)?.is_none())
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
        // The mark of the set-up goes last: until then the rest can be removed again.
        for table in statement::side::SIDE_TABLES.iter().rev() {
            while self.clear_side(table).await? > 0 {}
        }
        let mut session = self.begin_write().await?;
        lock_set_up(&mut session).await?;
        let sql = AssertSqlSafe(statement::count(statement::side::SIDE_TABLES[0]));
        let left = sqlx::query_scalar::<_, i64>(sql).fetch_one(session.connection()?);
        let left = bounded(left).await;
        if session.settle("remove side tables", left)? == 0 {
            for table in statement::side::SIDE_TABLES {
                run(&mut session, "remove side tables", statement::side::drop_side(table)).await?;
            }
        }
        self.commit(&mut session).await.map_err(error::commit_failed)?;
        self.is_marked.store(false, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

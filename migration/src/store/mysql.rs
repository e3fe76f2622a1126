//! MySQL and MariaDB: one database is one instance, and one transaction in it one atomic step.
//!
//! At READ COMMITTED, where every statement sees what was committed before it. The lock of a range
//! is a lock on its row: every step takes it before it looks at a guard, so that what the guard
//! says cannot change any more. (Without it, and at REPEATABLE READ even with it, a plain read of
//! the guard followed by an insert brings deleted records back.)
//!
//! Statements that change tables end a transaction here, so the side tables are created before the
//! transaction that marks the migration as set up.

mod config;
mod describe;
mod durable;
mod error;
mod horizon;
mod moment;
mod read;
mod shape;
mod side;
mod statement;
mod transaction;
mod value;

use super::{
    Access, Horizon, OpenMode, ReadLimit, SIDE_ROWS_COUNTED_MAX, SideTable, Store,
    TableDescription, Transaction, Transactional, WriteMark,
};
use crate::batch::{Batch, Schema};
use crate::decode::ColumnTraits;
use crate::driver::mysql::{Database, Failure, Session, number};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::plan::ServerUrl;
use async_trait::async_trait;
use shape::Shape;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use transaction::MysqlTransaction;
use value::add;

/// One database of a MySQL or MariaDB server, as one migration sees it.
#[derive(Debug)]
pub struct MysqlStore {
    name: String,
    migration: String,
    mode: OpenMode,
    database: Database,
    /// Catalogue entries that were looked up a moment ago.
    shapes: Mutex<HashMap<String, Arc<Shape>>>,
    /// Whether the mark of the set-up was seen, in a format that this program reads.
    is_marked: AtomicBool,
}

impl MysqlStore {
    /// Opens the database that `url` leads to (`mysql://user:password@host:port/database`), called
    /// `name` by the plan, for the migration called `migration`.
    ///
    /// # Errors
    /// `Plan` if the URL cannot be found or read; `Refused` for a wrong user, password or database;
    /// `Unavailable` if the server cannot be reached.
    pub async fn open(
        name: &str,
        url: &ServerUrl,
        migration: &str,
        mode: OpenMode,
    ) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            migration: migration.to_owned(),
            mode,
            database: config::open(url, mode).await?,
            shapes: Mutex::default(),
            is_marked: AtomicBool::new(false),
        })
    }

    /// What the server knows of a table, asked in a session of its own if it was not a moment ago.
    async fn shape(&self, table: &str) -> Result<Arc<Shape>> {
        match self.known_shape(table) {
            Some(shape) if shape.is_fresh() => Ok(shape),
            _ => self.load_shape(&mut self.database.session().await?, table).await,
        }
    }

    /// The same, asked in this session: one that is in a transaction must not wait for another, for
    /// the others may all be in one that waits.
    async fn shape_in(&self, session: &mut Session, table: &str) -> Result<Arc<Shape>> {
        match self.known_shape(table) {
            Some(shape) if shape.is_fresh() => Ok(shape),
            _ => self.load_shape(session, table).await,
        }
    }

    fn known_shape(&self, table: &str) -> Option<Arc<Shape>> {
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned()
    }

    async fn load_shape(&self, session: &mut Session, table: &str) -> Result<Arc<Shape>> {
        let mut shape = Shape::load(session, &self.database, table).await?;
        if let Some(known) = self.known_shape(table) {
            shape.width = known.width.clone();
        }
        let shape = Arc::new(shape);
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.insert(table.to_owned(), Arc::clone(&shape));
        Ok(shape)
    }

    /// Runs a query in a session of its own.
    async fn fetch(
        &self,
        operation: &str,
        sql: impl Into<String>,
        arguments: MySqlArguments,
    ) -> Result<Vec<MySqlRow>> {
        let rows = self.database.session().await?.fetch(sql, arguments).await;
        rows.map_err(|failure| self.database.failed(operation, failure))
    }

    /// The migration's id as a value.
    fn id(&self) -> Result<MySqlArguments> {
        let mut arguments = MySqlArguments::default();
        add(&mut arguments, self.migration.as_bytes())?;
        Ok(arguments)
    }

    /// Whether all side tables are there, of this migration or another.
    async fn has_side_tables(&self) -> Result<bool> {
        let sql = statement::side::HAS_SIDE_TABLES;
        let rows = self.fetch("look into database", sql, MySqlArguments::default()).await?;
        let count = rows.first().map_or(Ok(0), side::count)?;
        Ok(count == statement::side::SIDE_TABLES.len() as u64)
    }

    /// Creates the side tables where they lack, each by itself: a crash in between leaves some of
    /// them, which the next set-up completes.
    async fn create_side_tables(&self, session: &mut Session) -> Result<()> {
        if self.has_side_tables().await? {
            return Ok(());
        }
        for sql in statement::side::CREATE_SIDE_TABLES {
            session
                .control(sql)
                .await
                .map_err(|failure| self.database.failed("create side tables", failure))?;
        }
        Ok(())
    }

    /// Begins a transaction that holds the mark of the set-up, written or not.
    async fn begin_set_up(&self, session: &mut Session) -> Result<()> {
        self.create_side_tables(session).await?;
        let failed = |failure: Failure| {
            // Another migration's clean-up has just removed the tables.
            let is_gone = failure.number() == Some(number::NO_SUCH_TABLE);
            let error = self.database.failed("mark as set up", failure);
            if is_gone { error.into_kind(ErrorKind::Busy) } else { error }
        };
        session.begin().await.map_err(failed)?;
        let mut arguments = self.id()?;
        side::bind_format(&mut arguments)?;
        session.execute(statement::side::PUT_FORMAT, arguments).await.map(drop).map_err(failed)
    }

    /// Removes the side tables if no migration has rows in them. Nobody can begin to set up
    /// meanwhile.
    async fn drop_if_unused(session: &mut Session) -> Result<(), Failure> {
        session.control(statement::side::lock_side_tables()).await?;
        let sql = statement::count(statement::side::SIDE_TABLES[0]);
        let rows = session.fetch(sql, MySqlArguments::default()).await?;
        if rows.first().is_some_and(|row| side::count(row).is_ok_and(|left| left == 0)) {
            session.control(statement::side::drop_side_tables()).await?;
        }
        session.control("UNLOCK TABLES").await
    }
}

#[async_trait]
impl Store for MysqlStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        format!("mysql {}", self.database.identity)
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
        read::estimate(self, &schema.table).await
    }

    async fn write_mark(&self, table: &str) -> Result<Option<WriteMark>> {
        read::write_mark(self, table).await.map(Some)
    }

    async fn horizon(&self) -> Result<Horizon> {
        horizon::horizon(&self.database).await
    }

    async fn shows(&self, horizon: &Horizon) -> Result<bool> {
        match horizon {
            Horizon::Binlog { file, position } => {
                horizon::shows(&self.database, *file, *position).await
            }
            Horizon::Now => Ok(true),
            Horizon::Transactions { .. } => Err(horizon.foreign()),
        }
    }

    async fn column_traits(&self, table: &str) -> Result<Vec<(String, ColumnTraits)>> {
        let shape = self.shape(table).await?;
        let columns = shape.columns.iter();
        Ok(columns.map(|one| (one.name.clone(), ColumnTraits::mysql(&one.declared))).collect())
    }
}

#[async_trait]
impl Transactional for MysqlStore {
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction + '_>> {
        if access != Access::SetUp && !self.is_marked().await? {
            return Err(Error::new(ErrorKind::Refused, "use target: the migration is not set up")
                .with("migration", &self.migration)
                .hint("run its set-up first: `dual-write set-up`"));
        }
        if access != Access::Read && self.mode == OpenMode::ReadOnly {
            return Err(Error::new(ErrorKind::Refused, "write: the store is open to read only")
                .with("server", self.database.address()));
        }
        let mut session = self.database.session().await?;
        let begun = match access {
            Access::Read => session.begin_snapshot().await,
            Access::Write => session.begin().await,
            Access::SetUp => {
                self.begin_set_up(&mut session).await?;
                Ok(())
            }
        };
        begun.map_err(|failure| self.database.failed("begin transaction", failure))?;
        Ok(Box::new(MysqlTransaction::new(self, session, access)))
    }

    async fn is_marked(&self) -> Result<bool> {
        if self.is_marked.load(Ordering::Relaxed) {
            return Ok(true);
        }
        if !self.has_side_tables().await? {
            return Ok(false);
        }
        let rows =
            self.fetch("read format of side tables", statement::side::FORMAT, self.id()?).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        side::check_format(row).map_err(|error| error.with("server", self.database.address()))?;
        self.is_marked.store(true, Ordering::Relaxed);
        Ok(true)
    }

    fn side_table_statements(&self) -> Vec<String> {
        statement::side::CREATE_SIDE_TABLES.map(|sql| format!("{sql};")).to_vec()
    }

    async fn flush(&self) -> Result<()> {
        let sql = "SELECT CAST(@@innodb_flush_log_at_trx_commit AS UNSIGNED)";
        let rows = self.fetch("make commits durable", sql, MySqlArguments::default()).await?;
        if rows.first().map_or(Ok(0), side::count)? == 1 {
            return Ok(());
        }
        let mut session = self.database.session().await?;
        session.control("FLUSH ENGINE LOGS").await.map_err(|failure| {
            self.database.denied(
                "make commits durable",
                failure,
                "set innodb_flush_log_at_trx_commit to 1 on this server, or GRANT RELOAD to the \
                 user",
            )
        })?;
        if self.database.is_mariadb { durable::flushed(self).await } else { Ok(()) }
    }

    async fn holds_nothing(&self, schema: &Schema) -> Result<bool> {
        let shape = self.shape(&schema.table).await?;
        shape.storage(schema)?;
        shape.check_write(schema)?;
        let sql = statement::any(&schema.table);
        Ok(self.fetch("look into table", sql, MySqlArguments::default()).await?.is_empty())
    }

    async fn list_side_tables(&self) -> Result<Vec<SideTable>> {
        if !self.has_side_tables().await? {
            return Ok(Vec::new());
        }
        let is_marked = self.is_marked().await?;
        let mut tables = Vec::new();
        for name in statement::side::SIDE_TABLES {
            let sql = statement::side::count_side(name);
            let mut arguments = self.id()?;
            add(&mut arguments, SIDE_ROWS_COUNTED_MAX)?;
            let rows = self.fetch("count side table", sql, arguments).await?;
            let rows = rows.first().map_or(Ok(0), side::count)?;
            // Another migration's tables without a row of this one are none of its business.
            if is_marked || rows > 0 {
                tables.push(SideTable { name: name.to_owned(), rows });
            }
        }
        Ok(tables)
    }

    /// The mark goes last: a crash in between leaves a migration that is set up and has lost its
    /// fences, which stops whoever still runs, and the clean-up goes on where it was.
    async fn drop_side_tables(&self) -> Result<()> {
        if !self.has_side_tables().await? {
            return Ok(());
        }
        let mut session = self.database.session().await?;
        for table in statement::side::SIDE_TABLES.iter().rev() {
            let sql = statement::side::clear_side(table);
            loop {
                let removed = session
                    .execute(sql.as_str(), self.id()?)
                    .await
                    .map_err(|failure| self.database.failed("remove side tables", failure))?;
                if removed == 0 {
                    break;
                }
            }
        }
        self.is_marked.store(false, Ordering::Relaxed);
        Self::drop_if_unused(&mut session).await.map_err(|failure| {
            // With the session go the locks on the tables.
            session.close();
            self.database.failed("remove side tables", failure)
        })
    }
}

#[cfg(test)]
mod tests;

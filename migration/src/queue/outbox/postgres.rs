//! The outbox of a PostgreSQL source.
//!
//! Transactions run side by side, so a lower id may be committed after a higher one. Whoever
//! inserts holds a lock on the table from before the id is given out until the transaction has
//! ended, and its rows show before the lock is let go: those who hold it are those who may still
//! fill a gap.

mod statement;
mod table;

pub use table::postgres_outbox_ddl;

use super::cell::Cell;
use super::engine::{Backlog, Engine, Names, Reader, Step, id, number};
use super::history::{History, Mark};
use super::mark::MARK_TABLE;
use super::row::{Row, Taken};
use crate::clock::Timestamp;
use crate::driver::pool::{Pool, Session, bounded};
use crate::driver::postgres::{commit_failed, pool};
use crate::error::Result;
use crate::fault;
use crate::plan::ServerUrl;
use crate::position::Position;
use async_trait::async_trait;
use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};
use statement::Statements;
use std::collections::BTreeSet;
use std::sync::Arc;
use table::Table;

/// What is told to others has to be durable before it is.
const SETTINGS: &str = "SET synchronous_commit = on";

/// A consumer, a look from beside it, and a trim.
const CONNECTIONS_MAX: usize = 4;

/// One table of one database.
#[derive(Debug)]
pub(super) struct PostgresEngine(Arc<Shared>);

/// What readers and steps need of it.
#[derive(Debug)]
struct Shared {
    pool: Arc<Pool<PgConnection>>,
    names: Names,
    statements: Statements,
    /// Whether payloads are bytes rather than text.
    has_bytes: bool,
}

impl PostgresEngine {
    /// Opens the outbox, and gives it one name whichever way the plan writes it.
    pub(super) async fn open(url: &ServerUrl, mut names: Names) -> Result<(Self, Names)> {
        let pool = pool(url, SETTINGS, CONNECTIONS_MAX)?;
        let mut session = pool.session().await?;
        let table = Table::check(&mut session, &names.table).await?;
        drop(session);
        names.table = table.name;
        let statements =
            Statements::new(&table.quoted, table.oid, &table.sequence, table.has_bytes);
        let shared = Shared { pool, names: names.clone(), statements, has_bytes: table.has_bytes };
        Ok((Self(Arc::new(shared)), names))
    }
}

#[async_trait]
impl Engine for PostgresEngine {
    fn commits_in_order(&self) -> bool {
        false
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(PostgresReader(Arc::clone(&self.0)))
    }

    async fn begin(&self) -> Result<Box<dyn Step>> {
        let mut session = self.0.begin("BEGIN").await?;
        // `IF NOT EXISTS` does not wait for another's commit.
        run(&mut session, statement::LOCK).await?;
        run(&mut session, statement::MARK_DDL).await?;
        Ok(Box::new(PostgresStep { shared: Arc::clone(&self.0), session }))
    }

    async fn remove_marks(&self) -> Result<()> {
        let shared = &self.0;
        let mut session = shared.begin("BEGIN").await?;
        run(&mut session, statement::LOCK).await?;
        if has_marks(&mut session).await? {
            let removed = sqlx::query(statement::REMOVE_MARK)
                .bind(&shared.names.migration)
                .bind(&shared.names.table);
            let removed = bounded(removed.execute(session.connection()?)).await;
            session.settle("remove mark of the outbox", removed)?;
            let left = sqlx::query_scalar::<_, bool>(statement::ANY_MARK);
            let left = bounded(left.fetch_one(session.connection()?)).await;
            if !session.settle("remove mark of the outbox", left)? {
                run(&mut session, statement::DROP_MARKS).await?;
            }
            fault::point("outbox.cleanup.removed");
        }
        commit(&mut session).await?;
        fault::point("outbox.cleanup.committed");
        Ok(())
    }

    fn set_up_statements(&self) -> Vec<String> {
        vec![format!("{};", statement::MARK_DDL)]
    }
}

/// Runs a statement without values.
async fn run(session: &mut Session<PgConnection>, sql: &'static str) -> Result<()> {
    let done = bounded(sqlx::raw_sql(sql).execute(session.connection()?)).await;
    session.settle("use marks of the outbox", done).map(drop)
}

async fn commit(session: &mut Session<PgConnection>) -> Result<()> {
    let done = bounded(sqlx::raw_sql("COMMIT").execute(session.connection()?)).await;
    session.settle("commit marks of the outbox", done).map_err(commit_failed)?;
    session.in_transaction = false;
    Ok(())
}

/// Whether any migration has put a mark into this source.
async fn has_marks(session: &mut Session<PgConnection>) -> Result<bool> {
    let found = sqlx::query_scalar(statement::HAS_MARKS).bind(MARK_TABLE);
    let found = bounded(found.fetch_one(session.connection()?)).await;
    session.settle("look for marks of the outbox", found)
}

impl Shared {
    async fn begin(&self, sql: &'static str) -> Result<Session<PgConnection>> {
        let mut session = self.pool.session().await?;
        session.in_transaction = true;
        run(&mut session, sql).await?;
        Ok(session)
    }

    /// A transaction that sees one moment.
    async fn begin_snapshot(&self) -> Result<Session<PgConnection>> {
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await
    }

    /// Reads the columns in the order the statements name them.
    fn row(&self, row: &PgRow) -> sqlx::Result<Row> {
        let text = |column| row.try_get::<Option<&str>, _>(column);
        let payload = if self.has_bytes {
            Cell::blob(row.try_get(3)?)
        } else {
            Cell::text(text(3)?.map(str::as_bytes))
        };
        Ok(Row {
            id: row.try_get(0)?,
            table: Cell::text(text(1)?.map(str::as_bytes)),
            op: Cell::text(text(2)?.map(str::as_bytes)),
            payload,
            made_at: row.try_get::<Option<i64>, _>(4)?.map_or(Cell::Null, Cell::Integer),
        })
    }

    async fn history(
        &self,
        session: &mut Session<PgConnection>,
        wanted: Option<u64>,
    ) -> Result<History> {
        const OPERATION: &str = "read the outbox's history";
        let highest = self.highest(session).await?;
        let row = match wanted {
            Some(wanted) => {
                let sql = AssertSqlSafe(self.statements.one.clone());
                let row = sqlx::query(sql).bind(id(wanted));
                let row = bounded(row.fetch_optional(session.connection()?)).await;
                session.settle(OPERATION, row)?
            }
            None => None,
        };
        let row = row.map(|row| self.row(&row)).transpose();
        let row = row.map_err(|error| self.pool.failed(OPERATION, error))?;
        let marks = if has_marks(session).await? { self.marks(session).await? } else { Vec::new() };
        let mark = marks.into_iter().find(|mark| mark.migration == self.names.migration);
        Ok(History { highest, row, mark })
    }

    async fn highest(&self, session: &mut Session<PgConnection>) -> Result<u64> {
        let sql = AssertSqlSafe(self.statements.highest.clone());
        let highest = sqlx::query_scalar::<_, i64>(sql);
        let highest = bounded(highest.fetch_one(session.connection()?)).await;
        Ok(number(session.settle("read highest outbox id", highest)?))
    }

    async fn marks(&self, session: &mut Session<PgConnection>) -> Result<Vec<Mark>> {
        let rows = sqlx::query_as::<_, (String, i64, Vec<u8>)>(statement::MARKS);
        let rows = bounded(rows.bind(&self.names.table).fetch_all(session.connection()?)).await;
        let rows = session.settle("read marks of the outbox", rows)?;
        let mark = |(migration, epoch, position)| Mark {
            migration,
            source_epoch: u32::try_from(epoch).unwrap_or(u32::MAX),
            position,
        };
        Ok(rows.into_iter().map(mark).collect())
    }
}

#[derive(Debug)]
struct PostgresReader(Arc<Shared>);

#[async_trait]
impl Reader for PostgresReader {
    async fn rows(&mut self, taken: &mut Taken) -> Result<()> {
        let shared = &*self.0;
        let mut session = shared.pool.session().await?;
        let sql = AssertSqlSafe(shared.statements.from.clone());
        let query = sqlx::query(sql).bind(id(taken.from())).bind(id(taken.limit()));
        let connection = session.connection()?;
        let read = bounded(async {
            let mut stream = query.fetch(connection);
            while let Some(row) = stream.try_next().await? {
                if taken.take(shared.row(&row)?).is_break() {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await;
        if !session.settle("read outbox", read)? {
            // The rest, which may be much, would be read before the next call.
            session.close();
        }
        Ok(())
    }

    async fn history(&mut self, number: Option<u64>) -> Result<History> {
        let mut session = self.0.begin_snapshot().await?;
        let history = self.0.history(&mut session, number).await?;
        commit(&mut session).await?;
        Ok(history)
    }

    async fn last(&mut self) -> Result<(Option<Row>, u64)> {
        const OPERATION: &str = "read end of outbox";
        let shared = &*self.0;
        let mut session = shared.begin_snapshot().await?;
        let last = sqlx::query(AssertSqlSafe(shared.statements.last.clone()));
        let last = bounded(last.fetch_optional(session.connection()?)).await;
        let last = session.settle(OPERATION, last)?.map(|row| shared.row(&row)).transpose();
        let last = last.map_err(|error| shared.pool.failed(OPERATION, error))?;
        let highest = shared.highest(&mut session).await?;
        commit(&mut session).await?;
        Ok((last, highest))
    }

    async fn backlog(&mut self, from: u64) -> Result<Backlog> {
        let mut session = self.0.pool.session().await?;
        let sql = AssertSqlSafe(self.0.statements.backlog.clone());
        let found = sqlx::query_as::<_, (Option<i64>, Option<i64>)>(sql).bind(id(from));
        let found = bounded(found.fetch_one(session.connection()?)).await;
        let (highest, oldest_made_at) = session.settle("read lag of outbox", found)?;
        Ok(Backlog { highest_row: highest.map_or(0, number), oldest_made_at })
    }

    async fn writers(&mut self) -> Result<BTreeSet<String>> {
        let mut session = self.0.pool.session().await?;
        let names = sqlx::query_scalar(AssertSqlSafe(self.0.statements.writers.clone()));
        let names = bounded(names.fetch_all(session.connection()?)).await;
        let names = session.settle("look for writers of the outbox", names)?;
        Ok(names.into_iter().collect())
    }

    async fn mark_count(&mut self) -> Result<u64> {
        let mut session = self.0.pool.session().await?;
        if !has_marks(&mut session).await? {
            return Ok(0);
        }
        let marks = self.0.marks(&mut session).await?;
        let own = |mark: &&Mark| mark.migration == self.0.names.migration;
        Ok(marks.iter().filter(own).count() as u64)
    }
}

/// A transaction; dropped, the session rolls back.
struct PostgresStep {
    shared: Arc<Shared>,
    session: Session<PgConnection>,
}

#[async_trait]
impl Step for PostgresStep {
    async fn history(&mut self, number: Option<u64>) -> Result<History> {
        self.shared.history(&mut self.session, number).await
    }

    async fn marks(&mut self) -> Result<Vec<Mark>> {
        self.shared.marks(&mut self.session).await
    }

    async fn put_mark(&mut self, position: &Position) -> Result<()> {
        let names = &self.shared.names;
        let put = sqlx::query(statement::PUT_MARK)
            .bind(&names.migration)
            .bind(&names.table)
            .bind(i64::from(names.source_epoch))
            .bind(position.as_bytes())
            .bind(Timestamp::now().0);
        let put = bounded(put.execute(self.session.connection()?)).await;
        self.session.settle("write mark of the outbox", put).map(drop)
    }

    async fn delete_below(&mut self, number: u64, rows_max: u32) -> Result<u64> {
        let sql = AssertSqlSafe(self.shared.statements.delete_below.clone());
        let done = sqlx::query(sql).bind(id(number)).bind(i64::from(rows_max));
        let done = bounded(done.execute(self.session.connection()?)).await;
        Ok(self.session.settle("trim outbox", done)?.rows_affected())
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        commit(&mut self.session).await
    }
}

//! The outbox of a MySQL or MariaDB source.
//!
//! Transactions run side by side, so a lower id may be committed after a higher one. The id is
//! given out a moment before the row can be seen even by a locking read, so no look at the table
//! tells a row that is yet to come from one that was rolled back. What tells is who has changed
//! anything and not committed it: the application writes the outbox row after the data row, in one
//! transaction, so whoever may still fill a gap is among them. The server tells that to users with
//! the privilege PROCESS.

mod statement;
mod table;
mod writers;

pub use table::mysql_outbox_ddl;

use super::cell::Cell;
use super::engine::{Backlog, Engine, Names, Reader, Step, number};
use super::history::{History, Mark};
use super::row::{Row, Taken};
use crate::clock::Timestamp;
use crate::driver::mysql::{Database, Failure, Session, is_unknown, number as error_number};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::plan::ServerUrl;
use crate::position::Position;
use async_trait::async_trait;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{Arguments as _, Decode, MySql, Row as _, ValueRef as _};
use statement::Statements;
use std::collections::BTreeSet;
use std::sync::Arc;

/// `information_schema` shows the next id as it is now and not as it was a day ago.
const SETTINGS: &str = "/*!80000 SET SESSION information_schema_stats_expiry = 0 */";

/// A consumer, a look from beside it, and a trim.
const CONNECTIONS_MAX: usize = 4;

/// One table of one database.
#[derive(Debug)]
pub(super) struct MysqlEngine(Arc<Shared>);

/// What readers and steps need of it.
#[derive(Debug)]
struct Shared {
    database: Database,
    names: Names,
    statements: Statements,
}

impl MysqlEngine {
    /// Opens the outbox.
    pub(super) async fn open(url: &ServerUrl, mut names: Names) -> Result<(Self, Names)> {
        let database = Database::open(url, SETTINGS, CONNECTIONS_MAX).await?;
        let table = table::check(&database, &names.table).await?;
        names.table = table.name;
        let statements = Statements::new(&names.table, table.has_bytes);
        // Now rather than at the first gap, so that a privilege that lacks is found by `check`.
        drop(writers::look(&database).await?);
        let shared = Arc::new(Shared { database, names: names.clone(), statements });
        Ok((Self(shared), names))
    }
}

fn arguments() -> MySqlArguments {
    MySqlArguments::default()
}

fn add<'t, T>(arguments: &mut MySqlArguments, value: T) -> Result<()>
where
    T: sqlx::Encode<'t, MySql> + sqlx::Type<MySql>,
{
    arguments.add(value).map_err(|error| Error::new(ErrorKind::Failed, "bind value").because(error))
}

fn one<'t, T>(value: T) -> Result<MySqlArguments>
where
    T: sqlx::Encode<'t, MySql> + sqlx::Type<MySql>,
{
    let mut arguments = arguments();
    add(&mut arguments, value)?;
    Ok(arguments)
}

/// The bytes of a value, whatever the driver takes its type for.
fn bytes(row: &MySqlRow, column: usize) -> sqlx::Result<Option<&[u8]>> {
    let raw = row.try_get_raw(column)?;
    if raw.is_null() {
        return Ok(None);
    }
    <&[u8] as Decode<MySql>>::decode(raw).map(Some).map_err(sqlx::Error::Decode)
}

#[async_trait]
impl Engine for MysqlEngine {
    fn commits_in_order(&self) -> bool {
        false
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(MysqlReader(Arc::clone(&self.0)))
    }

    async fn begin(&self) -> Result<Box<dyn Step>> {
        let shared = &self.0;
        let mut session = shared.database.session().await?;
        // Each by itself: statements that make tables end a transaction.
        for sql in statement::MAKE_MARKS {
            session.control(sql).await.map_err(|failure| shared.failed(MARKS, failure))?;
        }
        session.begin().await.map_err(|failure| shared.failed(MARKS, failure))?;
        let locked = session.fetch(statement::LOCK, arguments()).await;
        let is_locked = !locked.map_err(|failure| shared.failed(MARKS, failure))?.is_empty();
        if !is_locked {
            return Err(Error::new(ErrorKind::Busy, MARKS)
                .hint("another migration's clean-up has just removed them: run it again"));
        }
        Ok(Box::new(MysqlStep { shared: Arc::clone(shared), session }))
    }

    async fn remove_marks(&self) -> Result<()> {
        let shared = &self.0;
        let mut session = shared.database.session().await?;
        let removed = shared.remove_mark(&mut session).await;
        match removed {
            Err(failure) if failure.number() == Some(error_number::NO_SUCH_TABLE) => {}
            Err(failure) => return Err(shared.failed("remove marks of the outbox", failure)),
            Ok(()) => {
                fault::point("outbox.cleanup.removed");
                drop_if_unused(&mut session).await.map_err(|failure| {
                    // With the session go the locks on the table.
                    session.close();
                    shared.failed("remove marks of the outbox", failure)
                })?;
            }
        }
        fault::point("outbox.cleanup.committed");
        Ok(())
    }

    fn set_up_statements(&self) -> Vec<String> {
        statement::MAKE_MARKS.map(|sql| format!("{sql};")).to_vec()
    }
}

const MARKS: &str = "use marks of the outbox";

/// Removes the marks' table if no migration has one. Nobody can put one in meanwhile.
async fn drop_if_unused(session: &mut Session) -> std::result::Result<(), Failure> {
    session.control(statement::LOCK_TABLE).await?;
    let rows = session.fetch(statement::ANY_MARK, arguments()).await?;
    if rows.is_empty() {
        session.control(statement::DROP_MARKS).await?;
    }
    session.control("UNLOCK TABLES").await
}

impl Shared {
    fn failed(&self, operation: &str, failure: Failure) -> Error {
        self.database.failed(operation, failure)
    }

    fn unreadable(&self, operation: &str, error: sqlx::Error) -> Error {
        self.failed(operation, Failure::Driver(error))
    }

    fn own(&self) -> Result<MySqlArguments> {
        let mut arguments = one(self.names.migration.as_bytes())?;
        add(&mut arguments, self.names.table.as_bytes())?;
        Ok(arguments)
    }

    async fn remove_mark(&self, session: &mut Session) -> std::result::Result<(), Failure> {
        let own = self.own().map_err(Failure::Closed)?;
        session.execute(statement::REMOVE_MARK, own).await.map(drop)
    }

    /// Reads the columns in the order the statements name them.
    fn row(&self, row: &MySqlRow) -> sqlx::Result<Row> {
        let payload = bytes(row, 3)?;
        Ok(Row {
            id: row.try_get(0)?,
            table: Cell::text(bytes(row, 1)?),
            op: Cell::text(bytes(row, 2)?),
            payload: if self.statements.has_bytes {
                Cell::blob(payload)
            } else {
                Cell::text(payload)
            },
            made_at: row.try_get::<Option<i64>, _>(4)?.map_or(Cell::Null, Cell::Integer),
        })
    }

    async fn history(&self, session: &mut Session, wanted: Option<u64>) -> Result<History> {
        const OPERATION: &str = "read the outbox's history";
        let highest = self.highest(session).await?;
        let rows = match wanted {
            Some(wanted) => session.fetch(self.statements.one.as_str(), one(wanted)?).await,
            None => Ok(Vec::new()),
        };
        let rows = rows.map_err(|failure| self.failed(OPERATION, failure))?;
        let row = rows.first().map(|row| self.row(row)).transpose();
        let row = row.map_err(|error| self.unreadable(OPERATION, error))?;
        let marks = self.marks(session).await?;
        let mark = marks.into_iter().find(|mark| mark.migration == self.names.migration);
        Ok(History { highest, row, mark })
    }

    async fn highest(&self, session: &mut Session) -> Result<u64> {
        const OPERATION: &str = "read highest outbox id";
        let named = one(self.names.table.as_str())?;
        let rows = session.fetch(statement::NEXT_ID, named).await;
        let rows = rows.map_err(|failure| self.failed(OPERATION, failure))?;
        let next: Option<u64> = match rows.first() {
            Some(row) => row.try_get(0).map_err(|error| self.unreadable(OPERATION, error))?,
            None => None,
        };
        Ok(next.unwrap_or(1).saturating_sub(1))
    }

    /// None where there is no table of them.
    async fn marks(&self, session: &mut Session) -> Result<Vec<Mark>> {
        const OPERATION: &str = "read marks of the outbox";
        let rows = session.fetch(statement::MARKS, one(self.names.table.as_bytes())?).await;
        let rows = match rows {
            Err(failure) if failure.number() == Some(error_number::NO_SUCH_TABLE) => Vec::new(),
            rows => rows.map_err(|failure| self.failed(OPERATION, failure))?,
        };
        let mark = |row: &MySqlRow| -> sqlx::Result<Mark> {
            let migration: Vec<u8> = row.try_get(0)?;
            Ok(Mark {
                migration: String::from_utf8_lossy(&migration).into_owned(),
                source_epoch: row.try_get(1)?,
                position: row.try_get(2)?,
            })
        };
        let marks: sqlx::Result<Vec<Mark>> = rows.iter().map(mark).collect();
        marks.map_err(|error| self.unreadable(OPERATION, error))
    }
}

#[derive(Debug)]
struct MysqlReader(Arc<Shared>);

#[async_trait]
impl Reader for MysqlReader {
    async fn rows(&mut self, taken: &mut Taken) -> Result<()> {
        const OPERATION: &str = "read outbox";
        let shared = &*self.0;
        let mut session = shared.database.session().await?;
        let mut from = one(taken.from())?;
        add(&mut from, taken.limit())?;
        let take = |row: &MySqlRow| Ok(taken.take(shared.row(row)?));
        let read = session.each(shared.statements.from.as_str(), from, take).await;
        let read: sqlx::Result<()> = read.map_err(|failure| shared.failed(OPERATION, failure))?;
        read.map_err(|error| shared.unreadable(OPERATION, error))
    }

    async fn history(&mut self, number: Option<u64>) -> Result<History> {
        const OPERATION: &str = "read the outbox's history";
        let shared = &*self.0;
        let mut session = shared.database.session().await?;
        let failed = |failure| shared.failed(OPERATION, failure);
        session.begin_snapshot().await.map_err(failed)?;
        let history = shared.history(&mut session, number).await?;
        session.commit().await.map_err(failed)?;
        Ok(history)
    }

    async fn last(&mut self) -> Result<(Option<Row>, u64)> {
        const OPERATION: &str = "read end of outbox";
        let shared = &*self.0;
        let mut session = shared.database.session().await?;
        let rows = session.fetch(shared.statements.last.as_str(), arguments()).await;
        let rows = rows.map_err(|failure| shared.failed(OPERATION, failure))?;
        let last = rows.first().map(|row| shared.row(row)).transpose();
        let last = last.map_err(|error| shared.unreadable(OPERATION, error))?;
        // What was given out meanwhile is above the row and asked for only where there is none.
        let highest = shared.highest(&mut session).await?;
        Ok((last, highest))
    }

    async fn backlog(&mut self, from: u64) -> Result<Backlog> {
        const OPERATION: &str = "read lag of outbox";
        let shared = &*self.0;
        let mut session = shared.database.session().await?;
        let rows = session.fetch(shared.statements.backlog.as_str(), one(from)?).await;
        let rows = rows.map_err(|failure| shared.failed(OPERATION, failure))?;
        let Some(row) = rows.first() else {
            return Ok(Backlog { highest_row: 0, oldest_made_at: None });
        };
        let read = |column| {
            let value: sqlx::Result<Option<i64>> = row.try_get(column);
            value.map_err(|error| shared.unreadable(OPERATION, error))
        };
        Ok(Backlog { highest_row: read(0)?.map_or(0, number), oldest_made_at: read(1)? })
    }

    async fn writers(&mut self) -> Result<BTreeSet<String>> {
        writers::look(&self.0.database).await
    }

    async fn mark_count(&mut self) -> Result<u64> {
        let mut session = self.0.database.session().await?;
        let marks = self.0.marks(&mut session).await?;
        let own = |mark: &&Mark| mark.migration == self.0.names.migration;
        Ok(marks.iter().filter(own).count() as u64)
    }
}

/// A transaction; dropped, the session rolls back.
struct MysqlStep {
    shared: Arc<Shared>,
    session: Session,
}

#[async_trait]
impl Step for MysqlStep {
    async fn history(&mut self, number: Option<u64>) -> Result<History> {
        self.shared.history(&mut self.session, number).await
    }

    async fn marks(&mut self) -> Result<Vec<Mark>> {
        self.shared.marks(&mut self.session).await
    }

    async fn put_mark(&mut self, position: &Position) -> Result<()> {
        let mut values = self.shared.own()?;
        add(&mut values, self.shared.names.source_epoch)?;
        add(&mut values, position.as_bytes())?;
        add(&mut values, Timestamp::now().0)?;
        let put = self.session.execute(statement::PUT_MARK, values).await;
        put.map(drop).map_err(|failure| self.shared.failed("write mark of the outbox", failure))
    }

    async fn delete_below(&mut self, number: u64, rows_max: u32) -> Result<u64> {
        let mut below = one(number)?;
        add(&mut below, rows_max)?;
        let sql = self.shared.statements.delete_below.as_str();
        let done = self.session.execute(sql, below).await;
        done.map_err(|failure| self.shared.failed("trim outbox", failure))
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.session.commit().await.map_err(|failure| {
            let error = self.shared.failed("commit marks of the outbox", failure);
            if is_unknown(&error) { error.into_kind(ErrorKind::UnknownOutcome) } else { error }
        })
    }
}

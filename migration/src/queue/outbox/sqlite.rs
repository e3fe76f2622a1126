//! The outbox of a SQLite source.
//!
//! Ids are commit order: SQLite has one writer at a time, and `AUTOINCREMENT` never gives an id out
//! twice. The file is opened read-only, but for what changes marks.

mod cell;
mod statement;
mod table;

pub use table::{check_outbox, outbox_ddl};

use super::engine::{Backlog, Engine, Names, Reader, Step, id, number};
use super::history::{History, Mark};
use super::mark::MARK_TABLE;
use super::row::{Row, Taken};
use crate::clock::Timestamp;
use crate::driver::sqlite::{self, CurrentFile, read_only, within};
use crate::error::Result;
use crate::fault;
use crate::position::Position;
use async_trait::async_trait;
use futures::TryStreamExt as _;
use sqlx::{Connection as _, SqliteConnection};
use statement::Statements;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One table of one file.
#[derive(Debug)]
pub(super) struct SqliteEngine {
    path: PathBuf,
    shared: Arc<Shared>,
}

/// What readers and steps need of it.
#[derive(Debug)]
struct Shared {
    names: Names,
    statements: Statements,
}

impl SqliteEngine {
    /// Opens the outbox, and gives it the name that the source spells.
    pub(super) async fn open(path: &Path, mut names: Names) -> Result<(Self, Names)> {
        let mut source = CurrentFile::new(read_only(path));
        let mut opened = source.take().await?;
        table::check(&mut opened.connection, &names.table).await?;
        names.table = table::spelling(&mut opened.connection, &names.table).await?;
        let statements = Statements::new(&names.table);
        let shared = Arc::new(Shared { names: names.clone(), statements });
        Ok((Self { path: path.to_owned(), shared }, names))
    }
}

#[async_trait]
impl Engine for SqliteEngine {
    fn commits_in_order(&self) -> bool {
        true
    }

    fn reader(&self) -> Box<dyn Reader> {
        let source = CurrentFile::new(read_only(&self.path));
        Box::new(SqliteReader { shared: Arc::clone(&self.shared), source })
    }

    async fn begin(&self) -> Result<Box<dyn Step>> {
        let mut connection = sqlite::connect(&sqlite::read_write(&self.path)).await?;
        within("lock marks of the outbox", async {
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
            sqlx::query(statement::MARK_DDL).execute(&mut connection).await
        })
        .await?;
        Ok(Box::new(SqliteStep { shared: Arc::clone(&self.shared), connection }))
    }

    async fn remove_marks(&self) -> Result<()> {
        let names = &self.shared.names;
        let mut connection = sqlite::connect(&sqlite::read_write(&self.path)).await?;
        within("remove marks of the outbox", async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            if has_marks(&mut transaction).await? {
                sqlx::query(statement::REMOVE_MARK)
                    .bind(&names.migration)
                    .bind(&names.table)
                    .execute(&mut *transaction)
                    .await?;
                let others: bool =
                    sqlx::query_scalar(statement::ANY_MARK).fetch_one(&mut *transaction).await?;
                if !others {
                    sqlx::query(statement::DROP_MARKS).execute(&mut *transaction).await?;
                }
                fault::point("outbox.cleanup.removed");
            }
            transaction.commit().await
        })
        .await?;
        fault::point("outbox.cleanup.committed");
        Ok(())
    }

    fn set_up_statements(&self) -> Vec<String> {
        vec![format!("{};", statement::MARK_DDL)]
    }
}

/// A connection that follows the file's path: a restored source is another file.
#[derive(Debug)]
struct SqliteReader {
    shared: Arc<Shared>,
    source: CurrentFile,
}

#[async_trait]
impl Reader for SqliteReader {
    async fn rows(&mut self, taken: &mut Taken) -> Result<()> {
        let mut opened = self.source.take().await?;
        within("read outbox", async {
            let mut stream = sqlx::query(self.shared.statements.from.clone())
                .bind(id(taken.from()))
                .bind(id(taken.limit()))
                .fetch(&mut opened.connection);
            while let Some(row) = stream.try_next().await? {
                if taken.take(cell::row(&row)?).is_break() {
                    break;
                }
            }
            Ok(())
        })
        .await?;
        self.source.put_back(opened);
        Ok(())
    }

    async fn history(&mut self, number: Option<u64>) -> Result<History> {
        let mut opened = self.source.take().await?;
        let history = within("read the outbox's history", async {
            // One transaction, so that the answers belong together.
            let mut transaction = opened.connection.begin().await?;
            let history = self.shared.history(&mut transaction, number).await?;
            transaction.rollback().await?;
            Ok(history)
        })
        .await?;
        self.source.put_back(opened);
        Ok(history)
    }

    async fn last(&mut self) -> Result<(Option<Row>, u64)> {
        let mut opened = self.source.take().await?;
        let last = within("read end of outbox", async {
            let mut transaction = opened.connection.begin().await?;
            let last = sqlx::query(self.shared.statements.last.clone())
                .fetch_optional(&mut *transaction)
                .await?
                .map(|row| cell::row(&row))
                .transpose()?;
            let highest = self.shared.highest(&mut transaction).await?;
            transaction.rollback().await?;
            Ok((last, highest))
        })
        .await?;
        self.source.put_back(opened);
        Ok(last)
    }

    async fn backlog(&mut self, from: u64) -> Result<Backlog> {
        let mut opened = self.source.take().await?;
        let backlog = within("read lag of outbox", async {
            let highest: Option<i64> =
                sqlx::query_scalar(self.shared.statements.highest_row.clone())
                    .fetch_one(&mut opened.connection)
                    .await?;
            let oldest_made_at = sqlx::query_scalar(self.shared.statements.oldest_made_at.clone())
                .bind(id(from))
                .fetch_optional(&mut opened.connection)
                .await?;
            Ok(Backlog { highest_row: highest.map_or(0, number), oldest_made_at })
        })
        .await?;
        self.source.put_back(opened);
        Ok(backlog)
    }

    async fn writers(&mut self) -> Result<BTreeSet<String>> {
        Ok(BTreeSet::new())
    }

    async fn mark_count(&mut self) -> Result<u64> {
        let names = &self.shared.names;
        let mut opened = self.source.take().await?;
        let count: i64 = within("read marks of the outbox", async {
            if !has_marks(&mut opened.connection).await? {
                return Ok(0);
            }
            sqlx::query_scalar(statement::COUNT_MARKS)
                .bind(&names.migration)
                .bind(&names.table)
                .fetch_one(&mut opened.connection)
                .await
        })
        .await?;
        self.source.put_back(opened);
        Ok(number(count))
    }
}

impl Shared {
    async fn history(
        &self,
        connection: &mut SqliteConnection,
        number: Option<u64>,
    ) -> sqlx::Result<History> {
        let highest = self.highest(connection).await?;
        let row = match number {
            Some(number) => sqlx::query(self.statements.from.clone())
                .bind(id(number))
                .bind(1)
                .fetch_optional(&mut *connection)
                .await?
                .map(|row| cell::row(&row))
                .transpose()?
                .filter(|row| row.number() == number),
            None => None,
        };
        let marks =
            if has_marks(connection).await? { self.marks(connection).await? } else { Vec::new() };
        let mark = marks.into_iter().find(|mark| mark.migration == self.names.migration);
        Ok(History { highest, row, mark })
    }

    async fn highest(&self, connection: &mut SqliteConnection) -> sqlx::Result<u64> {
        let highest: Option<i64> = sqlx::query_scalar(statement::HIGHEST)
            .bind(&self.names.table)
            .fetch_optional(connection)
            .await?;
        Ok(highest.map_or(0, number))
    }

    async fn marks(&self, connection: &mut SqliteConnection) -> sqlx::Result<Vec<Mark>> {
        let rows: Vec<(String, i64, Vec<u8>)> =
            sqlx::query_as(statement::MARKS).bind(&self.names.table).fetch_all(connection).await?;
        let mark = |(migration, epoch, position)| Mark {
            migration,
            source_epoch: u32::try_from(epoch).unwrap_or(u32::MAX),
            position,
        };
        Ok(rows.into_iter().map(mark).collect())
    }
}

/// Whether any migration has put a mark into this source.
async fn has_marks(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar(statement::HAS_MARKS).bind(MARK_TABLE).fetch_one(connection).await
}

/// A transaction on a connection of its own, which closing it ends.
#[derive(Debug)]
struct SqliteStep {
    shared: Arc<Shared>,
    connection: SqliteConnection,
}

#[async_trait]
impl Step for SqliteStep {
    async fn history(&mut self, number: Option<u64>) -> Result<History> {
        let history = self.shared.history(&mut self.connection, number);
        within("read the outbox's history", history).await
    }

    async fn marks(&mut self) -> Result<Vec<Mark>> {
        within("read marks of the outbox", self.shared.marks(&mut self.connection)).await
    }

    async fn put_mark(&mut self, position: &Position) -> Result<()> {
        let names = &self.shared.names;
        let put = sqlx::query(statement::PUT_MARK)
            .bind(&names.migration)
            .bind(&names.table)
            .bind(names.source_epoch)
            .bind(position.as_bytes())
            .bind(Timestamp::now().0)
            .execute(&mut self.connection);
        within("write mark of the outbox", put).await.map(drop)
    }

    async fn delete_below(&mut self, number: u64, rows_max: u32) -> Result<u64> {
        let done = sqlx::query(self.shared.statements.delete_below.clone())
            .bind(id(number))
            .bind(rows_max)
            .execute(&mut self.connection);
        Ok(within("trim outbox", done).await?.rows_affected())
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        let commit = sqlx::query("COMMIT").execute(&mut self.connection);
        within("commit marks of the outbox", commit).await?;
        within("close SQLite file", self.connection.close()).await
    }
}

//! The transactional outbox: a table in the source, written in the same transaction as the data.
//!
//! Nothing is committed without being emitted, and ids are commit order: SQLite has one writer at
//! a time, and `AUTOINCREMENT` never gives an id out twice. The table is the application's; these
//! columns are read, by name:
//!
//! | column | content |
//! |---|---|
//! | `id` | `INTEGER PRIMARY KEY AUTOINCREMENT`, given out by SQLite, never by the application |
//! | `table_name` | the source table that changed |
//! | `op` | `upsert` or `delete` |
//! | `payload` | JSON object: the whole row, or for a delete at least its key columns |
//! | `made_at` | microseconds since the Unix epoch |
//!
//! The outbox is opened read-only, but for `register`, `trim` and the clean-up. While a migration
//! runs, only its `trim` may remove rows: a position names the row it comes after together with a
//! hash of it, and finding that row gone or changed is how a restored source is noticed.

mod cell;
mod consumer;
mod evidence;
mod mark;
mod row;
mod statement;
mod table;

pub use table::{check_outbox, outbox_ddl};

use super::place::{Evidence, Place, check_reached};
use super::{Assignment, Consumer, Lag, Queue};
use crate::clock::Timestamp;
use crate::driver::sqlite::{CurrentFile, read_only, within};
use crate::error::{Error, ErrorKind, Result};
use crate::position::{Position, Version};
use crate::store::SideTable;
use async_trait::async_trait;
use consumer::OutboxConsumer;
use evidence::{Names, highest, prove};
use row::Row;
use sqlx::Connection as _;
use statement::Statements;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The outbox of a SQLite source, as a queue of one partition that is named after the table.
#[derive(Debug)]
pub struct OutboxQueue {
    path: PathBuf,
    names: Names,
    statements: Statements,
    /// For everything but consuming, which has connections of its own.
    source: Mutex<CurrentFile>,
}

impl OutboxQueue {
    /// Opens the outbox `table` of the source at `path`. `source_epoch` leads every version.
    ///
    /// # Errors
    /// `Refused` if the table is not fit to be an outbox, see [`check_outbox`]; errors of opening
    /// the file.
    pub async fn open(
        path: &Path,
        table: &str,
        migration: &str,
        source_epoch: u32,
    ) -> Result<Self> {
        let mut source = CurrentFile::new(read_only(path));
        let mut opened = source.take().await?;
        table::check(&mut opened.connection, table).await?;
        let table = table::spelling(&mut opened.connection, table).await?;
        source.put_back(opened);
        let statements = Statements::new(&table);
        let names = Names { migration: migration.to_owned(), table, source_epoch };
        Ok(Self { path: path.to_owned(), names, statements, source: Mutex::new(source) })
    }

    fn check_partition(&self, partition: &str) -> Result<()> {
        if partition == self.names.table {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Refused, "read outbox: no such partition")
            .with("partition", partition)
            .with("outbox", &self.names.table))
    }
}

#[async_trait]
impl Queue for OutboxQueue {
    fn assignment(&self) -> Assignment {
        Assignment::Lease
    }

    async fn partitions(&self) -> Result<Vec<Arc<str>>> {
        Ok(vec![Arc::from(self.names.table.as_str())])
    }

    async fn end(&self, partition: &str) -> Result<Position> {
        self.check_partition(partition)?;
        let mut source = self.source.lock().await;
        let mut opened = source.take().await?;
        let (last, highest) = within("read end of outbox", async {
            let mut transaction = opened.connection.begin().await?;
            let last = sqlx::query(self.statements.last.clone())
                .fetch_optional(&mut *transaction)
                .await?
                .map(|row| Row::read(&row))
                .transpose()?;
            let highest = highest(&mut transaction, &self.names).await?;
            transaction.rollback().await?;
            Ok((last, highest))
        })
        .await?;
        source.put_back(opened);
        let epoch = self.names.source_epoch;
        match last {
            Some(row) => Place::after(epoch, row.number(), row.witness(&mut Vec::new())),
            None => Place::after_nothing(epoch, highest),
        }
        .position()
    }

    async fn source_shows(&self, partition: &str, position: &Position) -> Result<bool> {
        self.check_partition(partition)?;
        let place = Place::read(position)?;
        let mut source = self.source.lock().await;
        let mut opened = source.take().await?;
        let highest =
            within("read highest outbox id", highest(&mut opened.connection, &self.names)).await?;
        source.put_back(opened);
        // Queue and data are one file, so what the queue had once is shown, or was undone.
        let evidence = Evidence { epoch: self.names.source_epoch, highest, ..Evidence::default() };
        check_reached(place, &evidence).map_err(|error| error.with("outbox", partition))?;
        Ok(true)
    }

    async fn lag(&self, partition: &str, from: &Position) -> Result<Lag> {
        self.check_partition(partition)?;
        let place = Place::read(from)?;
        let mut source = self.source.lock().await;
        let mut opened = source.take().await?;
        prove(&mut opened.connection, &self.names, &self.statements, place).await?;
        let (highest, oldest) = within("read lag of outbox", async {
            let highest: Option<i64> = sqlx::query_scalar(self.statements.highest_row.clone())
                .fetch_one(&mut opened.connection)
                .await?;
            let oldest: Option<i64> = sqlx::query_scalar(self.statements.oldest_made_at.clone())
                .bind(i64::try_from(place.offset()).unwrap_or(i64::MAX))
                .fetch_optional(&mut opened.connection)
                .await?;
            Ok((highest, oldest))
        })
        .await?;
        source.put_back(opened);
        // Ids are counted, not rows: gaps only make it more than there is.
        let after_last = highest.and_then(|id| u64::try_from(id).ok()).map_or(0, |id| id + 1);
        let messages = after_last.saturating_sub(place.offset().max(1));
        let age = match oldest {
            Some(micros) if messages > 0 => Timestamp::now().since(Timestamp(micros)),
            _ => Duration::ZERO,
        };
        Ok(Lag { messages, age })
    }

    async fn version_at(&self, partition: &str, position: &Position) -> Result<Version> {
        self.check_partition(partition)?;
        Place::read(position)?.version()
    }

    async fn consumer(&self) -> Result<Box<dyn Consumer>> {
        let source = CurrentFile::new(read_only(&self.path));
        Ok(Box::new(OutboxConsumer::new(self.names.clone(), self.statements.clone(), source)))
    }

    async fn register(&self, partition: &str, start: &Position) -> Result<()> {
        self.check_partition(partition)?;
        mark::register(&self.path, &self.names, start).await
    }

    async fn trim(&self, partition: &str, below: &Position) -> Result<u64> {
        self.check_partition(partition)?;
        mark::trim(&self.path, &self.names, &self.statements, below).await
    }

    fn set_up_statements(&self) -> Vec<String> {
        vec![format!("{};", statement::MARK_DDL)]
    }

    async fn side_tables(&self) -> Result<Vec<SideTable>> {
        let mut source = self.source.lock().await;
        let mut opened = source.take().await?;
        let tables = mark::side_tables(&mut opened.connection, &self.names).await?;
        source.put_back(opened);
        Ok(tables)
    }

    async fn remove_side_tables(&self) -> Result<()> {
        mark::remove_side_tables(&self.path, &self.names).await
    }

    fn is_current(&self, position: &Position) -> Result<bool> {
        Ok(Place::read(position)?.epoch == self.names.source_epoch)
    }

    fn describe(&self, position: &Position) -> String {
        Place::read(position)
            .map_or_else(|_| format!("{position:?}"), |place| place.offset().to_string())
    }
}

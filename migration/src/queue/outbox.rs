//! The transactional outbox: a table in the source, written in the same transaction as the data.
//!
//! Nothing is committed without being emitted. The table is the application's; these columns are
//! read, by name:
//!
//! | column | content |
//! |---|---|
//! | `id` | counts up, given out by the database and never by the application |
//! | `table_name` | the source table that changed |
//! | `op` | `upsert` or `delete` |
//! | `payload` | JSON object: the whole row, or for a delete at least its key columns |
//! | `made_at` | microseconds since the Unix epoch |
//!
//! The application writes the outbox row *after* the data row: then ids are commit order for each
//! record, because the second of two that change it waits for the first. Over all records they are
//! not, where transactions run side by side; the reader takes care of that (`horizon`).
//!
//! The outbox is only read, but for `register`, `trim` and the clean-up. While a migration runs,
//! only its `trim` may remove rows: a position names the row it comes after together with a hash of
//! it, and finding that row gone or changed is how a restored source is noticed.

mod cell;
mod consumer;
mod engine;
mod history;
mod horizon;
mod mark;
mod mysql;
mod postgres;
mod row;
mod sqlite;

pub use mysql::mysql_outbox_ddl;
pub use postgres::postgres_outbox_ddl;
pub use sqlite::{check_outbox, outbox_ddl};

use super::place::{Evidence, Place, check_reached};
use super::{Assignment, Consumer, Lag, Queue};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::ServerUrl;
use crate::position::{Position, Version};
use crate::store::SideTable;
use async_trait::async_trait;
use consumer::OutboxConsumer;
use engine::{Engine, Names, Reader};
use history::prove;
use horizon::Horizon;
use mysql::MysqlEngine;
use postgres::PostgresEngine;
use sqlite::SqliteEngine;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// How long a look at the source waits for transactions that were open when it began: most end a
/// moment later.
const SETTLE_FOR: Duration = Duration::from_secs(2);

/// Between two looks at them.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The outbox of a source, as a queue of one partition that is named after the table.
#[derive(Debug)]
pub struct OutboxQueue {
    names: Names,
    engine: Box<dyn Engine>,
    /// For everything but consuming, which has readers of its own.
    looking: Mutex<Looking>,
}

#[derive(Debug)]
struct Looking {
    reader: Box<dyn Reader>,
    horizon: Horizon,
}

impl OutboxQueue {
    /// Opens the outbox `table` of the SQLite source at `path`. `source_epoch` leads every version.
    ///
    /// # Errors
    /// `Refused` if the table is not fit to be an outbox, see [`check_outbox`]; errors of opening
    /// the file.
    pub async fn sqlite(
        path: &Path,
        table: &str,
        migration: &str,
        source_epoch: u32,
    ) -> Result<Self> {
        let (engine, names) =
            SqliteEngine::open(path, names(table, migration, source_epoch)).await?;
        Ok(Self::over(Box::new(engine), names))
    }

    /// Opens the outbox `table` of the PostgreSQL source that `url` leads to.
    ///
    /// # Errors
    /// `Refused` if the table is not fit to be an outbox, see [`postgres_outbox_ddl`], or if the
    /// server is a replica; those of opening the database.
    pub async fn postgres(
        url: &ServerUrl,
        table: &str,
        migration: &str,
        source_epoch: u32,
    ) -> Result<Self> {
        let names = names(table, migration, source_epoch);
        let (engine, names) = PostgresEngine::open(url, names).await?;
        Ok(Self::over(Box::new(engine), names))
    }

    /// Opens the outbox `table` of the MySQL or MariaDB source that `url` leads to. The user needs
    /// the privilege PROCESS.
    ///
    /// # Errors
    /// `Refused` if the table is not fit to be an outbox, see [`mysql_outbox_ddl`], if the server
    /// is a replica or one of several that are written to, or if the privilege lacks; those of
    /// opening the database.
    pub async fn mysql(
        url: &ServerUrl,
        table: &str,
        migration: &str,
        source_epoch: u32,
    ) -> Result<Self> {
        let (engine, names) = MysqlEngine::open(url, names(table, migration, source_epoch)).await?;
        Ok(Self::over(Box::new(engine), names))
    }

    fn over(engine: Box<dyn Engine>, names: Names) -> Self {
        let horizon = Horizon::new(engine.commits_in_order());
        let looking = Mutex::new(Looking { reader: engine.reader(), horizon });
        Self { names, engine, looking }
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

fn names(table: &str, migration: &str, source_epoch: u32) -> Names {
    Names { migration: migration.to_owned(), table: table.to_owned(), source_epoch }
}

impl Looking {
    /// Whether everything up to `number`, which has been given out, shows now or never will.
    async fn settle(&mut self, number: u64) -> Result<bool> {
        let deadline = Instant::now() + SETTLE_FOR;
        loop {
            let settled = self.horizon.settle(&mut *self.reader, number).await;
            if settled.inspect_err(|_| self.horizon.forget())? {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// How far the clock of whoever writes the outbox may be ahead of ours.
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// The age of a row. One from the future would make a queue that stands look as if all were read.
fn age(made_at: Timestamp) -> Result<Duration> {
    let now = Timestamp::now();
    if made_at.since(now) > AHEAD_MAX {
        return Err(Error::new(
            ErrorKind::Unreadable,
            "read lag of outbox: a row lies in the future",
        )
        .with("made_at", made_at.0)
        .with("now", now.0)
        .hint(
            "`made_at` is in microseconds since the Unix epoch: mend what writes it, or the \
                 clock of its machine",
        ));
    }
    Ok(now.since(made_at))
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
        let (last, highest) = self.looking.lock().await.reader.last().await?;
        let epoch = self.names.source_epoch;
        match last {
            Some(row) => Place::after(epoch, row.number(), row.witness(&mut Vec::new())),
            None if self.engine.commits_in_order() => Place::after_nothing(epoch, highest),
            // What was given out may still come.
            None => Place::before(epoch, 0),
        }
        .position()
    }

    async fn source_shows(&self, partition: &str, position: &Position) -> Result<bool> {
        self.check_partition(partition)?;
        let place = Place::read(position)?;
        let mut looking = self.looking.lock().await;
        let (_, highest) = looking.reader.last().await?;
        // Queue and data are one database, so what the queue had once is shown, or was undone.
        let evidence = Evidence { epoch: self.names.source_epoch, highest, ..Evidence::default() };
        check_reached(place, &evidence).map_err(|error| error.with("outbox", partition))?;
        // A row below the position may be on its way.
        looking.settle(place.number).await
    }

    fn producer_lag_max(&self) -> Duration {
        Duration::ZERO
    }

    async fn lag(&self, partition: &str, from: &Position) -> Result<Lag> {
        self.check_partition(partition)?;
        let place = Place::read(from)?;
        let mut looking = self.looking.lock().await;
        prove(&mut *looking.reader, &self.names, place).await?;
        let backlog = looking.reader.backlog(place.offset()).await?;
        drop(looking);
        // Ids are counted, not rows: gaps only make it more than there is.
        let messages = match backlog.highest_row {
            0 => 0,
            highest => (highest + 1).saturating_sub(place.offset().max(1)),
        };
        let age = match backlog.oldest_made_at {
            Some(micros) if messages > 0 => age(Timestamp(micros))?,
            _ => Duration::ZERO,
        };
        Ok(Lag { messages, age })
    }

    async fn version_at(&self, partition: &str, position: &Position) -> Result<Version> {
        self.check_partition(partition)?;
        Place::read(position)?.version()
    }

    async fn consumer(&self) -> Result<Box<dyn Consumer>> {
        let horizon = Horizon::new(self.engine.commits_in_order());
        Ok(Box::new(OutboxConsumer::new(self.names.clone(), self.engine.reader(), horizon)))
    }

    async fn register(&self, partition: &str, start: &Position) -> Result<()> {
        self.check_partition(partition)?;
        mark::register(&*self.engine, &self.names, start).await
    }

    async fn trim(&self, partition: &str, below: &Position) -> Result<u64> {
        self.check_partition(partition)?;
        mark::trim(&*self.engine, &self.names, below).await
    }

    fn set_up_statements(&self) -> Vec<String> {
        self.engine.set_up_statements()
    }

    async fn side_tables(&self) -> Result<Vec<SideTable>> {
        let rows = self.looking.lock().await.reader.mark_count().await?;
        let table = |rows| SideTable { name: mark::MARK_TABLE.to_owned(), rows };
        Ok((rows > 0).then(|| table(rows)).into_iter().collect())
    }

    async fn remove_side_tables(&self) -> Result<()> {
        self.engine.remove_marks().await
    }

    fn is_current(&self, position: &Position) -> Result<bool> {
        Ok(Place::read(position)?.epoch == self.names.source_epoch)
    }

    fn describe(&self, position: &Position) -> String {
        Place::read(position)
            .map_or_else(|_| format!("{position:?}"), |place| place.offset().to_string())
    }
}

//! A checkpoint store in a SQLite file of its own: for one machine.
//!
//! The file may hold several migrations: every key begins with the migration's id. One connection
//! writes and one reads, so that a write that waits for another process holds no read up.

mod file;
mod open;

use super::{CheckpointStore, Entry, LogLine, Revision};
use crate::driver::sqlite::within;
use crate::error::{Error, ErrorKind, Result};
use async_trait::async_trait;
use file::FileIdentity;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// How long a call waits for other processes before it fails as `Busy`. They write for
/// milliseconds, so this is reached only if one of them is stopped, or the disk hangs or is so slow
/// that others always come first: SQLite keeps no queue of those who wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const LIST: &str = "SELECT key, value, revision FROM entry \
     WHERE migration = ?1 AND key >= ?2 AND key > ?3 AND substr(key, 1, length(?2)) = ?2 \
     ORDER BY key LIMIT ?4";

const LIST_KEYS: &str = "SELECT key FROM entry \
     WHERE migration = ?1 AND key >= ?2 AND key > ?3 AND substr(key, 1, length(?2)) = ?2 \
     ORDER BY key LIMIT ?4";

/// The checkpoints of one migration, in a SQLite file.
#[derive(Debug)]
pub struct SqliteCheckpoint {
    migration: String,
    path: PathBuf,
    identity: FileIdentity,
    busy_timeout: Duration,
    reader: Mutex<SqliteConnection>,
    writer: Mutex<Option<SqliteConnection>>,
}

/// The writing connection while it is used. One that is dropped before [`Writing::keep`], because
/// of an error or because the caller went away, is closed, and what it had begun is rolled back.
/// (After an error that made SQLite roll back by itself, such as a full disk, the driver takes the
/// transaction for open for ever.)
struct Writing<'a> {
    connection: SqliteConnection,
    slot: MutexGuard<'a, Option<SqliteConnection>>,
}

impl Writing<'_> {
    fn keep(mut self) {
        *self.slot = Some(self.connection);
    }
}

impl SqliteCheckpoint {
    /// Opens the file, and makes it if there is none.
    ///
    /// # Errors
    /// `Refused` if the file belongs to something else or to a later version, `Unreadable` if it is
    /// no SQLite database or damaged, `Busy` if it stays locked, and those of opening a file.
    pub async fn open(path: &Path, migration: &str) -> Result<Self> {
        Self::open_waiting(path, migration, open::Missing::Make, BUSY_TIMEOUT).await
    }

    /// Opens the file, which must be there: for commands that only look, so that a mistyped path
    /// does not look like a migration that has not begun.
    ///
    /// # Errors
    /// `Refused` if there is no file; otherwise those of [`SqliteCheckpoint::open`].
    pub async fn open_existing(path: &Path, migration: &str) -> Result<Self> {
        Self::open_waiting(path, migration, open::Missing::Refuse, BUSY_TIMEOUT).await
    }

    async fn open_waiting(
        path: &Path,
        migration: &str,
        missing: open::Missing,
        busy_timeout: Duration,
    ) -> Result<Self> {
        let (reader, writer) = open::open(path, missing, busy_timeout).await?;
        Ok(Self {
            migration: migration.to_owned(),
            path: path.to_owned(),
            identity: FileIdentity::of(path)?,
            busy_timeout,
            reader: Mutex::new(reader),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Runs one call, bounded, and says of which file and by whom it was held up.
    async fn call<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T> {
        within(operation, call).await.map_err(|error| open::explain(error, &self.path))
    }

    /// As [`SqliteCheckpoint::call`], for one that writes: what took no answer may have taken
    /// effect.
    async fn write<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T> {
        self.call(operation, call).await.map_err(|error| match error.kind() {
            ErrorKind::TimedOut | ErrorKind::Unavailable | ErrorKind::Failed => {
                error.into_kind(ErrorKind::UnknownOutcome)
            }
            _ => error,
        })
    }

    /// That the file is still the one that was opened. What is written to one that was removed or
    /// replaced would be seen by nobody, and what is read from it is the past: a reader that took
    /// it for news would miss every change since.
    fn check_identity(&self, operation: &str) -> Result<()> {
        if FileIdentity::of(&self.path).ok() == Some(self.identity) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Lost, format!("{operation}: the file is another one now"))
            .with("file", self.path.display())
            .hint("put the file back that was there, or start again to begin a new one: what is safe to skip is known to the target"))
    }

    async fn reader(&self) -> Result<MutexGuard<'_, SqliteConnection>> {
        let reader = self.reader.lock().await;
        self.check_identity("read checkpoint")?;
        Ok(reader)
    }

    /// The entries after a key, below a prefix, of which a row each gives something.
    async fn page<T>(
        &self,
        list: &'static str,
        (prefix, after, limit): (&str, Option<&str>, usize),
        of_row: impl Fn(&SqliteRow) -> sqlx::Result<T>,
    ) -> Result<Vec<T>> {
        let mut reader = self.reader().await?;
        self.call("list checkpoints", async {
            let rows = sqlx::query(list)
                .bind(&self.migration)
                .bind(prefix)
                .bind(after.unwrap_or(""))
                .bind(whole(limit as u64))
                .fetch_all(&mut *reader)
                .await?;
            rows.iter().map(of_row).collect()
        })
        .await
        .map_err(|error| error.with("prefix", prefix))
    }

    async fn writer(&self) -> Result<Writing<'_>> {
        let mut slot = self.writer.lock().await;
        self.check_identity("write checkpoint")?;
        let connection = match slot.take() {
            Some(connection) => connection,
            None => open::reopen(&self.path, self.busy_timeout).await?,
        };
        Ok(Writing { connection, slot })
    }
}

fn revision() -> i64 {
    // Random, so that an entry that was removed and put anew never has the revision of the old one.
    // 63 bits: SQLite's integers are signed.
    i64::try_from(uuid::Uuid::new_v4().as_u64_pair().0 >> 1).unwrap_or(i64::MAX)
}

/// A whole number as SQLite holds it. None that is counted here reaches 2^63.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(row: &SqliteRow, column: usize) -> sqlx::Result<u64> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn entry(row: &SqliteRow, first: usize) -> sqlx::Result<Entry> {
    Ok(Entry { value: row.try_get(first)?, revision: Revision(number(row, first + 1)?) })
}

#[async_trait]
impl CheckpointStore for SqliteCheckpoint {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        let mut reader = self.reader().await?;
        self.call("read checkpoint", async {
            sqlx::query("SELECT value, revision FROM entry WHERE migration = ? AND key = ?")
                .bind(&self.migration)
                .bind(key)
                .fetch_optional(&mut *reader)
                .await?
                .map(|row| entry(&row, 0))
                .transpose()
        })
        .await
        .map_err(|error| error.with("key", key))
    }

    async fn put(
        &self,
        key: &str,
        value: &[u8],
        expected: Option<Revision>,
    ) -> Result<Option<Revision>> {
        let mut writer = self.writer().await?;
        let revision = revision();
        // One statement is one transaction. It is executed to its end, not asked for a row: the
        // driver would not tell of a commit that fails after the row.
        let statement = match expected {
            None => sqlx::query(
                "INSERT INTO entry (value, revision, migration, key) VALUES (?, ?, ?, ?)
                     ON CONFLICT (migration, key) DO NOTHING",
            ),
            Some(_) => sqlx::query(
                "UPDATE entry SET value = ?, revision = ?
                     WHERE migration = ? AND key = ? AND revision = ?",
            ),
        };
        let mut statement = statement.bind(value).bind(revision).bind(&self.migration).bind(key);
        if let Some(expected) = expected {
            statement = statement.bind(whole(expected.0));
        }
        let done = self
            .write("write checkpoint", statement.execute(&mut writer.connection))
            .await
            .map_err(|error| error.with("key", key))?;
        writer.keep();
        Ok((done.rows_affected() == 1).then_some(Revision(revision.unsigned_abs())))
    }

    async fn remove(&self, key: &str, expected: Revision) -> Result<bool> {
        let mut writer = self.writer().await?;
        let statement =
            sqlx::query("DELETE FROM entry WHERE migration = ? AND key = ? AND revision = ?")
                .bind(&self.migration)
                .bind(key)
                .bind(whole(expected.0));
        let done = self
            .write("remove checkpoint", statement.execute(&mut writer.connection))
            .await
            .map_err(|error| error.with("key", key))?;
        writer.keep();
        Ok(done.rows_affected() == 1)
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>> {
        let row = |row: &SqliteRow| Ok((row.try_get(0)?, entry(row, 1)?));
        self.page(LIST, (prefix, after, limit), row).await
    }

    async fn list_keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        self.page(LIST_KEYS, (prefix, after, limit), |row| row.try_get(0)).await
    }

    async fn append(
        &self,
        log: &str,
        lines: &[Vec<u8>],
        expected_last: Option<u64>,
    ) -> Result<Option<u64>> {
        let mut writer = self.writer().await?;
        let last = self
            .write("append to log", async {
                let mut transaction = writer.connection.begin_with("BEGIN IMMEDIATE").await?;
                let mut last = end_of(&mut transaction, &self.migration, log).await?;
                if expected_last.is_some_and(|expected| expected != last) {
                    transaction.rollback().await?;
                    return Ok(None);
                }
                for line in lines {
                    last += 1;
                    sqlx::query(
                        "INSERT INTO log (migration, log, number, value) VALUES (?, ?, ?, ?)",
                    )
                    .bind(&self.migration)
                    .bind(log)
                    .bind(whole(last))
                    .bind(line)
                    .execute(&mut *transaction)
                    .await?;
                }
                transaction.commit().await?;
                Ok(Some(last))
            })
            .await
            .map_err(|error| error.with("log", log))?;
        writer.keep();
        Ok(last)
    }

    async fn read_log(&self, log: &str, after: u64, limit: usize) -> Result<Vec<LogLine>> {
        let mut reader = self.reader().await?;
        self.call("read log", async {
            let rows = sqlx::query(
                "SELECT number, value FROM log WHERE migration = ? AND log = ? AND number > ?
                 ORDER BY number LIMIT ?",
            )
            .bind(&self.migration)
            .bind(log)
            .bind(whole(after))
            .bind(whole(limit as u64))
            .fetch_all(&mut *reader)
            .await?;
            let line = |row| Ok(LogLine { number: number(row, 0)?, value: row.try_get(1)? });
            rows.iter().map(line).collect()
        })
        .await
        .map_err(|error| error.with("log", log))
    }

    async fn log_end(&self, log: &str) -> Result<u64> {
        let mut reader = self.reader().await?;
        self.call("read end of log", end_of(&mut reader, &self.migration, log))
            .await
            .map_err(|error| error.with("log", log))
    }

    async fn clear(&self) -> Result<()> {
        let mut writer = self.writer().await?;
        self.write("clear checkpoints", async {
            let mut transaction = writer.connection.begin_with("BEGIN IMMEDIATE").await?;
            for table in
                ["DELETE FROM entry WHERE migration = ?", "DELETE FROM log WHERE migration = ?"]
            {
                sqlx::query(table).bind(&self.migration).execute(&mut *transaction).await?;
            }
            transaction.commit().await
        })
        .await?;
        writer.keep();
        Ok(())
    }
}

async fn end_of(
    connection: &mut SqliteConnection,
    migration: &str,
    log: &str,
) -> sqlx::Result<u64> {
    let row =
        sqlx::query("SELECT coalesce(max(number), 0) FROM log WHERE migration = ? AND log = ?")
            .bind(migration)
            .bind(log)
            .fetch_one(connection)
            .await?;
    number(&row, 0)
}

#[cfg(test)]
mod tests;

//! A checkpoint store in a MySQL or MariaDB database: for many machines.
//!
//! The tables may hold several migrations: every key begins with the migration's id. They may lie
//! beside other tables of the service. Each call is one statement or one short transaction; its
//! commit is as durable as the server makes it (`innodb_flush_log_at_trx_commit = 1`, the default).
//!
//! A call whose answer did not come is made again, and finds by the revision that it wrote whether
//! it had taken effect: a server that restarts costs a phase a wait, and not its life.

mod open;
mod statement;

use super::{CheckpointStore, Entry, LogLine, Revision};
use crate::driver::mysql::{Database, Failure, Session, is_unknown};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::ServerUrl;
use crate::retry::Retry;
use crate::shutdown::Shutdown;
use async_trait::async_trait;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{Arguments as _, Row as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Most bytes of one statement that appends: beyond some MiB nothing is gained.
const STATEMENT_BYTES_MAX: usize = 1 << 20;

/// Bytes of a statement beside its values.
const STATEMENT_BYTES_MORE: usize = 4 << 10;

/// The checkpoints of one migration, in a MySQL or MariaDB database.
#[derive(Debug)]
pub struct MysqlCheckpoint {
    migration: String,
    database: Database,
    retry: Retry,
}

impl MysqlCheckpoint {
    /// Opens the store in the database that `url` leads to, and makes its tables if there are none.
    ///
    /// # Errors
    /// `Plan` if the URL cannot be found or read; `Refused` if the server refuses the user, or the
    /// tables belong to a later version; `Unavailable` if it cannot be reached.
    pub async fn open(url: &ServerUrl, migration: &str) -> Result<Self> {
        let database = open::open(url).await?;
        open::make(&database).await?;
        Ok(Self::over(database, migration))
    }

    /// Opens the store if it was made: for commands that only look, so that a mistyped URL does not
    /// look like a migration that has not begun.
    ///
    /// # Errors
    /// Those of [`MysqlCheckpoint::open`].
    pub async fn open_if_made(url: &ServerUrl, migration: &str) -> Result<Option<Self>> {
        let database = open::open(url).await?;
        Ok(open::is_made(&database).await?.then(|| Self::over(database, migration)))
    }

    fn over(database: Database, migration: &str) -> Self {
        // Some three seconds: a lease of ten still has time to be renewed.
        let retry = Retry::new(6, Duration::from_millis(50), Duration::from_secs(1));
        Self { migration: migration.to_owned(), database, retry }
    }

    /// Makes a call that may be made again until it is answered.
    async fn answered<T, F>(&self, operation: &'static str, call: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.retry.run(operation, &Shutdown::default(), call).await
    }

    async fn rows(
        &self,
        operation: &'static str,
        sql: &'static str,
        arguments: &MySqlArguments,
    ) -> Result<Vec<MySqlRow>> {
        self.answered(operation, || async {
            let rows = self.database.session().await?.fetch(sql, arguments.clone()).await;
            rows.map_err(|failure| self.database.failed(operation, failure))
        })
        .await
    }

    /// Runs a statement, and says whether it changed a row, and whether a call before it may have
    /// changed one without saying so. A row that is there already is no change.
    async fn changed(
        &self,
        operation: &'static str,
        sql: &'static str,
        arguments: &MySqlArguments,
    ) -> Result<(bool, bool)> {
        let tries = AtomicU32::new(0);
        let changed = self
            .answered(operation, || async {
                let mut session = self.database.session().await?;
                tries.fetch_add(1, Ordering::Relaxed);
                match session.execute(sql, arguments.clone()).await {
                    Ok(rows) => Ok(rows == 1),
                    Err(failure) if failure.is_duplicate() => Ok(false),
                    Err(failure) => Err(self.database.failed(operation, failure)),
                }
            })
            .await?;
        Ok((changed, tries.into_inner() > 1))
    }

    /// Values that begin with this migration's id.
    fn values(&self, bytes: &[&[u8]]) -> Result<MySqlArguments> {
        let mut arguments = MySqlArguments::default();
        add(&mut arguments, self.migration.as_bytes())?;
        for value in bytes {
            add(&mut arguments, *value)?;
        }
        Ok(arguments)
    }

    /// A server that is sent more than it takes breaks the connection off, which looks like one
    /// that is away.
    fn check_size(&self, operation: &str, bytes: usize) -> Result<()> {
        let most = self.database.packet_bytes_max.saturating_sub(STATEMENT_BYTES_MORE);
        if bytes <= most {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Refused, format!("{operation}: the value is too large"))
            .with("server", self.database.address())
            .with("bytes", bytes)
            .with("most", most)
            .hint("raise max_allowed_packet on the server"))
    }

    fn unreadable(&self, error: sqlx::Error) -> Error {
        self.database.failed("read checkpoint", Failure::Driver(error))
    }

    /// Appends in one transaction. Returns the number of the last line, or `None` if the log does
    /// not end where it is expected to.
    async fn try_append(
        &self,
        log: &str,
        lines: &[Vec<u8>],
        expected_last: Option<u64>,
    ) -> Result<Option<u64>> {
        let failed = |failure| self.database.failed("append to log", failure);
        let mut session = self.database.session().await?;
        session.begin().await.map_err(failed)?;
        let end = self.lock_end(&mut session, log).await?;
        if expected_last.is_some_and(|expected| expected != end) {
            return Ok(None);
        }
        let mut last = end;
        let mut rest = lines;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(statement::lines_within(rest, STATEMENT_BYTES_MAX));
            rest = after;
            let mut arguments = MySqlArguments::default();
            for line in part {
                last += 1;
                add(&mut arguments, self.migration.as_bytes())?;
                add(&mut arguments, log.as_bytes())?;
                add(&mut arguments, last)?;
                add(&mut arguments, line.as_slice())?;
            }
            session.execute(statement::append(part.len()), arguments).await.map_err(failed)?;
        }
        if last > end {
            let mut arguments = MySqlArguments::default();
            add(&mut arguments, last)?;
            add(&mut arguments, self.migration.as_bytes())?;
            add(&mut arguments, log.as_bytes())?;
            session.execute(statement::MOVE_END, arguments).await.map_err(failed)?;
            session.commit().await.map_err(failed).map_err(commit_failed)?;
        }
        Ok(Some(last))
    }

    /// The end of a log, which no one else moves until the transaction ends.
    async fn lock_end(&self, session: &mut Session, log: &str) -> Result<u64> {
        let failed = |failure| self.database.failed("append to log", failure);
        let log = [log.as_bytes()];
        session.execute(statement::LOCK_END, self.values(&log)?).await.map_err(failed)?;
        let rows = session.fetch(statement::LOG_END, self.values(&log)?).await.map_err(failed)?;
        rows.first().map_or(Ok(0), |row| self.number(row, 0))
    }

    async fn listed(
        &self,
        sql: &'static str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<MySqlRow>> {
        let prefix_bytes = prefix.as_bytes();
        let after = after.unwrap_or("").as_bytes();
        let mut arguments = self.values(&[prefix_bytes, after, prefix_bytes, prefix_bytes])?;
        add(&mut arguments, u64::try_from(limit).unwrap_or(u64::MAX))?;
        let rows = self.rows("list checkpoints", sql, &arguments).await;
        rows.map_err(|error| error.with("prefix", prefix))
    }

    /// The key in the first column.
    fn key(&self, row: &MySqlRow) -> Result<String> {
        let key = String::from_utf8(self.bytes(row, 0)?);
        key.map_err(|error| self.unreadable(sqlx::Error::Decode(error.into())))
    }

    fn number(&self, row: &MySqlRow, column: usize) -> Result<u64> {
        row.try_get(column).map_err(|error| self.unreadable(error))
    }

    fn bytes(&self, row: &MySqlRow, column: usize) -> Result<Vec<u8>> {
        row.try_get(column).map_err(|error| self.unreadable(error))
    }

    fn entry(&self, row: &MySqlRow, first: usize) -> Result<Entry> {
        let revision = Revision(self.number(row, first + 1)?);
        Ok(Entry { value: self.bytes(row, first)?, revision })
    }
}

fn add<'t, T>(arguments: &mut MySqlArguments, value: T) -> Result<()>
where
    T: sqlx::Encode<'t, sqlx::MySql> + sqlx::Type<sqlx::MySql>,
{
    arguments.add(value).map_err(|error| Error::new(ErrorKind::Failed, "bind value").because(error))
}

fn commit_failed(error: Error) -> Error {
    if is_unknown(&error) { error.into_kind(ErrorKind::UnknownOutcome) } else { error }
}

fn revision() -> u64 {
    // Random, so that an entry that was removed and put anew never has the revision of the old one,
    // and a writer knows its own.
    uuid::Uuid::new_v4().as_u64_pair().0
}

#[async_trait]
impl CheckpointStore for MysqlCheckpoint {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        let arguments = self.values(&[key.as_bytes()])?;
        let rows = self.rows("read checkpoint", statement::GET, &arguments).await;
        let rows = rows.map_err(|error| error.with("key", key))?;
        rows.first().map(|row| self.entry(row, 0)).transpose()
    }

    async fn put(
        &self,
        key: &str,
        value: &[u8],
        expected: Option<Revision>,
    ) -> Result<Option<Revision>> {
        const OPERATION: &str = "write checkpoint";
        self.check_size(OPERATION, value.len()).map_err(|error| error.with("key", key))?;
        let ours = revision();
        let mut arguments = MySqlArguments::default();
        add(&mut arguments, value)?;
        add(&mut arguments, ours)?;
        add(&mut arguments, self.migration.as_bytes())?;
        add(&mut arguments, key.as_bytes())?;
        let sql = match expected {
            Some(expected) => {
                add(&mut arguments, expected.0)?;
                statement::PUT
            }
            None => statement::PUT_NEW,
        };
        let done = self.changed(OPERATION, sql, &arguments).await;
        let (is_changed, was_unanswered) = done.map_err(|error| error.with("key", key))?;
        let ours = Revision(ours);
        if is_changed {
            return Ok(Some(ours));
        }
        if was_unanswered && self.get(key).await?.is_some_and(|entry| entry.revision == ours) {
            return Ok(Some(ours));
        }
        Ok(None)
    }

    async fn remove(&self, key: &str, expected: Revision) -> Result<bool> {
        let mut arguments = self.values(&[key.as_bytes()])?;
        add(&mut arguments, expected.0)?;
        let done = self.changed("remove checkpoint", statement::REMOVE, &arguments).await;
        let (is_changed, was_unanswered) = done.map_err(|error| error.with("key", key))?;
        // Whoever removed it while the answer was lost: it is gone.
        Ok(is_changed || (was_unanswered && self.get(key).await?.is_none()))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>> {
        let rows = self.listed(statement::LIST, prefix, after, limit).await?;
        rows.iter().map(|row| Ok((self.key(row)?, self.entry(row, 1)?))).collect()
    }

    async fn list_keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        let rows = self.listed(statement::LIST_KEYS, prefix, after, limit).await?;
        rows.iter().map(|row| self.key(row)).collect()
    }

    async fn append(
        &self,
        log: &str,
        lines: &[Vec<u8>],
        expected_last: Option<u64>,
    ) -> Result<Option<u64>> {
        const OPERATION: &str = "append to log";
        let of_log = |error: Error| error.with("log", log);
        for line in lines {
            self.check_size(OPERATION, line.len()).map_err(of_log)?;
        }
        let append = || self.try_append(log, lines, expected_last);
        // What fails before its commit has left nothing, and may be tried again.
        let appended = self.answered(OPERATION, append).await.map_err(of_log);
        let Err(unknown) = appended else { return appended };
        let (ErrorKind::UnknownOutcome, Some(last)) = (unknown.kind(), expected_last) else {
            return Err(unknown);
        };
        let found = self.read_log(log, last, lines.len()).await?;
        let is_there = found.len() == lines.len()
            && found.iter().zip(lines).all(|(found, line)| found.value == *line);
        if is_there {
            return Ok(Some(last + lines.len() as u64));
        }
        // Either somebody else was there first, or nobody was and nothing is lost.
        self.answered(OPERATION, append).await.map_err(of_log)
    }

    async fn read_log(&self, log: &str, after: u64, limit: usize) -> Result<Vec<LogLine>> {
        let mut arguments = self.values(&[log.as_bytes()])?;
        add(&mut arguments, after)?;
        add(&mut arguments, u64::try_from(limit).unwrap_or(u64::MAX))?;
        let rows = self.rows("read log", statement::READ_LOG, &arguments).await;
        let rows = rows.map_err(|error| error.with("log", log))?;
        let line = |row| Ok(LogLine { number: self.number(row, 0)?, value: self.bytes(row, 1)? });
        rows.iter().map(line).collect()
    }

    async fn log_end(&self, log: &str) -> Result<u64> {
        let arguments = self.values(&[log.as_bytes()])?;
        let rows = self.rows("read end of log", statement::LOG_END, &arguments).await;
        let rows = rows.map_err(|error| error.with("log", log))?;
        rows.first().map_or(Ok(0), |row| self.number(row, 0))
    }

    async fn clear(&self) -> Result<()> {
        for sql in statement::CLEAR {
            self.answered("clear checkpoints", || async {
                let mut session = self.database.session().await?;
                loop {
                    let removed = session.execute(sql, self.values(&[])?).await;
                    let removed = removed
                        .map_err(|failure| self.database.failed("clear checkpoints", failure))?;
                    if removed == 0 {
                        return Ok(());
                    }
                }
            })
            .await?;
        }
        Ok(())
    }
}

//! A checkpoint store in a PostgreSQL database: for many machines.
//!
//! The tables may hold several migrations: every key begins with the migration's id. They may lie
//! beside other tables of the service. Each call is one statement or one short transaction, and
//! waits until its commit is durable.
//!
//! A call whose answer did not come is made again, and finds by the revision that it wrote whether
//! it had taken effect: a server that restarts costs a phase a wait, and not its life.

mod open;

use super::{CheckpointStore, Entry, LogLine, Revision};
use crate::driver::pool::{Pool, Session, bounded};
use crate::driver::postgres::commit_failed;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::ServerUrl;
use crate::retry::Retry;
use crate::shutdown::Shutdown;
use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, Row as _};
use std::sync::Arc;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// The checkpoints of one migration, in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresCheckpoint {
    migration: String,
    pool: Arc<Pool<PgConnection>>,
    retry: Retry,
}

const GET: &str =
    "SELECT value, revision FROM midflight_checkpoint WHERE migration = $1 AND key = $2";

const PUT_NEW: &str = "INSERT INTO midflight_checkpoint (migration, key, value, revision) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (migration, key) DO NOTHING";

const PUT: &str = "UPDATE midflight_checkpoint SET value = $3, revision = $4 \
     WHERE migration = $1 AND key = $2 AND revision = $5";

const REMOVE: &str =
    "DELETE FROM midflight_checkpoint WHERE migration = $1 AND key = $2 AND revision = $3";

const LIST: &str = "SELECT key, value, revision FROM midflight_checkpoint \
     WHERE migration = $1 AND key >= $2 AND key > $3 AND starts_with(key, $2) \
     ORDER BY key LIMIT $4";

const LIST_KEYS: &str = "SELECT key FROM midflight_checkpoint \
     WHERE migration = $1 AND key >= $2 AND key > $3 AND starts_with(key, $2) \
     ORDER BY key LIMIT $4";

const LOG_END: &str = "SELECT coalesce(max(number), 0) FROM midflight_checkpoint_log \
     WHERE migration = $1 AND log = $2";

const APPEND: &str = "INSERT INTO midflight_checkpoint_log (migration, log, number, value) \
     SELECT $1, $2, $3 + u.place, u.value FROM unnest($4::bytea[]) WITH ORDINALITY AS u(value, place)";

const READ_LOG: &str = "SELECT number, value FROM midflight_checkpoint_log \
     WHERE migration = $1 AND log = $2 AND number > $3 ORDER BY number LIMIT $4";

impl PostgresCheckpoint {
    /// Opens the store in the database that `url` leads to, and makes its tables if there are none.
    ///
    /// # Errors
    /// `Plan` if the URL cannot be found or read; `Refused` if the server refuses the user, or the
    /// tables belong to a later version; `Unavailable` if it cannot be reached.
    pub async fn open(url: &ServerUrl, migration: &str) -> Result<Self> {
        let pool = open::open(url).await?;
        open::make(&pool).await?;
        Ok(Self::over(pool, migration))
    }

    /// Opens the store if it was made: for commands that only look, so that a mistyped URL does not
    /// look like a migration that has not begun.
    ///
    /// # Errors
    /// Those of [`PostgresCheckpoint::open`].
    pub async fn open_if_made(url: &ServerUrl, migration: &str) -> Result<Option<Self>> {
        let pool = open::open(url).await?;
        Ok(open::is_made(&pool).await?.then(|| Self::over(pool, migration)))
    }

    fn over(pool: Arc<Pool<PgConnection>>, migration: &str) -> Self {
        // Some three seconds: a lease of ten still has time to be renewed.
        let retry = Retry::new(6, Duration::from_millis(50), Duration::from_secs(1));
        Self { migration: migration.to_owned(), pool, retry }
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
        query: impl Fn() -> Query<'static, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>> {
        self.answered(operation, || async {
            let mut session = self.pool.session().await?;
            let rows = bounded(query().fetch_all(session.connection()?)).await;
            session.settle(operation, rows)
        })
        .await
    }

    /// Runs a statement, and says how many rows it changed, and whether a call before it may have
    /// changed some without saying so.
    async fn changed(
        &self,
        operation: &'static str,
        query: impl Fn() -> Query<'static, Postgres, PgArguments>,
    ) -> Result<(u64, bool)> {
        let tries = std::sync::atomic::AtomicU32::new(0);
        let changed = self
            .answered(operation, || async {
                let mut session = self.pool.session().await?;
                tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let done = bounded(query().execute(session.connection()?)).await;
                Ok(session.settle(operation, done)?.rows_affected())
            })
            .await?;
        Ok((changed, tries.into_inner() > 1))
    }

    /// A statement of this migration's.
    fn query(&self, sql: &'static str) -> Query<'static, Postgres, PgArguments> {
        sqlx::query(sql).bind(self.migration.clone())
    }

    fn unreadable(&self, error: sqlx::Error) -> Error {
        self.pool.failed("read checkpoint", error)
    }

    /// Appends in one transaction. Returns the number of the last line, or `None` if the log does
    /// not end where it is expected to.
    async fn try_append(
        &self,
        log: &str,
        lines: &[Vec<u8>],
        expected_last: Option<u64>,
    ) -> Result<Option<u64>> {
        const OPERATION: &str = "append to log";
        let mut session = self.pool.session().await?;
        session.in_transaction = true;
        let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({})", self.log_lock(log));
        run(&mut session, OPERATION, begin).await?;
        let end = self.query(LOG_END).bind(log.to_owned()).fetch_one(session.connection()?);
        let end = bounded(end).await;
        let end = number(&session.settle(OPERATION, end)?, 0).map_err(|e| self.unreadable(e))?;
        if expected_last.is_some_and(|expected| expected != end) {
            return Ok(None);
        }
        if !lines.is_empty() {
            let query =
                self.query(APPEND).bind(log.to_owned()).bind(whole(end)).bind(lines.to_vec());
            let done = bounded(query.execute(session.connection()?)).await;
            session.settle(OPERATION, done)?;
            run(&mut session, OPERATION, "COMMIT".to_owned()).await.map_err(commit_failed)?;
            session.in_transaction = false;
        }
        Ok(Some(end + lines.len() as u64))
    }

    /// Appenders to one log wait for each other; the number says which log it is.
    fn log_lock(&self, log: &str) -> i64 {
        xxh3_64(format!("checkpoint log\0{}\0{log}", self.migration).as_bytes()).cast_signed()
    }
}

async fn run(session: &mut Session<PgConnection>, operation: &str, sql: String) -> Result<()> {
    let done = bounded(sqlx::raw_sql(AssertSqlSafe(sql)).execute(session.connection()?)).await;
    session.settle(operation, done).map(drop)
}

fn revision() -> i64 {
    // Random, so that an entry that was removed and put anew never has the revision of the old one,
    // and a writer knows its own. 63 bits: PostgreSQL's integers are signed.
    i64::try_from(uuid::Uuid::new_v4().as_u64_pair().0 >> 1).unwrap_or(i64::MAX)
}

/// A whole number as PostgreSQL holds it. None that is counted here reaches 2^63.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(row: &PgRow, column: usize) -> sqlx::Result<u64> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn entry(row: &PgRow, first: usize) -> sqlx::Result<Entry> {
    Ok(Entry { value: row.try_get(first)?, revision: Revision(number(row, first + 1)?) })
}

#[async_trait]
impl CheckpointStore for PostgresCheckpoint {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        let rows = self.rows("read checkpoint", || self.query(GET).bind(key.to_owned())).await;
        let rows = rows.map_err(|error| error.with("key", key))?;
        rows.first().map(|row| entry(row, 0)).transpose().map_err(|error| self.unreadable(error))
    }

    async fn put(
        &self,
        key: &str,
        value: &[u8],
        expected: Option<Revision>,
    ) -> Result<Option<Revision>> {
        let ours = revision();
        let query = || {
            let query = self.query(if expected.is_some() { PUT } else { PUT_NEW });
            let query = query.bind(key.to_owned()).bind(value.to_vec()).bind(ours);
            match expected {
                Some(expected) => query.bind(whole(expected.0)),
                None => query,
            }
        };
        let done = self.changed("write checkpoint", query).await;
        let (changed, was_unanswered) = done.map_err(|error| error.with("key", key))?;
        let ours = Revision(ours.unsigned_abs());
        if changed == 1 {
            return Ok(Some(ours));
        }
        if was_unanswered && self.get(key).await?.is_some_and(|entry| entry.revision == ours) {
            return Ok(Some(ours));
        }
        Ok(None)
    }

    async fn remove(&self, key: &str, expected: Revision) -> Result<bool> {
        let query = || self.query(REMOVE).bind(key.to_owned()).bind(whole(expected.0));
        let done = self.changed("remove checkpoint", query).await;
        let (changed, was_unanswered) = done.map_err(|error| error.with("key", key))?;
        // Whoever removed it while the answer was lost: it is gone.
        Ok(changed == 1 || (was_unanswered && self.get(key).await?.is_none()))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>> {
        let query = || {
            self.query(LIST)
                .bind(prefix.to_owned())
                .bind(after.unwrap_or("").to_owned())
                .bind(whole(limit as u64))
        };
        let rows = self.rows("list checkpoints", query).await;
        let rows = rows.map_err(|error| error.with("prefix", prefix))?;
        let listed = rows.iter().map(|row| Ok((row.try_get(0)?, entry(row, 1)?)));
        listed.collect::<sqlx::Result<_>>().map_err(|error| self.unreadable(error))
    }

    async fn list_keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        let query = || {
            self.query(LIST_KEYS)
                .bind(prefix.to_owned())
                .bind(after.unwrap_or("").to_owned())
                .bind(whole(limit as u64))
        };
        let rows = self.rows("list checkpoints", query).await;
        let rows = rows.map_err(|error| error.with("prefix", prefix))?;
        let listed = rows.iter().map(|row| row.try_get(0));
        listed.collect::<sqlx::Result<_>>().map_err(|error| self.unreadable(error))
    }

    async fn append(
        &self,
        log: &str,
        lines: &[Vec<u8>],
        expected_last: Option<u64>,
    ) -> Result<Option<u64>> {
        let of_log = |error: Error| error.with("log", log);
        // What fails before its commit has left nothing, and may be tried again.
        let appended = self
            .answered("append to log", || self.try_append(log, lines, expected_last))
            .await
            .map_err(of_log);
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
        self.answered("append to log", || self.try_append(log, lines, expected_last))
            .await
            .map_err(of_log)
    }

    async fn read_log(&self, log: &str, after: u64, limit: usize) -> Result<Vec<LogLine>> {
        let query = || {
            self.query(READ_LOG).bind(log.to_owned()).bind(whole(after)).bind(whole(limit as u64))
        };
        let rows = self.rows("read log", query).await.map_err(|error| error.with("log", log))?;
        let line = |row: &PgRow| Ok(LogLine { number: number(row, 0)?, value: row.try_get(1)? });
        let lines: sqlx::Result<_> = rows.iter().map(line).collect();
        lines.map_err(|error| self.unreadable(error))
    }

    async fn log_end(&self, log: &str) -> Result<u64> {
        let query = || self.query(LOG_END).bind(log.to_owned());
        let rows = self.rows("read end of log", query).await;
        let rows = rows.map_err(|error| error.with("log", log))?;
        let end = rows.first().map_or(Ok(0), |row| number(row, 0));
        end.map_err(|error| self.unreadable(error))
    }

    async fn clear(&self) -> Result<()> {
        for sql in [
            "DELETE FROM midflight_checkpoint WHERE ctid = ANY (ARRAY(\
             SELECT ctid FROM midflight_checkpoint WHERE migration = $1 LIMIT 1000))",
            "DELETE FROM midflight_checkpoint_log WHERE ctid = ANY (ARRAY(\
             SELECT ctid FROM midflight_checkpoint_log WHERE migration = $1 LIMIT 1000))",
        ] {
            // In parts, so that each ends in time.
            while self.changed("clear checkpoints", || self.query(sql)).await?.0 > 0 {}
        }
        Ok(())
    }
}

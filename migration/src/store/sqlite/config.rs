//! How a database is opened.
//!
//! A target is in WAL mode, so that readers and the one writer do not wait for each other, with
//! `synchronous = NORMAL`: `kill -9` loses nothing, a power cut may lose the last commits. Guards,
//! positions and data lie in one file and go back together, so what was lost is applied and copied
//! again; only what the queue forgets has to be durable first
//! ([`Target::make_durable`](crate::store::Target::make_durable)).
//!
//! Foreign keys are not enforced on our connections: tables are copied one by one, so a child may
//! come before its parent, and the source has checked them already.

use super::error::failed;
use crate::error::{Error, ErrorKind, Result};
use crate::store::OpenMode;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for a lock or for a free connection.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(5);

/// How long SQLite itself retries to begin writing before it is asked again. Its waits grow to a
/// tenth of a second, in which a busy neighbour begins many times; a short budget keeps them short.
const WRITER_TRY: Duration = Duration::from_millis(8);

/// One reader for each worker that a process is likely to have; each is a thread with a page cache
/// and prepared statements of its own, some 4 MiB, and a target may have many instances.
const READERS_MAX: u32 = 3;

/// Rows in flight between SQLite's thread and ours. More than the default 50 halves the switches
/// between the two; beyond some hundred nothing is gained.
const ROWS_IN_FLIGHT: usize = 512;

/// Page cache of the writer, in KiB as SQLite's negative `cache_size`: live changes touch pages all
/// over the data and the guards, and SQLite's default of 2 MiB reads most of them again.
const WRITER_CACHE: &str = "-8192";

/// Pages in the WAL before it is written back, 32 MiB: a page that many batches change is written
/// back once. SQLite's default of 4 MiB is little more than one batch.
const WAL_PAGES: &str = "8192";

/// Prepared statements kept by each connection: every table has one of each size and kind.
const STATEMENTS_MAX: usize = 256;

/// The connections of one database.
#[derive(Debug)]
pub(super) struct Pools {
    pub(super) readers: SqlitePool,
    /// One connection: SQLite has one writer at a time. `None` where writing is not allowed.
    pub(super) writer: Option<SqlitePool>,
}

/// Opens a database that is there.
pub(super) async fn open(path: &Path, mode: OpenMode) -> Result<(PathBuf, Pools)> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if !path.is_file() {
        return Err(Error::new(ErrorKind::Refused, "open database: there is no such file")
            .with("file", path.display())
            .hint("check the path in the plan; the tools never create a database"));
    }
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(false)
        .foreign_keys(false)
        .busy_timeout(WAIT_MAX)
        .statement_cache_capacity(STATEMENTS_MAX)
        .row_buffer_size(ROWS_IN_FLIGHT)
        .thread_name(|id| format!("sqlite-{id}"))
        .disable_statement_logging();
    let options = match mode {
        OpenMode::ReadOnly => options.read_only(true),
        OpenMode::ReadWrite => options.synchronous(SqliteSynchronous::Normal),
    };
    prepare(&path, &options, mode).await?;
    let readers = pool(READERS_MAX, options.clone().pragma("query_only", "ON"));
    let writer = match mode {
        OpenMode::ReadOnly => None,
        OpenMode::ReadWrite => Some(pool(1, writing(options))),
    };
    Ok((path, Pools { readers, writer }))
}

fn writing(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .busy_timeout(WRITER_TRY)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("wal_autocheckpoint", WAL_PAGES)
}

/// Proves that the file is a database that can be used, and puts a target into WAL mode. The mode
/// stays with the file.
async fn prepare(path: &Path, options: &SqliteConnectOptions, mode: OpenMode) -> Result<()> {
    use sqlx::Connection;
    let options = match mode {
        OpenMode::ReadOnly => options.clone(),
        OpenMode::ReadWrite => options.clone().journal_mode(SqliteJournalMode::Wal),
    };
    let open_failed = |error| failed("open database", path, error);
    let mut connection = options.connect().await.map_err(open_failed)?;
    let encoding: String = sqlx::query_scalar("PRAGMA encoding")
        .fetch_one(&mut connection)
        .await
        .map_err(open_failed)?;
    connection.close().await.map_err(open_failed)?;
    if encoding != "UTF-8" {
        // Its text sorts by UTF-16 code units, and the ranges by bytes of UTF-8.
        return Err(Error::new(ErrorKind::Refused, "open database: its encoding is not UTF-8")
            .with("file", path.display())
            .with("encoding", encoding)
            .hint("dump it and load it into a database with PRAGMA encoding = 'UTF-8'"));
    }
    Ok(())
}

fn pool(connections: u32, options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(WAIT_MAX)
        // A connection to a file does not go stale: asking costs a round trip to its thread.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        // SQLite itself rolls back when the disk is full; the driver does not see it, takes the
        // transaction for open, and would refuse to begin another on this connection for ever.
        .before_acquire(|connection, _| {
            let is_free = !connection.is_in_transaction();
            Box::pin(std::future::ready(Ok(is_free)))
        })
        .connect_lazy_with(options)
}

//! Opening the file: whose it is, in which format, and what to do if it is not ours.

use super::within;
use crate::driver::sqlite::{connect, holder};
use crate::error::{Error, ErrorKind, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _, SqliteConnection};
use std::path::Path;
use std::time::{Duration, Instant};

/// "MIDF": the mark in the file's header by which its owner knows it.
const APPLICATION_ID: i64 = 0x4D49_4446;

/// The oldest format whose readers and writers can work with what this version writes. It rises
/// only when they could not; a later version that merely adds something keeps it.
const FORMAT: i64 = 1;

/// Between two attempts to open a file that is locked.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

const SCHEMA: &str = "
    CREATE TABLE format (version INTEGER NOT NULL, made_by TEXT NOT NULL) STRICT;
    CREATE TABLE entry (
        migration TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (migration, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE log (
        migration TEXT NOT NULL,
        log TEXT NOT NULL,
        number INTEGER NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (migration, log, number)
    ) STRICT, WITHOUT ROWID;";

/// What to do where there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Refuse,
}

/// Opens a reading and a writing connection.
pub(super) async fn open(
    path: &Path,
    missing: Missing,
    busy_timeout: Duration,
) -> Result<(SqliteConnection, SqliteConnection)> {
    if missing == Missing::Refuse && !path.exists() {
        return Err(Error::new(ErrorKind::Refused, "open checkpoint store: there is none yet")
            .with("file", path.display())
            .hint(
                "check `checkpoint.path` in the plan, or begin the migration with `dual-write set-up`",
            ));
    }
    let deadline = Instant::now() + busy_timeout;
    loop {
        match look_and_make(path, missing, busy_timeout).await {
            // SQLite does not wait where waiting could be for ever, such as when two change the
            // journal mode: then the file is looked at again.
            Err(error) if error.kind() == ErrorKind::Busy && Instant::now() < deadline => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            result => return result.map_err(|error| explain(error, path)),
        }
    }
}

async fn look_and_make(
    path: &Path,
    missing: Missing,
    busy_timeout: Duration,
) -> Result<(SqliteConnection, SqliteConnection)> {
    let options = options(path, busy_timeout).create_if_missing(missing == Missing::Make);
    // First only a look: the journal mode of a file that is not ours stays what it is.
    let mut writer = connect(&options).await?;
    if look(&mut writer).await? == Content::Empty {
        make(&mut writer).await?;
    }
    let reader = reopen(path, busy_timeout).await?;
    Ok((reader, writer))
}

/// Opens another connection to a file that is known to be ours.
pub(super) async fn reopen(path: &Path, busy_timeout: Duration) -> Result<SqliteConnection> {
    let options = options(path, busy_timeout).journal_mode(SqliteJournalMode::Wal);
    connect(&options).await.map_err(|error| explain(error, path))
}

fn options(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(busy_timeout)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
}

#[derive(Debug, PartialEq, Eq)]
enum Content {
    Empty,
    Ours,
}

/// Looks whose file it is.
async fn look(connection: &mut SqliteConnection) -> Result<Content> {
    // One statement, so that both are of one moment: another process may be making the tables.
    let (application, tables) = within("look at checkpoint store", async {
        let row = sqlx::query(
            "SELECT (SELECT application_id FROM pragma_application_id), count(*) FROM sqlite_schema",
        )
        .fetch_one(&mut *connection)
        .await?;
        Ok((row.try_get::<i64, _>(0)?, row.try_get::<i64, _>(1)?))
    })
    .await?;
    if application != APPLICATION_ID {
        if tables == 0 && application == 0 {
            return Ok(Content::Empty);
        }
        return Err(Error::new(ErrorKind::Refused, "open checkpoint store: the file is not one")
            .with("tables", tables)
            .hint("give the checkpoint store a file of its own: `checkpoint.path` in the plan"));
    }
    let (version, made_by) = within("read format of checkpoint store", async {
        let row =
            sqlx::query("SELECT version, made_by FROM format").fetch_one(&mut *connection).await?;
        Ok((row.try_get::<i64, _>(0)?, row.try_get::<String, _>(1)?))
    })
    .await?;
    if version > FORMAT {
        return Err(Error::new(ErrorKind::Refused, "open checkpoint store: its format is newer")
            .with("format", version)
            .with("newest known", FORMAT)
            .with("made by", &made_by)
            .hint(format!("use midflight {made_by} or later")));
    }
    Ok(Content::Ours)
}

/// Makes the tables, unless another process was quicker.
async fn make(connection: &mut SqliteConnection) -> Result<()> {
    within("make checkpoint store", async {
        connection.execute("PRAGMA journal_mode = WAL").await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let tables: i64 = sqlx::query("SELECT count(*) FROM sqlite_schema")
            .fetch_one(&mut *transaction)
            .await?
            .try_get(0)?;
        if tables > 0 {
            return transaction.rollback().await;
        }
        transaction.execute(SCHEMA).await?;
        sqlx::query("INSERT INTO format (version, made_by) VALUES (?, ?)")
            .bind(FORMAT)
            .bind(env!("CARGO_PKG_VERSION"))
            .execute(&mut *transaction)
            .await?;
        // A pragma takes no parameter.
        let mark = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"));
        transaction.execute(mark).await?;
        transaction.commit().await
    })
    .await?;
    // Whoever was quicker may have been somebody else altogether.
    match look(connection).await? {
        Content::Ours => Ok(()),
        Content::Empty => {
            Err(Error::new(ErrorKind::Busy, "make checkpoint store").hint("run the command again"))
        }
    }
}

/// Adds to an error of the driver what is known about the file.
pub(super) fn explain(error: Error, path: &Path) -> Error {
    let error = error.with("file", path.display());
    match error.kind() {
        ErrorKind::Busy => {
            let hint = match holder::of(path) {
                Some(holder) => format!("its lock is held by {holder}: let it go on, or end it"),
                None => "another process keeps it locked: `fuser` with the file's name shows which"
                    .to_owned(),
            };
            error.hint(hint)
        }
        ErrorKind::Unreadable => error.hint(
            "the checkpoint store is damaged or no SQLite file: restore it from a copy, or move it \
             away and begin a new one; what is safe to skip is known to the target",
        ),
        _ => error,
    }
}

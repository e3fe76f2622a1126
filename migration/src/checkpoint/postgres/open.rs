//! The tables: in which format they are, and making them.

use crate::driver::pool::{Pool, bounded};
use crate::driver::postgres;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::ServerUrl;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};
use std::sync::Arc;

/// The oldest format whose readers and writers can work with what this version writes. It rises
/// only when they could not; a later version that merely adds something keeps it.
const FORMAT: i64 = 1;

/// What is written here is told to others, who act on it: a commit is durable before it is.
const SETTINGS: &str = "SET synchronous_commit = on";

/// Connections of one process: its leases, its progress and whatever looks at them.
const CONNECTIONS_MAX: usize = 4;

/// The lock of whoever makes the tables: `IF NOT EXISTS` does not wait for another's commit.
const MAKE_LOCK: i64 = i64::from_be_bytes(*b"midfckpt");

const SCHEMA: &str = "
    CREATE TABLE midflight_checkpoint_format (version bigint NOT NULL, made_by text NOT NULL);
    CREATE TABLE midflight_checkpoint (
        migration text COLLATE \"C\" NOT NULL,
        key text COLLATE \"C\" NOT NULL,
        value bytea NOT NULL,
        revision bigint NOT NULL,
        PRIMARY KEY (migration, key)
    );
    CREATE TABLE midflight_checkpoint_log (
        migration text COLLATE \"C\" NOT NULL,
        log text COLLATE \"C\" NOT NULL,
        number bigint NOT NULL,
        value bytea NOT NULL,
        PRIMARY KEY (migration, log, number)
    );";

/// Connects.
pub(super) async fn open(url: &ServerUrl) -> Result<Arc<Pool<PgConnection>>> {
    let pool = postgres::pool(url, SETTINGS, CONNECTIONS_MAX)?;
    // Now rather than at the first call, so that a wrong password is found at the start.
    drop(pool.session().await?);
    Ok(pool)
}

/// Whether the tables are there, in a format that this program reads.
pub(super) async fn is_made(pool: &Arc<Pool<PgConnection>>) -> Result<bool> {
    let mut session = pool.session().await?;
    let found = sqlx::query_scalar("SELECT to_regclass('midflight_checkpoint_format') IS NOT NULL");
    let found = bounded(found.fetch_one(session.connection()?)).await;
    if !session.settle("look for checkpoint store", found)? {
        return Ok(false);
    }
    let format = sqlx::query("SELECT version, made_by FROM midflight_checkpoint_format");
    let format = bounded(format.fetch_optional(session.connection()?)).await;
    let damaged = || {
        Error::new(ErrorKind::Unreadable, "read format of checkpoint store")
            .with("server", pool.address())
            .hint("restore the midflight_checkpoint tables, or drop them and begin a new store; what is safe to skip is known to the target")
    };
    let row = session.settle("read format of checkpoint store", format)?.ok_or_else(damaged)?;
    let version: i64 = row.try_get(0).map_err(|error| damaged().because(error))?;
    let made_by: String = row.try_get(1).map_err(|error| damaged().because(error))?;
    if version > FORMAT {
        return Err(Error::new(ErrorKind::Refused, "open checkpoint store: its format is newer")
            .with("format", version)
            .with("newest known", FORMAT)
            .with("made by", &made_by)
            .hint(format!("use midflight {made_by} or later")));
    }
    Ok(true)
}

/// Makes the tables, unless they are there.
pub(super) async fn make(pool: &Arc<Pool<PgConnection>>) -> Result<()> {
    if is_made(pool).await? {
        return Ok(());
    }
    let mut session = pool.session().await?;
    session.in_transaction = true;
    let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({MAKE_LOCK})");
    let begun = bounded(sqlx::raw_sql(AssertSqlSafe(begin)).execute(session.connection()?)).await;
    session.settle("make checkpoint store", begun)?;
    // Another process may have been quicker.
    if is_made(pool).await? {
        return Ok(());
    }
    let made = bounded(sqlx::raw_sql(SCHEMA).execute(session.connection()?)).await;
    session.settle("make checkpoint store", made)?;
    let format = sqlx::query("INSERT INTO midflight_checkpoint_format VALUES ($1, $2)")
        .bind(FORMAT)
        .bind(env!("CARGO_PKG_VERSION"));
    let format = bounded(format.execute(session.connection()?)).await;
    session.settle("make checkpoint store", format)?;
    let committed = bounded(sqlx::raw_sql("COMMIT").execute(session.connection()?)).await;
    session.settle("make checkpoint store", committed)?;
    session.in_transaction = false;
    Ok(())
}

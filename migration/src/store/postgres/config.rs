//! How a database is opened.
//!
//! A target's commits are asynchronous (`synchronous_commit = off`): a server that crashes may lose
//! the last half second of them, which is what a power cut may do to a SQLite target too. Guards,
//! positions and data lie in one database and go back together, so what was lost is applied and
//! copied again; only what the queue forgets has to be durable first
//! ([`Target::make_durable`](crate::store::Target::make_durable)).

use super::statement;
use crate::driver::pool::{Pool, bounded};
use crate::driver::postgres::{CONNECTIONS_MAX, pool};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::ServerUrl;
use crate::store::OpenMode;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use std::sync::Arc;

/// The oldest version whose features are used.
const VERSION_MIN: i32 = 120_000;

/// Every scan goes along an index in key order. A planner that knows too little of a table takes
/// another index and sorts, which for a batch out of a long list means all of the list, batch after
/// batch. (Incremental sorts came with version 13.)
const NO_SORT: &str = "SELECT set_config(name, 'off', false) FROM pg_settings \
     WHERE name IN ('enable_sort', 'enable_incremental_sort'); ";

/// Settings of a session that only reads.
const READ: &str = "SET default_transaction_read_only = on";

/// Settings of a session that writes.
const WRITE: &str = "SET synchronous_commit = off";

/// The connections of one database, and what tells it from every other.
pub(super) async fn open(
    url: &ServerUrl,
    mode: OpenMode,
) -> Result<(Arc<Pool<PgConnection>>, String)> {
    let settings = match mode {
        OpenMode::ReadOnly => READ,
        OpenMode::ReadWrite => WRITE,
    };
    let pool = pool(url, &format!("{NO_SORT}{settings}"), CONNECTIONS_MAX)?;
    let mut session = pool.session().await?;
    let row = sqlx::query(statement::catalogue::SERVER).fetch_one(session.connection()?);
    let row = bounded(row).await;
    let row = session.settle("look at server", row)?;
    let read = |error| pool.failed("look at server", error);
    let version: i32 = row.try_get(0).map_err(read)?;
    let encoding: String = row.try_get(1).map_err(read)?;
    let is_replica: bool = row.try_get(2).map_err(read)?;
    let refused = |problem: &str| {
        Error::new(ErrorKind::Refused, format!("open database: {problem}"))
            .with("server", pool.address())
    };
    if version < VERSION_MIN {
        return Err(refused("the server is too old")
            .with("version", version)
            .hint("PostgreSQL 12 or later is needed"));
    }
    if encoding != "UTF8" {
        // Its text would pass through a conversion, and sort by other bytes than ours.
        return Err(refused("its encoding is not UTF8")
            .with("encoding", encoding)
            .hint("dump it and load it into a database created with ENCODING 'UTF8'"));
    }
    if mode == OpenMode::ReadWrite && is_replica {
        return Err(refused("it is a replica, which takes no writes")
            .hint("give the URL of the primary server"));
    }
    let tells: bool = row.try_get(3).map_err(read)?;
    let identity = if tells { statement::catalogue::IDENTITY } else { statement::catalogue::PLACE };
    let identity = sqlx::query_scalar(identity).fetch_one(session.connection()?);
    let identity = bounded(identity).await;
    // A replica is its primary's twin: it has the same.
    let identity = session.settle("ask which database this is", identity)?;
    drop(session);
    Ok((pool, identity))
}

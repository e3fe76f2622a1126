//! The tables: in which format they are, and making them.

use super::{add, statement};
use crate::driver::mysql::{Database, Failure, number};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::ServerUrl;
use sqlx::Row as _;
use sqlx::mysql::MySqlArguments;

/// The oldest format whose readers and writers can work with what this version writes. It rises
/// only when they could not; a later version that merely adds something keeps it.
const FORMAT: i64 = 1;

/// Connections of one process: its leases, its progress and whatever looks at them.
const CONNECTIONS_MAX: usize = 4;

/// Connects.
pub(super) async fn open(url: &ServerUrl) -> Result<Database> {
    Database::open(url, "", CONNECTIONS_MAX).await
}

/// Whether the tables are there, in a format that this program reads.
pub(super) async fn is_made(database: &Database) -> Result<bool> {
    const OPERATION: &str = "read format of checkpoint store";
    let mut session = database.session().await?;
    let rows = match session.fetch(statement::FORMAT, MySqlArguments::default()).await {
        Ok(rows) => rows,
        Err(failure) if failure.number() == Some(number::NO_SUCH_TABLE) => return Ok(false),
        Err(failure) => return Err(database.failed(OPERATION, failure)),
    };
    // Without its row the making was broken off.
    let Some(row) = rows.first() else { return Ok(false) };
    let damaged = |error| {
        database.failed(OPERATION, Failure::Driver(error)).into_kind(ErrorKind::Unreadable).hint(
            "restore the midflight_checkpoint tables, or drop them and begin a new store; \
                 what is safe to skip is known to the target",
        )
    };
    let version: i64 = row.try_get(0).map_err(damaged)?;
    let made_by: Vec<u8> = row.try_get(1).map_err(damaged)?;
    let made_by = String::from_utf8_lossy(&made_by);
    if version > FORMAT {
        return Err(Error::new(ErrorKind::Refused, "open checkpoint store: its format is newer")
            .with("format", version)
            .with("newest known", FORMAT)
            .with("made by", &made_by)
            .hint(format!("use midflight {made_by} or later")));
    }
    Ok(true)
}

/// Makes the tables, unless they are there. Any number of processes may do it at once.
pub(super) async fn make(database: &Database) -> Result<()> {
    if is_made(database).await? {
        return Ok(());
    }
    let failed = |failure| database.failed("make checkpoint store", failure);
    let mut session = database.session().await?;
    for sql in statement::CREATE {
        session.control(sql).await.map_err(failed)?;
    }
    let mut arguments = MySqlArguments::default();
    add(&mut arguments, FORMAT)?;
    add(&mut arguments, env!("CARGO_PKG_VERSION").as_bytes())?;
    session.execute(statement::PUT_FORMAT, arguments).await.map_err(failed)?;
    // Another version may have been quicker.
    if is_made(database).await? {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Busy, "make checkpoint store").hint("run the command again"))
}

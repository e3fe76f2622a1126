//! What sessions with servers share: the runtime, a limit on every wait, and edges of raw columns.

use super::Found;
use crate::edge::Edge;
use migration::error::{Error, ErrorKind, Result};
use std::time::Duration;
use tokio::runtime::Handle;

/// A statement that takes longer than this hangs: the longest reads a table of some 100,000 rows.
const STATEMENT_MAX: Duration = Duration::from_secs(60);

/// The columns of an edge: integers as text, so that a decimal with a fraction or a blank shows;
/// the time as microseconds since 1970.
pub(super) type RawEdge = (String, String, Option<String>, Option<String>, Option<String>, i64);

/// Waits for a server on a thread that is none of the runtime's.
pub(super) fn wait<T>(
    handle: &Handle,
    operation: &'static str,
    work: impl Future<Output = sqlx::Result<T>>,
) -> Result<T> {
    let done = handle.block_on(async { tokio::time::timeout(STATEMENT_MAX, work).await });
    match done {
        Ok(done) => done.map_err(|error| failure(operation, error)),
        Err(_) => Err(Error::new(ErrorKind::TimedOut, operation)
            .with("seconds", STATEMENT_MAX.as_secs())
            .hint("does the server hang?")),
    }
}

fn failure(operation: &'static str, error: sqlx::Error) -> Error {
    let kind = match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) => ErrorKind::Unavailable,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, operation).because(error)
}

/// An edge of its columns.
pub(super) fn edge(raw: sqlx::Result<RawEdge>) -> Found {
    let (package, dependent, constraint, section, kib, changed_at) =
        raw.map_err(|error| error.to_string())?;
    let installed_kib = kib.map(|text| {
        let value = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
        value.ok_or("the size is no whole number")
    });
    let installed_kib = installed_kib.transpose()?;
    Ok(Edge { package, dependent, constraint, section, installed_kib, changed_at })
}

/// A moment as both servers take it: microseconds since 1970 become a date and a time.
pub(super) fn date_time(micros: i64) -> Result<String> {
    let moment = jiff::Timestamp::from_microsecond(micros)
        .map_err(|error| Error::new(ErrorKind::Failed, "write a moment").because(error))?;
    Ok(moment.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
}

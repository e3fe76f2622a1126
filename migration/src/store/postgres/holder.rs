//! Who is in the way of a lock, and the one kind of holder that nobody else ends.

use super::statement;
use super::{PgConnection, Pool, bounded};
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a `COPY` may wait for its client: as long as a session may be idle in a transaction.
pub(super) const COPY_WAIT_MAX: Duration = Duration::from_secs(30);

/// Longest search for whoever holds a lock.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(2);

/// Says who was in the way, where somebody was: the oldest other transaction, if it can be asked
/// for.
pub(super) async fn name(pool: &Arc<Pool<PgConnection>>, error: Error) -> Error {
    if error.kind() != ErrorKind::Busy {
        return error;
    }
    match timeout(SEARCH_TIMEOUT, oldest(pool)).await {
        Ok(Ok(Some((process, program, state, age)))) => error.with(
            "oldest transaction",
            format!("process {process} ({program}), {state}, {age} s old"),
        ),
        _ => error,
    }
}

async fn oldest(pool: &Arc<Pool<PgConnection>>) -> Result<Option<(i32, String, String, i64)>> {
    let mut session = pool.session().await?;
    let query = sqlx::query_as(statement::catalogue::OLDEST_TRANSACTION);
    let found = bounded(query.fetch_optional(session.connection()?)).await;
    session.settle("ask who holds the lock", found)
}

/// Ends the sessions of this user that hold one of these range locks in a `COPY` whose client has
/// sent nothing for `waited`: a process that was stopped in the middle of one. The server's limits
/// end whatever else such a process leaves, but not this. Returns how many there were.
pub(super) async fn end_stopped_copies(
    pool: &Arc<Pool<PgConnection>>,
    locks: &[i64],
    waited: Duration,
) -> Result<usize> {
    let mut session = pool.session().await?;
    let query = sqlx::query_scalar::<_, bool>(statement::catalogue::END_STOPPED_COPIES)
        .bind(locks)
        .bind(i64::try_from(waited.as_millis()).unwrap_or(i64::MAX));
    let ended = bounded(query.fetch_all(session.connection()?)).await;
    let ended = session.settle("end a stopped COPY", ended)?;
    Ok(ended.into_iter().filter(|ended| *ended).count())
}

//! What the server's failures mean for a store: which record, whose lock, and whether a commit took
//! effect.

use crate::batch::{Row, Schema};
use crate::driver::mysql::{Database, Failure, is_unknown, number};
use crate::error::{Error, ErrorKind};
use sqlx::Row as _;
use sqlx::mysql::MySqlArguments;
use std::time::Duration;

/// Longest search for whoever holds a lock.
const BLOCKER_TIMEOUT: Duration = Duration::from_secs(2);

/// Transactions that have gone on for longest, our own sessions' aside: one of them holds the lock.
const BLOCKERS: &str = "SELECT CAST(concat('session ', t.trx_mysql_thread_id, ', ', \
     p.user, '@', p.host, ', in a transaction for ', \
     timestampdiff(SECOND, t.trx_started, now()), ' s') AS CHAR) \
     FROM information_schema.innodb_trx AS t \
     JOIN information_schema.processlist AS p ON p.id = t.trx_mysql_thread_id \
     WHERE t.trx_mysql_thread_id <> connection_id() AND t.trx_state = 'RUNNING' \
     ORDER BY t.trx_started LIMIT 1";

/// A failed commit: a transaction whose end was not reported may have taken effect.
pub(super) fn commit_failed(database: &Database, failure: Failure) -> Error {
    let error = database.failed("commit", failure);
    if is_unknown(&error) { error.into_kind(ErrorKind::UnknownOutcome) } else { error }
}

/// A failed write of records, with the key of the one that the server names.
pub(super) fn write_failed(
    database: &Database,
    operation: &str,
    schema: &Schema,
    rows: &[Row<'_>],
    failure: Failure,
) -> Error {
    let row = failure.row().and_then(|row| rows.get(row));
    let error = database.failed(operation, failure).with("table", &schema.table);
    match row.map(Row::key) {
        Some(Ok(key)) if error.kind() == ErrorKind::Unreadable => error.with("key", key),
        _ => error,
    }
}

/// Adds who holds the lock that was waited for, where the server tells. That needs the privilege
/// PROCESS, which the tools do not ask for.
pub(super) async fn name_blocker(
    database: &Database,
    failure: Failure,
) -> (Failure, Option<String>) {
    if failure.number() != Some(number::LOCK_WAIT) {
        return (failure, None);
    }
    let found = tokio::time::timeout(BLOCKER_TIMEOUT, async {
        let mut session = database.session().await.ok()?;
        let rows = session.fetch(BLOCKERS, MySqlArguments::default()).await.ok()?;
        rows.first()?.try_get::<String, _>(0).ok()
    });
    (failure, found.await.ok().flatten())
}

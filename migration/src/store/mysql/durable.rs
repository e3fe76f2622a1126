//! When commits are on the disk.

use super::MysqlStore;
use crate::error::{Error, ErrorKind, Result};
use sqlx::Row as _;
use sqlx::mysql::MySqlArguments;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const OPERATION: &str = "make commits durable";
const HINT: &str = "set innodb_flush_log_at_trx_commit to 1 on this server";

/// How far the log goes, and how far it is on the disk.
const LSNS: &str = "SHOW GLOBAL STATUS LIKE 'Innodb_lsn_%'";

/// Far above the second after which the server flushes its log unless it is told otherwise
/// (`innodb_flush_log_at_timeout`).
const FLUSHED_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `MariaDB` has flushed what is committed now. Its `FLUSH ENGINE LOGS` obeys the
/// setting: at 0 it does nothing, at 2 it leaves the log in the cache of the system. But once a
/// second the server flushes by itself.
pub(super) async fn flushed(store: &MysqlStore) -> Result<()> {
    let begun = Instant::now();
    let mut end = None;
    loop {
        let (current, flushed) = positions(store).await?;
        let end = *end.get_or_insert(current);
        if flushed >= end {
            return Ok(());
        }
        if begun.elapsed() > FLUSHED_MAX {
            return Err(Error::new(ErrorKind::TimedOut, OPERATION).hint(HINT));
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn positions(store: &MysqlStore) -> Result<(u64, u64)> {
    let (mut current, mut flushed) = (None, None);
    for row in store.fetch(OPERATION, LSNS, MySqlArguments::default()).await? {
        let text = |place: usize| row.try_get::<String, _>(place);
        let (Ok(name), Ok(value)) = (text(0), text(1)) else { continue };
        match name.as_str() {
            "Innodb_lsn_current" => current = value.parse().ok(),
            "Innodb_lsn_flushed" => flushed = value.parse().ok(),
            _ => {}
        }
    }
    current.zip(flushed).ok_or_else(|| {
        Error::new(
            ErrorKind::Failed,
            format!("{OPERATION}: the server does not tell its log's end"),
        )
        .hint(HINT)
    })
}

//! What readers of the binary log may know, and when a query shows it.
//!
//! A transaction is in the log before it is visible. MariaDB tells the place in the log that belongs
//! to a snapshot, so once that has passed the log's end of a moment ago, the snapshot shows
//! everything that any reader of the log had by then.

use crate::driver::mysql::{Database, Failure, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Horizon;
use sqlx::Row as _;
use sqlx::mysql::{MySqlArguments, MySqlRow};

const LOGS: &str = "SELECT CAST(@@global.log_bin AS UNSIGNED)";
const REPLICATES: &str = "SHOW ALL SLAVES STATUS";
const END: &str = "SHOW MASTER STATUS";
const SNAPSHOT: &str = "SHOW STATUS LIKE 'binlog_snapshot_%'";

const GRANT: &str = "GRANT BINLOG MONITOR, REPLICA MONITOR ON *.* TO the source's user";

pub(super) async fn horizon(database: &Database) -> Result<Horizon> {
    let failed = |failure: Failure| database.failed("ask for the end of the binary log", failure);
    let mut session = database.session().await?;
    let rows = fetch(&mut session, LOGS).await.map_err(failed)?;
    let logs: u64 = rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(unreadable)?;
    if logs == 0 {
        // Nobody can have read of a change but from the application, after its commit.
        return Ok(Horizon::Now);
    }
    if !database.is_mariadb {
        return Err(refused("MySQL does not tell which changes a read shows")
            .hint("read the source from MariaDB, or use an outbox in the source as the queue"));
    }
    let grant = |failure| failed(failure).hint(GRANT);
    if !fetch(&mut session, REPLICATES).await.map_err(grant)?.is_empty() {
        return Err(refused("it is a replica, which does not tell what its primary has committed")
            .hint("give the URL of the primary server as the source"));
    }
    let rows = fetch(&mut session, END).await.map_err(grant)?;
    let Some(row) = rows.first() else { return Ok(Horizon::Now) };
    let file: String = row.try_get(0).map_err(unreadable)?;
    let position: u64 = row.try_get(1).map_err(unreadable)?;
    Ok(Horizon::Binlog { file: number(&file)?, position })
}

pub(super) async fn shows(database: &Database, file: u64, position: u64) -> Result<bool> {
    let failed = |failure: Failure| database.failed("ask which changes a read shows", failure);
    let mut session = database.session().await?;
    session.begin_snapshot().await.map_err(failed)?;
    let rows = fetch(&mut session, SNAPSHOT).await.map_err(failed)?;
    session.commit().await.map_err(failed)?;
    let mut shown = (None, None);
    for row in &rows {
        let name: String = row.try_get(0).map_err(unreadable)?;
        let value: String = row.try_get(1).map_err(unreadable)?;
        match name.to_ascii_lowercase().as_str() {
            "binlog_snapshot_file" => shown.0 = Some(number(&value)?),
            "binlog_snapshot_position" => shown.1 = value.parse::<u64>().ok(),
            _ => {}
        }
    }
    match shown {
        (Some(shown_file), Some(shown_position)) => {
            Ok((shown_file, shown_position) >= (file, position))
        }
        _ => Err(refused("the server does not tell which changes a read shows")),
    }
}

async fn fetch(session: &mut Session, sql: &str) -> Result<Vec<MySqlRow>, Failure> {
    session.fetch(sql, MySqlArguments::default()).await
}

/// The number at the end of a log's name: names of different length sort wrongly.
fn number(name: &str) -> Result<u64> {
    let digits = name.rsplit('.').next().unwrap_or("");
    digits.parse().map_err(|_| refused("the name of its binary log ends in no number"))
}

fn refused(problem: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("wait for the source: {problem}"))
}

fn unreadable(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Unreadable, "wait for the source: its answer").because(error)
}

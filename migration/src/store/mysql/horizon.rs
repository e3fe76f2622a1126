//! What readers of the binary log may know, and when a query shows it.
//!
//! A transaction is in the log before it is visible. MariaDB tells the place in the log that
//! belongs to a snapshot, so once that has passed the log's end of a moment ago, the snapshot shows
//! everything that any reader of the log had by then.

use crate::driver::mysql::{Database, Failure, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Horizon;
use sqlx::Row as _;
use sqlx::mysql::{MySqlArguments, MySqlRow};

const LOGS: &str = "SELECT CAST(@@global.log_bin AS UNSIGNED)";
/// Where it replicates from, on MariaDB and on MySQL.
const REPLICATES: [&str; 2] = ["SHOW ALL SLAVES STATUS", "SHOW REPLICA STATUS"];
/// The same on MySQL before 8.0.22, to which the other is a syntax error.
const REPLICATED: &str = "SHOW SLAVE STATUS";
const SYNTAX: u16 = 1064;
/// No row where the server was built without Galera.
const IN_CLUSTER: &str = "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'";
const END: &str = "SHOW MASTER STATUS";
const SNAPSHOT: &str = "SHOW STATUS LIKE 'binlog_snapshot_%'";

/// On MariaDB and on MySQL.
const GRANT: [&str; 2] = [
    "GRANT BINLOG MONITOR, REPLICA MONITOR ON *.* TO the source's user",
    "GRANT REPLICATION CLIENT ON *.* TO the source's user",
];

pub(super) async fn horizon(database: &Database) -> Result<Horizon> {
    const OPERATION: &str = "ask for the end of the binary log";
    let failed = |failure: Failure| database.failed(OPERATION, failure);
    let mut session = database.session().await?;
    let rows = fetch(&mut session, LOGS).await.map_err(failed)?;
    let logs: u64 = rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(unreadable)?;
    if logs != 0 && !database.is_mariadb {
        return Err(refused("MySQL does not tell which changes a read shows")
            .hint("read the source from MariaDB, or use an outbox in the source as the queue"));
    }
    // With a log of its own or without: what the queue holds may come from its primary's.
    let brand = usize::from(!database.is_mariadb);
    let grant = |failure: Failure| database.denied(OPERATION, failure, GRANT[brand]);
    let replicates = match fetch(&mut session, REPLICATES[brand]).await {
        Err(failure) if failure.number() == Some(SYNTAX) => fetch(&mut session, REPLICATED).await,
        told => told,
    };
    if !replicates.map_err(grant)?.is_empty() {
        return Err(refused("it is a replica, which does not tell what its primary has committed")
            .hint("give the URL of the primary server as the source"));
    }
    let rows = fetch(&mut session, IN_CLUSTER).await.map_err(failed)?;
    let in_cluster: Option<String> =
        rows.first().map(|row| row.try_get(1)).transpose().map_err(unreadable)?;
    if in_cluster.is_some_and(|state| state.eq_ignore_ascii_case("ON")) {
        return Err(refused("it is a node of a Galera cluster, which may show later than another \
                            node what that has committed")
            .hint("use an outbox in the source as the queue, and have the service write to this node alone"));
    }
    if logs == 0 {
        // Nobody can have read of a change but from the application, after its commit.
        return Ok(Horizon::Now);
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

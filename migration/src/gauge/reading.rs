//! One figure of one server.

use crate::driver::pool::{Pool, bounded};
use crate::driver::{mysql, postgres};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Engine;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Connections of one gauge: it is read by one task.
const CONNECTIONS_MAX: usize = 1;

/// Seconds since the replica applied what its primary did last; none while it waits for more. A
/// primary has no figure. Without the role `pg_read_all_stats` nobody can see that it waits, and an
/// idle primary looks like a lag.
const POSTGRES_LAG: &str = "SELECT CASE \
     WHEN NOT pg_is_in_recovery() THEN NULL \
     WHEN EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming' \
      AND latest_end_lsn <= pg_last_wal_replay_lsn()) THEN 0 \
     ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END";

/// What MySQL and MariaDB say of their replication.
const REPLICA_STATUS: &str = "SHOW REPLICA STATUS";

/// The column of that with the lag, as either calls it: null while replication stands.
const REPLICA_LAG: [&str; 2] = ["Seconds_Behind_Master", "Seconds_Behind_Source"];

/// A query of the plan can change nothing by mistake.
const POSTGRES_SETTINGS: &str = "SET default_transaction_read_only = on";
/// The same for MySQL and MariaDB.
const MYSQL_SETTINGS: &str = "SET SESSION TRANSACTION READ ONLY";

/// A server that is asked for figures.
#[derive(Debug)]
pub(super) struct Server {
    engine: Engine,
    opened: OnceCell<Opened>,
}

#[derive(Debug)]
enum Opened {
    Postgres(Arc<Pool<PgConnection>>),
    Mysql(mysql::Database),
}

impl Server {
    pub(super) fn new(engine: &Engine) -> Self {
        Self { engine: engine.clone(), opened: OnceCell::new() }
    }

    /// The figure that `query` gives; without one, how many seconds the server lags.
    pub(super) async fn read(&self, query: Option<&str>) -> Result<Option<f64>> {
        match self.opened.get_or_try_init(|| self.open()).await? {
            Opened::Postgres(pool) => {
                let query = query.unwrap_or(POSTGRES_LAG);
                let sql = format!("SELECT CAST(({query}) AS double precision)");
                let mut session = pool.session().await?;
                let row = sqlx::query(AssertSqlSafe(sql));
                let row = bounded(row.fetch_one(session.connection()?)).await;
                let row = session.settle("read gauge", row)?;
                row.try_get(0).map_err(no_number)
            }
            Opened::Mysql(database) => {
                let rows = mysql_rows(database, query).await?;
                match query {
                    Some(_) => figure(&rows),
                    None => lag(&rows),
                }
            }
        }
    }

    async fn open(&self) -> Result<Opened> {
        Ok(match &self.engine {
            Engine::Postgres { url } => {
                Opened::Postgres(postgres::pool(url, POSTGRES_SETTINGS, CONNECTIONS_MAX)?)
            }
            Engine::Mysql { url } => {
                Opened::Mysql(mysql::Database::open(url, MYSQL_SETTINGS, CONNECTIONS_MAX).await?)
            }
            // A plan is refused with this before.
            Engine::Sqlite { .. } => {
                return Err(Error::new(ErrorKind::Plan, "read gauge: it watches a server"));
            }
        })
    }
}

async fn mysql_rows(database: &mysql::Database, query: Option<&str>) -> Result<Vec<MySqlRow>> {
    let sql = match query {
        Some(query) => format!("SELECT CAST(({query}) AS DOUBLE)"),
        None => REPLICA_STATUS.to_owned(),
    };
    let mut session = database.session().await?;
    let rows = session.fetch(sql, MySqlArguments::default()).await;
    rows.map_err(|failure| database.failed("read gauge", failure))
}

fn figure(rows: &[MySqlRow]) -> Result<Option<f64>> {
    rows.first().map_or(Ok(None), |row| row.try_get(0).map_err(no_number))
}

/// The greatest lag, if it replicates from several primaries; none if from one of them it does not.
fn lag(rows: &[MySqlRow]) -> Result<Option<f64>> {
    let mut lag = None;
    for row in rows {
        let column = REPLICA_LAG.iter().find(|name| row.try_get_raw(**name).is_ok());
        let Some(column) = column else { return Ok(None) };
        // Seconds: exact as a float for longer than any server has stood.
        let Some(seconds) = row
            .try_get::<Option<u32>, _>(*column)
            .or_else(|_| {
                row.try_get::<Option<i64>, _>(*column)
                    .map(|it| it.and_then(|it| u32::try_from(it).ok()))
            })
            .map_err(no_number)?
        else {
            return Ok(None);
        };
        lag = lag.max(Some(seconds));
    }
    Ok(lag.map(f64::from))
}

fn no_number(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Unreadable, "read gauge: it gives no number").because(error)
}

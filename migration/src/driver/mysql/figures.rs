//! Figures of a MySQL or MariaDB server, for gauges.

use super::Database;
use crate::error::Result;
use crate::gauge::{Figures, no_number};
use crate::plan::ServerUrl;
use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use tokio::sync::OnceCell;

/// Connections of one gauge: it is read by one task.
const CONNECTIONS_MAX: usize = 1;

/// A query of the plan can change nothing by mistake.
const SETTINGS: &str = "SET SESSION TRANSACTION READ ONLY";

/// What the server says of its replication.
const REPLICA_STATUS: &str = "SHOW REPLICA STATUS";

/// The column of that with the lag, as MariaDB and as MySQL calls it: null while replication
/// stands.
const REPLICA_LAG: [&str; 2] = ["Seconds_Behind_Master", "Seconds_Behind_Source"];

/// A server that is asked for figures. Connects when it is asked.
#[derive(Debug)]
pub(crate) struct MysqlFigures {
    url: ServerUrl,
    database: OnceCell<Database>,
}

impl MysqlFigures {
    pub(crate) fn new(url: &ServerUrl) -> Self {
        Self { url: url.clone(), database: OnceCell::new() }
    }
}

#[async_trait]
impl Figures for MysqlFigures {
    async fn read(&self, query: Option<&str>) -> Result<Option<f64>> {
        let open = || Database::open(&self.url, SETTINGS, CONNECTIONS_MAX);
        let database = self.database.get_or_try_init(open).await?;
        let sql = query.map_or_else(
            || REPLICA_STATUS.to_owned(),
            |query| format!("SELECT CAST(({query}) AS DOUBLE)"),
        );
        let mut session = database.session().await?;
        let rows = session.fetch(sql, MySqlArguments::default()).await;
        let rows = rows.map_err(|failure| database.failed("read gauge", failure))?;
        if query.is_some() { figure(&rows) } else { lag(&rows) }
    }
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

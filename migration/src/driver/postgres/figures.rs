//! Figures of a PostgreSQL server, for gauges.

use super::pool;
use crate::driver::pool::{Pool, bounded};
use crate::error::Result;
use crate::gauge::{Figures, no_number};
use crate::plan::ServerUrl;
use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};
use std::sync::{Arc, OnceLock};

/// Connections of one gauge: it is read by one task.
const CONNECTIONS_MAX: usize = 1;

/// A query of the plan can change nothing by mistake.
const SETTINGS: &str = "SET default_transaction_read_only = on";

/// Seconds since the replica applied what its primary did last; none while it waits for more. A
/// primary has no figure. Without the role `pg_read_all_stats` nobody can see that it waits, and an
/// idle primary looks like a lag.
const LAG: &str = "SELECT CASE \
     WHEN NOT pg_is_in_recovery() THEN NULL \
     WHEN EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming' \
      AND latest_end_lsn <= pg_last_wal_replay_lsn()) THEN 0 \
     ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END";

/// A server that is asked for figures. Connects when it is asked.
#[derive(Debug)]
pub(crate) struct PostgresFigures {
    url: ServerUrl,
    pool: OnceLock<Arc<Pool<PgConnection>>>,
}

impl PostgresFigures {
    pub(crate) fn new(url: &ServerUrl) -> Self {
        Self { url: url.clone(), pool: OnceLock::new() }
    }

    fn pool(&self) -> Result<Arc<Pool<PgConnection>>> {
        if let Some(pool) = self.pool.get() {
            return Ok(Arc::clone(pool));
        }
        let opened = pool(&self.url, SETTINGS, CONNECTIONS_MAX)?;
        Ok(Arc::clone(self.pool.get_or_init(|| opened)))
    }
}

#[async_trait]
impl Figures for PostgresFigures {
    async fn read(&self, query: Option<&str>) -> Result<Option<f64>> {
        let query = query.unwrap_or(LAG);
        let sql = format!("SELECT CAST(({query}) AS double precision)");
        let mut session = self.pool()?.session().await?;
        let row = sqlx::query(AssertSqlSafe(sql));
        let row = bounded(row.fetch_one(session.connection()?)).await;
        let row = session.settle("read gauge", row)?;
        row.try_get(0).map_err(no_number)
    }
}

//! What readers of the log may know, and when a query shows it.
//!
//! A transaction is in the log before it is visible. Whatever a reader of the log has seen commit
//! has a lower id than one that is given out now, so once no lower one is running, all is visible.

use super::PostgresStore;
use crate::driver::pool::bounded;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Horizon;

const IS_REPLICA: &str = "SELECT pg_is_in_recovery()";
/// Gives out an id, which a transaction that only reads may do.
const NEXT: &str = "SELECT txid_current()";
const LOWEST_RUNNING: &str = "SELECT txid_snapshot_xmin(txid_current_snapshot())";

pub(super) async fn horizon(store: &PostgresStore) -> Result<Horizon> {
    let mut session = store.pool.session().await?;
    let found = bounded(sqlx::query_scalar(IS_REPLICA).fetch_one(session.connection()?)).await;
    let is_replica: bool = session.settle("ask whether it is a replica", found)?;
    if is_replica {
        return Err(Error::new(
            ErrorKind::Refused,
            "wait for the source: it is a replica, which does not tell what its primary has committed",
        )
        .hint("give the URL of the primary server as the source"));
    }
    let found = bounded(sqlx::query_scalar(NEXT).fetch_one(session.connection()?)).await;
    let next: i64 = session.settle("ask for the next transaction's id", found)?;
    Ok(Horizon::Transactions { below: u64::try_from(next).unwrap_or(0) })
}

pub(super) async fn shows(store: &PostgresStore, below: u64) -> Result<bool> {
    let mut session = store.pool.session().await?;
    let found = bounded(sqlx::query_scalar(LOWEST_RUNNING).fetch_one(session.connection()?)).await;
    let lowest: i64 = session.settle("ask for the lowest running transaction", found)?;
    Ok(u64::try_from(lowest).unwrap_or(0) >= below)
}

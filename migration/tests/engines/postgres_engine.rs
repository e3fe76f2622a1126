//! What is PostgreSQL's own: which statements resurrect, what each type keeps, what each failure
//! means. What every engine promises is in `store_conformance`.

mod failures;
mod guard;
mod types;

use migration::plan::ServerUrl;
use migration::store::{OpenMode, PostgresStore};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Row as _};
use std::str::FromStr as _;
use std::time::{Duration, Instant};

/// Longest wait for what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

async fn open(url: &ServerUrl) -> PostgresStore {
    PostgresStore::open("t", url, "m", OpenMode::ReadWrite).await.unwrap()
}

/// A session past everything of ours, with the number of its process.
async fn session(url: &str) -> (PgConnection, i32) {
    let options = PgConnectOptions::from_str(url).unwrap().disable_statement_logging();
    let mut connection = options.connect().await.unwrap();
    let row = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
    (connection, row.get(0))
}

/// Waits until some other session waits for a lock of this kind.
async fn until_somebody_waits(watcher: &mut PgConnection, kind: &str) {
    let since = Instant::now();
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock' AND wait_event = $1",
        )
        .bind(kind)
        .fetch_one(&mut *watcher)
        .await
        .unwrap();
        if waiting > 0 {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "nobody waits for {kind}");
        tokio::task::yield_now().await;
    }
}

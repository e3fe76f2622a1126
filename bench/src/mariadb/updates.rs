//! Live point updates at a fixed rate, and how long each of them took.

use crate::child::Failure;
use crate::table::Table;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Sessions that update in turn: enough that one slow update does not hold up the next.
const SESSIONS: u32 = 16;

/// Updates a second of all sessions together.
pub(super) const RATE: u32 = 1_000;

/// How long the sessions write before anything counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long each update took, from the moment at which it was due: one that waits for the one
/// before it has waited too.
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    /// The latency that only one update of a hundred exceeded, in milliseconds.
    pub(super) fn p99_ms(&mut self) -> f64 {
        self.0.sort_unstable();
        let place = self.0.len() * 99 / 100;
        self.0.get(place).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1_000.0)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Updates records of a table for so long.
pub(super) async fn run(
    url: &str,
    table: &Table,
    rows: u64,
    time: Duration,
) -> Result<Latencies, Failure> {
    let begin = Instant::now();
    let mut sessions = JoinSet::new();
    for session in 0..SESSIONS {
        let (name, counter) = (table.name, table.counter);
        let sql = format!("UPDATE {name} SET {counter} = {counter} + 1 WHERE id = ?");
        let url = url.to_owned();
        sessions.spawn(async move { updates(&url, &sql, rows, session, begin, time).await });
    }
    let mut all = Vec::new();
    while let Some(joined) = sessions.join_next().await {
        all.extend(joined??);
    }
    Ok(Latencies(all))
}

async fn updates(
    url: &str,
    sql: &str,
    rows: u64,
    session: u32,
    begin: Instant,
    time: Duration,
) -> sqlx::Result<Vec<Duration>> {
    let mut random = StdRng::seed_from_u64(u64::from(session));
    let mut connection = MySqlConnection::connect(url).await?;
    let step = Duration::from_secs(1) / RATE;
    let mut due = begin + step * session;
    let mut latencies = Vec::new();
    while due < begin + WARM_UP + time {
        sleep_until(due).await;
        let id = random.random_range(1..=rows).cast_signed();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id);
        connection.execute(query).await?;
        if due >= begin + WARM_UP {
            latencies.push(due.elapsed());
        }
        due += step * SESSIONS;
    }
    connection.close().await?;
    Ok(latencies)
}

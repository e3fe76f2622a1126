//! Debezium's own sink, run by Kafka Connect, on what suits it best: records alone instead of
//! envelopes, schemas that no message repeats, and large batches of which it keeps the last change
//! of each record.

use super::form::{FLAT_SCHEMA, Form, KEY_SCHEMA};
use super::live::{Place, TABLE};
use super::{brokers, change::End, topic};
use crate::bed::Store;
use crate::child::{self, Cost, Failure};
use crate::cpu;
use crate::side::{CONNECTIONS, Side};
use crate::wait::wait;
use servers::{Connect, Connector};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Its topic, filled once.
const TOPIC: &str = "flat.bench.narrow";

/// One of so many messages is for it: it is slow, and rates are what is compared.
const SHARE: u64 = 5;

/// Messages that it takes at once: more were no faster.
const BATCH: &str = "3000";

/// Between two looks at the target.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Longest run.
const RUN_MAX: Duration = Duration::from_secs(600);

pub(super) struct Sink<'a> {
    place: &'a Place<'a>,
    sent: End,
    /// Workers so far: each reads as a group of its own, from the beginning.
    turn: Cell<u32>,
}

impl<'a> Sink<'a> {
    pub(super) const NAME: &'static str = "the Debezium JDBC sink";

    /// Fills the topic.
    pub(super) fn new(place: &'a Place<'a>) -> Result<Self, Failure> {
        topic::make(place.kafka, TOPIC)?;
        let count = (place.rows / SHARE).max(1);
        let sent = topic::fill(&brokers(place.kafka), TOPIC, Form::Flat, (count, place.rows))?;
        Ok(Self { place, sent, turn: Cell::new(0) })
    }

    fn connector(&self) -> Result<Connector, Failure> {
        self.turn.set(self.turn.get() + 1);
        let name = format!("sink-{}", self.turn.get());
        let url = Store::url(&self.place.target);
        let schemas = (KEY_SCHEMA, FLAT_SCHEMA);
        Ok(Connector::jdbc_sink(&name, &url, (TOPIC, TABLE), schemas)?
            .set("tasks.max", &CONNECTIONS.to_string())
            .set("batch.size", BATCH)
            .set("use.reduction.buffer", "true")
            .set("consumer.override.max.poll.records", BATCH)
            .set("consumer.override.max.partition.fetch.bytes", "4194304")
            .set("consumer.override.fetch.max.bytes", "52428800"))
    }
}

impl Side for Sink<'_> {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn rows(&self) -> Option<u64> {
        Some(self.sent.messages)
    }

    fn prepare(&self) -> Result<(), Failure> {
        self.place.empty_target()
    }

    /// From the first record in the target to the last of every partition: its start, of several
    /// seconds, does not count, nor does what is in its first batch.
    fn run(&self) -> Result<Cost, Failure> {
        let worker = servers::connect(&brokers(self.place.kafka))
            .jvm(&["-Xmx2g", "-XX:+UseParallelGC"])
            .connector(self.connector()?)
            .start()?;
        wait(watch(&worker, &Store::url(&self.place.target)))
    }

    /// It knows no versions: what came last stands.
    fn check(&self) -> Result<(), Failure> {
        self.place.target.sql(&format!(
            "DELETE FROM {}.{TABLE} WHERE id >= {}",
            crate::bed::DATABASE,
            topic::LAST_ID
        ))?;
        self.place.expect(self.sent.arrived)
    }
}

/// Waits until everything is in the target.
async fn watch(worker: &Connect, url: &str) -> Result<Cost, Failure> {
    let mut target = MySqlConnection::connect(url).await?;
    let process = worker.process_id().ok_or("the worker does not run")?;
    let first = format!("SELECT count(*) FROM (SELECT 1 FROM {TABLE} LIMIT 1) AS one");
    reach(worker, &mut target, &first, 1).await?;
    let (begun, cpu_before) = (Instant::now(), cpu::of_family(process));
    let last = format!("SELECT count(*) FROM {TABLE} WHERE id >= {}", topic::LAST_ID);
    reach(worker, &mut target, &last, super::PARTITIONS.cast_signed()).await?;
    let cost = Cost {
        seconds: begun.elapsed().as_secs_f64(),
        peak_bytes: child::peak(process),
        cpu_seconds: cpu::of_family(process) - cpu_before,
    };
    target.close().await?;
    Ok(cost)
}

/// Waits until a query gives this number.
async fn reach(
    worker: &Connect,
    target: &mut MySqlConnection,
    query: &str,
    number: i64,
) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(query));
        let found = query.fetch_one(&mut *target).await?;
        if found == number {
            return Ok(());
        }
        if let Some(failure) = worker.failure() {
            return Err(failure.into());
        }
        if begun.elapsed() > RUN_MAX {
            return Err(format!("not done after {RUN_MAX:?}: {}", worker.log_tail()).into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

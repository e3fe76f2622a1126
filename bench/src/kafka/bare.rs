//! The bare loop: polls, decodes, keeps the last change of each record, upserts.

use super::PARTITIONS;
use super::brokers;
use super::live::{Place, TOPIC};
use crate::bed::Store;
use crate::child::{self, Cost, Failure};
use crate::side::Side;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde::Deserialize;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

/// Messages in a batch, as ours takes by default.
const BATCH_ROWS: usize = 1_000;

/// How long no message may come.
const POLL: Duration = Duration::from_secs(10);

/// Sizes of prepared statements: a batch is cut into these, so that few are ever prepared.
const SIZES: [usize; 3] = [500, 50, 1];

pub(super) struct Bare<'a> {
    pub(super) place: &'a Place<'a>,
}

impl Bare<'_> {
    pub(super) const NAME: &'static str = "the bare loop";
}

impl Side for Bare<'_> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn prepare(&self) -> Result<(), Failure> {
        self.place.empty_target()
    }

    fn run(&self) -> Result<Cost, Failure> {
        let args = [
            "kafka-apply".to_owned(),
            brokers(self.place.kafka),
            Store::url(&self.place.target),
            self.place.sent.messages.to_string(),
        ];
        child::run(&std::env::current_exe()?, &args)
    }

    /// It knows no versions: what came last stands.
    fn check(&self) -> Result<(), Failure> {
        self.place.expect(self.place.sent.arrived)
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    before: Option<Record<'a>>,
    #[serde(borrow)]
    after: Option<Record<'a>>,
}

#[derive(Deserialize)]
struct Record<'a> {
    id: i64,
    owner: i64,
    amount: i64,
    #[serde(borrow)]
    label: Cow<'a, str>,
}

/// Applies `count` messages of the topic, in one transaction a batch, on one connection.
pub(crate) async fn bare_apply(brokers: &str, target: &str, count: u64) -> Result<u64, Failure> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        .set("queued.max.messages.kbytes", "65536")
        .set("fetch.queue.backoff.ms", "20")
        .create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(TOPIC, i32::try_from(partition)?, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut target = MySqlConnection::connect(target).await?;
    let mut applied = 0;
    while applied < count {
        let left = usize::try_from(count - applied)?.min(BATCH_ROWS);
        let mut messages = Vec::with_capacity(left);
        while messages.len() < left {
            let Some(found) = consumer.poll(POLL) else {
                return Err(format!("no message after {applied} of {count}").into());
            };
            messages.push(found?.detach());
        }
        let mut last: HashMap<i64, Option<Record<'_>>> = HashMap::with_capacity(left);
        for message in &messages {
            let envelope: Envelope<'_> = serde_json::from_slice(message.payload().unwrap_or(b""))?;
            let id = envelope.after.as_ref().or(envelope.before.as_ref()).map(|row| row.id);
            last.insert(id.ok_or("no record in a message")?, envelope.after);
        }
        target.execute("START TRANSACTION").await?;
        write(&mut target, &last).await?;
        target.execute("COMMIT").await?;
        applied += u64::try_from(messages.len())?;
    }
    target.close().await?;
    Ok(applied)
}

async fn write(
    target: &mut MySqlConnection,
    last: &HashMap<i64, Option<Record<'_>>>,
) -> sqlx::Result<()> {
    let sets: Vec<&Record<'_>> = last.values().flatten().collect();
    for part in parts(&sets) {
        let rows = vec!["(?, ?, ?, ?)"; part.len()].join(", ");
        let sql = format!(
            "INSERT INTO narrow (id, owner, amount, label) VALUES {rows} ON DUPLICATE KEY UPDATE \
             owner = VALUES(owner), amount = VALUES(amount), label = VALUES(label)"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for row in part {
            query = query.bind(row.id).bind(row.owner).bind(row.amount).bind(&*row.label);
        }
        target.execute(query).await?;
    }
    let deletes: Vec<i64> =
        last.iter().filter(|(_, row)| row.is_none()).map(|(id, _)| *id).collect();
    for part in parts(&deletes) {
        let keys = vec!["?"; part.len()].join(", ");
        let sql = format!("DELETE FROM narrow WHERE id IN ({keys})");
        let query = sqlx::query(AssertSqlSafe(sql));
        target.execute(part.iter().fold(query, |query, id| query.bind(*id))).await?;
    }
    Ok(())
}

/// Cuts a batch into the sizes of the statements.
fn parts<T>(mut rest: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rest.len())?;
        let (part, after) = rest.split_at(size);
        rest = after;
        Some(part)
    })
}

//! What stands between an outbox and a topic: a relay as teams write one.

use crate::engine::{Place, Session};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use servers::shared::unique_name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Longer than anything that is to come takes.
const LIMIT: Duration = Duration::from_secs(90);

/// Between two looks at an outbox that was empty.
const PAUSE: Duration = Duration::from_millis(20);

/// Larger than any record of a test.
const MESSAGE_BYTES_MAX: &str = "8000000";

/// Messages carried at once.
const ROWS: usize = 500;

/// A topic of a test.
pub struct Topic {
    brokers: String,
    name: String,
    admin: AdminClient<DefaultClientContext>,
    producer: FutureProducer,
}

impl std::fmt::Debug for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topic").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A message of the topic of dead letters.
#[derive(Debug, Clone)]
pub struct Lying {
    /// Its value.
    pub payload: Vec<u8>,
    /// Its headers, as text where they are.
    pub headers: BTreeMap<String, String>,
}

impl Lying {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let text =
            |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let headers = message.headers().unwrap().iter();
        Self {
            payload: message.payload().unwrap().to_vec(),
            headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
        }
    }

    /// A header of Kafka Connect's for dead letters.
    #[must_use]
    #[track_caller]
    pub fn says(&self, name: &str) -> &str {
        &self.headers[&format!("__connect.errors.{name}")]
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(LIMIT))
}

impl Topic {
    /// Makes it, and one for its dead letters. Every broker gets a replica.
    pub(crate) async fn create(brokers: &str, partitions: i32) -> Self {
        let name = unique_name("followers");
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("acks", "all");
        // In order, also while a broker is away.
        config.set("enable.idempotence", "true").set("message.timeout.ms", "90000");
        config.set("message.max.bytes", MESSAGE_BYTES_MAX);
        let admin: AdminClient<_> = config.create().unwrap();
        let replicas = i32::try_from(brokers.split(',').count()).unwrap();
        let replicas = || TopicReplication::Fixed(replicas);
        let new = NewTopic::new(&name, partitions, replicas());
        let new = new.set("max.message.bytes", MESSAGE_BYTES_MAX);
        let dead = format!("{name}-dead");
        let dead = NewTopic::new(&dead, 1, replicas());
        let dead = dead.set("max.message.bytes", MESSAGE_BYTES_MAX);
        for result in admin.create_topics([&new, &dead], &options()).await.unwrap() {
            result.unwrap();
        }
        let producer = config.create().unwrap();
        Self { brokers: brokers.to_owned(), name, admin, producer }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Adds partitions, so that there are this many.
    pub async fn grow(&self, partitions: usize) {
        let more = NewPartitions::new(&self.name, partitions);
        for result in self.admin.create_partitions([&more], &options()).await.unwrap() {
            result.unwrap();
        }
    }

    /// The number of the broker that leads a partition; -1 while there is none.
    #[must_use]
    pub fn leader(&self, partition: usize) -> i32 {
        let metadata = self.admin.inner().fetch_metadata(Some(&self.name), LIMIT).unwrap();
        metadata.topics()[0].partitions()[partition].leader()
    }

    /// Waits until another broker than this one leads a partition.
    pub async fn is_led_by_another(&self, partition: usize, than: i32) {
        let begun = Instant::now();
        while [than, -1].contains(&self.leader(partition)) {
            assert!(begun.elapsed() < LIMIT, "{than} still leads partition {partition}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Puts what a consumer group says of itself back to the beginning, as a tool does once the
    /// broker knows that no consumer is left: from outside it takes nothing before. (The group of a
    /// flight is named as its topic.)
    pub fn rewind(&self, group: &str) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("group.id", group);
        let client: BaseConsumer = config.create().unwrap();
        let metadata = client.fetch_metadata(Some(&self.name), LIMIT).unwrap();
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition_offset(&self.name, partition.id(), Offset::Offset(0)).unwrap();
        }
        let is_left = || {
            let found = client.fetch_group_list(Some(group), LIMIT).unwrap();
            found.groups().iter().any(|group| !group.members().is_empty())
        };
        let begun = Instant::now();
        while is_left() {
            assert!(begun.elapsed() < LIMIT, "somebody is left in the group {group}");
            std::thread::sleep(PAUSE);
        }
        client.commit(&list, CommitMode::Sync).unwrap();
    }

    /// What lies in the topic of its dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<Lying> {
        let topic = format!("{}-dead", self.name);
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("group.id", "a person");
        let consumer: BaseConsumer = config.create().unwrap();
        let (first, end) = consumer.fetch_watermarks(&topic, 0, LIMIT).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(first)).unwrap();
        consumer.assign(&list).unwrap();
        (first..end).map(|_| Lying::of(&consumer.poll(LIMIT).unwrap().unwrap())).collect()
    }

    /// Sends one message, and waits until the broker has it.
    pub async fn send(&self, key: &str, op: Option<&str>, payload: &[u8]) {
        let mut record = FutureRecord::to(&self.name).key(key).payload(payload);
        if let Some(op) = op {
            let headers = OwnedHeaders::new().insert(Header { key: "op", value: Some(op) });
            record = record.headers(headers);
        }
        self.producer.send(record, LIMIT).await.unwrap();
    }
}

/// Carries an outbox to a topic: what was sent is deleted. Messages of one edge keep their order,
/// for an id that commits late is one of other edges.
#[derive(Debug)]
pub struct Relay {
    is_over: Arc<AtomicBool>,
    carrying: JoinHandle<u64>,
}

impl Relay {
    pub(crate) fn start(source: &Place, topic: &Topic) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (engine, url) = (source.engine(), source.url().to_owned());
        let (producer, name) = (topic.producer.clone(), topic.name.clone());
        let told = Arc::clone(&is_over);
        let carrying = tokio::spawn(async move {
            let mut session = Session::open(engine, &url).await.ok();
            let (mut carried, mut sent) = (0, BTreeSet::new());
            let mut away = Instant::now();
            loop {
                let is_last = told.load(Ordering::Relaxed);
                let Some(open) = session.as_mut() else {
                    assert!(away.elapsed() < LIMIT, "the source is away");
                    tokio::time::sleep(PAUSE).await;
                    session = Session::open(engine, &url).await.ok();
                    continue;
                };
                away = Instant::now();
                match carry(open, &producer, &name, &mut sent).await {
                    Ok(0) if is_last => return carried,
                    Ok(0) => tokio::time::sleep(PAUSE).await,
                    Ok(count) => carried += count,
                    // It is there again later, or the time is up.
                    Err(_) => session = None,
                }
            }
        });
        Self { is_over, carrying }
    }

    /// Carries what is left, and ends. Returns how many messages were carried.
    pub async fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.carrying.await.unwrap()
    }
}

/// Carries a part of the outbox. `sent` are the ids that are in the topic though they may still be
/// in the outbox, because the source went away in between.
async fn carry(
    session: &mut Session,
    producer: &FutureProducer,
    topic: &str,
    sent: &mut BTreeSet<String>,
) -> sqlx::Result<u64> {
    let query =
        format!("SELECT concat(id, ' ', op, ' ', payload) FROM outbox ORDER BY id LIMIT {ROWS}");
    let rows = session.lines(&query).await?;
    let mut ids = Vec::with_capacity(rows.len());
    let mut sending = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut parts = row.splitn(3, ' ');
        let (id, op, payload) =
            (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        ids.push(id);
        if sent.contains(id) {
            continue;
        }
        let record: serde_json::Value = serde_json::from_str(payload).unwrap();
        let key = format!("{}/{}", record["package"], record["dependent"]);
        let headers = OwnedHeaders::new().insert(Header { key: "op", value: Some(op) });
        let message = FutureRecord::to(topic).key(&key).payload(payload).headers(headers);
        sending.push(producer.send_result(message).map_err(|(error, _)| error).unwrap());
    }
    for delivery in sending {
        delivery.await.unwrap().unwrap();
    }
    sent.extend(ids.iter().map(|id| (*id).to_owned()));
    if !ids.is_empty() {
        session.run(&format!("DELETE FROM outbox WHERE id IN ({})", ids.join(","))).await?;
        sent.clear();
    }
    Ok(u64::try_from(ids.len()).unwrap())
}

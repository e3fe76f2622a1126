//! Topics of a real broker, made, filled and deleted from outside.

use migration::decode::{Format, FormatName, FormatOptions, TopicFormat, Truncates, Versions};
use migration::plan::KafkaPlan;
use migration::queue::{KafkaQueue, Queue};
use migration::store::{MemoryDatabase, MemoryStore};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::sync::Arc;
use std::time::Duration;

/// Longer than anything that is to come takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("acks", "all");
    config
}

pub(crate) fn admin(brokers: &str) -> (AdminClient<DefaultClientContext>, AdminOptions) {
    (config(brokers).create().unwrap(), AdminOptions::new().operation_timeout(Some(LIMIT)))
}

pub(crate) async fn create_topic(brokers: &str, topic: &str, partitions: i32) {
    let (admin, options) = admin(brokers);
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for result in admin.create_topics([&new], &options).await.unwrap() {
        result.unwrap();
    }
}

/// Sends a message with a time of its own, and returns its offset.
pub(crate) async fn send(
    producer: &FutureProducer,
    topic: &str,
    payload: &str,
    made_at: i64,
) -> u64 {
    let record = FutureRecord::to(topic).key("k").payload(payload).timestamp(made_at);
    producer.send(record, LIMIT).await.unwrap().offset.try_into().unwrap()
}

/// A plan's queue of this topic, plain JSON in the order of the queue.
pub(crate) fn plan(brokers: &str, topic: &str) -> KafkaPlan {
    KafkaPlan {
        brokers: vec![brokers.to_owned()],
        group: format!("group-of-{topic}"),
        instance: None,
        session: Duration::from_secs(6),
        producer_lag_max: Duration::from_secs(10),
        tls: None,
        sasl: None,
        topics: vec![TopicFormat {
            topic: topic.to_owned(),
            format: Format::resolve(FormatName::Plain, &FormatOptions::default()).unwrap(),
            versions: Versions::Queue,
            table: None,
            database: None,
            truncates: Truncates::Stop,
        }],
        dead_letter_topic: None,
    }
}

pub(crate) async fn open(plan: &KafkaPlan, epoch: u32) -> migration::error::Result<Arc<dyn Queue>> {
    let source = Arc::new(MemoryStore::new("source", MemoryDatabase::new(), "m1"));
    Ok(Arc::new(KafkaQueue::open(plan, "m1", epoch, source).await?))
}

//! A topic, made and filled.

use super::PARTITIONS;
use super::change::{self, End};
use super::form::{self, Form};
use crate::child::Failure;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use servers::Kafka;
use std::time::Duration;

/// How long messages may wait to be sent when all have been handed over.
const FLUSH_MAX: Duration = Duration::from_secs(120);

/// How long a full queue of the producer is waited for.
const FULL_WAIT: Duration = Duration::from_millis(10);

/// Kafka's tool for topics.
const TOOL: &str = "org.apache.kafka.tools.TopicCommand";

/// Makes an empty topic.
pub(super) fn make(kafka: &Kafka, name: &str) -> Result<(), Failure> {
    let partitions = PARTITIONS.to_string();
    let args = ["--create", "--topic", name, "--partitions", &partitions];
    kafka.run(TOOL, &[&args[..], &["--replication-factor", "1"]].concat(), "")?;
    Ok(())
}

/// Removes a topic.
pub(super) fn remove(kafka: &Kafka, name: &str) -> Result<(), Failure> {
    kafka.run(TOOL, &["--delete", "--topic", name], "")?;
    Ok(())
}

/// Ids of records that no change names, one for each partition: their messages are the last.
pub(super) const LAST_ID: u64 = 1_200_000_000_000;

/// Fills a topic with `count` messages about changes of `rows` records.
pub(super) fn fill(
    brokers: &str,
    topic: &str,
    form: Form,
    (count, rows): (u64, u64),
) -> Result<End, Failure> {
    let producer = Producer::new(brokers, topic)?;
    let end = change::each(count, rows, |change| {
        producer.send(change.id, form.value(change).as_deref())
    })?;
    if form == Form::Flat {
        for id in LAST_ID..LAST_ID + PARTITIONS {
            producer.send(id, Some(&form::row(id, 0)))?;
        }
    }
    producer.inner.flush(FLUSH_MAX)?;
    Ok(end)
}

struct Producer<'a> {
    inner: BaseProducer,
    topic: &'a str,
}

impl<'a> Producer<'a> {
    fn new(brokers: &str, topic: &'a str) -> Result<Self, Failure> {
        let inner = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("linger.ms", "20")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "500000")
            .create()?;
        Ok(Self { inner, topic })
    }

    /// Hands a record's message over; one without a value is a deletion.
    fn send(&self, id: u64, value: Option<&str>) -> Result<(), KafkaError> {
        let partition = i32::try_from(id % PARTITIONS).unwrap_or(0);
        let key = form::key(id);
        loop {
            let record = BaseRecord::to(self.topic).partition(partition).key(&key);
            let record = match value {
                Some(value) => record.payload(value),
                None => record,
            };
            match self.inner.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.inner.poll(FULL_WAIT);
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}

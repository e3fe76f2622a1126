//! A topic, made and filled.

use super::PARTITIONS;
use super::change::{self, End};
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

/// Fills a topic with `count` changes of `rows` records.
pub(super) fn fill(brokers: &str, topic: &str, count: u64, rows: u64) -> Result<End, Failure> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "20")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "500000")
        .create()?;
    let end = change::each(count, rows, |message| {
        let partition = i32::try_from(message.id % PARTITIONS).unwrap_or(0);
        loop {
            let record = BaseRecord::to(topic)
                .partition(partition)
                .key(&message.key)
                .payload(&message.value);
            match producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    producer.poll(FULL_WAIT);
                }
                Err((error, _)) => return Err(error),
            }
        }
    })?;
    producer.flush(FLUSH_MAX)?;
    Ok(end)
}

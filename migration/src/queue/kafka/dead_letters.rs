//! Dead letters in a topic, for the tools that a team has for them. What counts stays in the
//! checkpoint store: from there they are replayed, and there the gates look.

use super::config::{Clients, REQUEST};
use super::context::Context;
use super::error::failed_to_write;
use crate::dead_letter::{DeadLetter, Mailbox};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::plan::KafkaPlan;
use async_trait::async_trait;
use futures::future::try_join_all;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::sync::Arc;
use std::time::Duration;

/// How long a full queue of our own is waited for, and then the broker.
const QUEUED: Duration = REQUEST;

/// Letters on their way at the same time.
const TOGETHER: usize = 500;

/// The dead-letter topic of a plan.
pub struct KafkaMailbox {
    topic: String,
    producer: FutureProducer<Context>,
}

impl std::fmt::Debug for KafkaMailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaMailbox").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl KafkaMailbox {
    /// The dead-letter topic, if the plan names one. Nothing is sent or asked for yet.
    ///
    /// # Errors
    /// `Plan` for a secret or a file that cannot be read.
    pub fn open(plan: &KafkaPlan, migration: &str) -> Result<Option<Self>> {
        let Some(topic) = plan.dead_letter_topic.clone() else { return Ok(None) };
        let clients = Clients::new(Arc::new(plan.clone()), migration);
        let producer = clients.producer(Context::default())?;
        Ok(Some(Self { topic, producer }))
    }

    async fn send(&self, letter: &DeadLetter) -> Result<()> {
        let headers = letter.wire_headers();
        let mut written = OwnedHeaders::new_with_capacity(headers.len());
        for (name, value) in &headers {
            written = written.insert(Header { key: name, value: Some(value) });
        }
        let mut record = FutureRecord::<[u8], [u8]>::to(&self.topic).headers(written);
        record = match letter.wire_key() {
            Some(key) => record.key(key),
            None => record,
        };
        if let Some(payload) = letter.payload() {
            record = record.payload(payload);
        }
        // The broker has it, on every replica in step, or the batch is not applied.
        self.producer.send(record, QUEUED).await.map(drop).map_err(|(error, _)| {
            failed_to_write("write dead letter to its topic", &error)
                .with("topic", &self.topic)
                .with("id", letter.id())
        })
    }
}

#[async_trait]
impl Mailbox for KafkaMailbox {
    async fn put(&self, letters: &[DeadLetter]) -> Result<()> {
        for some in letters.chunks(TOGETHER) {
            let sent = try_join_all(some.iter().map(|letter| self.send(letter)));
            // Above what librdkafka itself takes until it gives up.
            tokio::time::timeout(Duration::from_secs(40), sent).await.map_err(|_| {
                Error::new(ErrorKind::Unavailable, "write dead letters to their topic: no answer")
                    .with("topic", &self.topic)
            })??;
            fault::point("kafka.letters.sent");
        }
        Ok(())
    }
}

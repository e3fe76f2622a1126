//! What librdkafka tells beside messages: whose partitions are whose, and what it complains about.

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// A change of the group's assignment, as the group made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// These partitions of topics are this member's.
    Assigned(Vec<(String, i32)>),
    /// These are not any more.
    Revoked(Vec<(String, i32)>),
}

/// What was told and not yet asked for.
#[derive(Debug, Default)]
pub(super) struct Told {
    events: Mutex<VecDeque<Event>>,
    complaint: Mutex<Option<(RDKafkaErrorCode, String)>>,
    arrived: Notify,
}

impl Told {
    /// The next change of the assignment.
    pub(super) fn event(&self) -> Option<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Waits until there is one.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// The last complaint, in librdkafka's words: why a broker does not answer. Never with a
    /// secret; librdkafka shows none.
    pub(super) fn complaint(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
        self.arrived.notify_one();
    }
}

/// Hands on what librdkafka tells.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    pub(super) told: Arc<Told>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if matches!(level, RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info) {
            tracing::trace!(facility, "{message}");
        } else {
            tracing::debug!(facility, "{message}");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(error = %error, "{reason}");
        let Some(code) = error.rdkafka_error_code() else { return };
        // That all are down says less than why the last one is.
        if matches!(code, RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        let mut held = self.told.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some((code, reason.to_owned()));
    }
}

impl ConsumerContext for Context {
    /// Takes the assignment note of, and fetches nothing: where each partition begins is only known
    /// once it is claimed.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let elements = partitions.elements();
        let named = elements.iter().map(|one| (one.topic().to_owned(), one.partition())).collect();
        let (event, done) = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                (Event::Assigned(named), consumer.assign(&TopicPartitionList::new()))
            }
            _ => (Event::Revoked(named), consumer.unassign()),
        };
        if let Err(error) = done {
            tracing::warn!(error = %error, "Kafka assignment not acknowledged");
        }
        self.told.push(event);
    }
}

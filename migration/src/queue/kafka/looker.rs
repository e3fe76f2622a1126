//! Reading single places of partitions: their bounds, and the message at a place. Outside the
//! group, so that anybody may look while others consume.

use super::config::{CONNECT, Clients, REQUEST};
use super::context::{Context, Told};
use super::error::{Meaning, code, failed, meaning, offset};
use super::message::{made_at, witness};
use super::partition::Partition;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::queue::Message;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at what librdkafka complains about.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a broker may not know of a topic, or of a partition that it leads.
const PROPAGATION: Duration = Duration::from_secs(2);

/// Between two looks for a topic.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Most events that are left over from one look.
const LEFT_MAX: usize = 10_000;

/// A message at a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) offset: u64,
    pub(super) witness: u64,
    pub(super) made_at: Timestamp,
}

/// Reads single places, one at a time.
#[derive(Debug)]
pub(super) struct Looker {
    client: Arc<Mutex<Client>>,
}

struct Client(BaseConsumer<Context>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Looker {
    /// Connects; proves that a broker answers.
    ///
    /// # Errors
    /// `Refused` for wrong credentials or certificates; `Unavailable` if no broker answers in time.
    pub(super) async fn open(clients: &Clients, brokers: String) -> Result<Self> {
        let context = Context::default();
        let told = Arc::clone(&context.told);
        let client: BaseConsumer<Context> = clients.looker(context)?;
        blocking(move || {
            connect(&client, &told).map_err(|error| error.with("brokers", brokers))?;
            Ok(Self { client: Arc::new(Mutex::new(Client(client))) })
        })
        .await
    }

    /// The numbers of partitions of these topics.
    ///
    /// # Errors
    /// `Refused` if there is no such topic, or it may not be read.
    pub(super) async fn counts(&self, topics: Vec<String>) -> Result<Vec<u32>> {
        self.with(move |client| topics.iter().map(|topic| count(client, topic)).collect()).await
    }

    /// The lowest offset of a partition that the broker still has, and the one after the last
    /// message that may be read.
    pub(super) async fn bounds(&self, topic: &Arc<str>, number: i32) -> Result<(u64, u64)> {
        let topic = Arc::clone(topic);
        self.with(move |client| {
            let deadline = Instant::now() + PROPAGATION;
            loop {
                match client.fetch_watermarks(&topic, number, REQUEST) {
                    Ok((low, high)) => return Ok((offset(low)?, offset(high)?)),
                    // A partition that moves to another broker, or has just been made.
                    Err(error) if is_passing(&error) && Instant::now() < deadline => {
                        std::thread::sleep(LOOK_AGAIN);
                    }
                    Err(error) => return Err(failed("ask for a partition's bounds", &error)),
                }
            }
        })
        .await
    }

    /// The first message at or after an offset; `None` if there is none by now.
    pub(super) async fn first_at(
        &self,
        topic: &Arc<str>,
        number: i32,
        from: u64,
    ) -> Result<Option<Seen>> {
        let place = Spot { topic: Arc::clone(topic), number, from };
        self.with(move |client| {
            let mut seen = None;
            each(client, &place, &mut |found| {
                seen = Some(Seen {
                    offset: offset(found.offset())?,
                    witness: witness(found),
                    made_at: made_at(found),
                });
                Ok(ControlFlow::Break(()))
            })?;
            Ok(seen)
        })
        .await
    }

    /// Up to `messages_max` messages from an offset on, as many as there are by now.
    pub(super) async fn read(
        &self,
        partition: &Arc<Partition>,
        from: u64,
        messages_max: usize,
    ) -> Result<Vec<Message>> {
        let reading = partition.reading.clone();
        let place = Spot { topic: Arc::clone(&partition.topic), number: partition.number, from };
        self.with(move |client| {
            let mut messages = Vec::new();
            each(client, &place, &mut |found| {
                messages.push(reading.message(found)?);
                let is_enough = messages.len() >= messages_max;
                Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            Ok(messages)
        })
        .await
    }

    async fn with<T: Send + 'static>(
        &self,
        look: impl FnOnce(&BaseConsumer<Context>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let client = Arc::clone(&self.client);
        blocking(move || look(&client.lock().unwrap_or_else(PoisonError::into_inner).0)).await
    }
}

/// librdkafka waits in the thread that asks.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::new(ErrorKind::Failed, "ask Kafka").because(error)),
    }
}

fn connect(client: &BaseConsumer<Context>, told: &Told) -> Result<()> {
    let deadline = Instant::now() + CONNECT;
    loop {
        match client.client().fetch_metadata(Some("__consumer_offsets"), LOOK_EVERY) {
            Ok(_) => return Ok(()),
            // What it is told it only hands on when it is polled.
            Err(_) => drain(client),
        }
        let complaint = told.complaint();
        if let Some((code, reason)) = &complaint
            && let Meaning::Of(kind, Some(hint)) = meaning(*code)
        {
            return Err(Error::new(kind, "open Kafka client: the broker does not let it in")
                .because(reason.clone())
                .hint(hint));
        }
        if Instant::now() >= deadline {
            let error = Error::new(ErrorKind::Unavailable, "open Kafka client: no broker answers")
                .with("after", format!("{CONNECT:?}"))
                .hint(
                    "see whether the brokers run, can be reached from here, and speak TLS or SASL",
                );
            return Err(match complaint {
                Some((_, reason)) => error.because(reason),
                None => error,
            });
        }
    }
}

fn is_passing(error: &KafkaError) -> bool {
    code(error).map(meaning) == Some(Meaning::Passing)
}

fn drain(client: &BaseConsumer<Context>) {
    for _ in 0..LEFT_MAX {
        if client.poll(Duration::ZERO).is_none() {
            return;
        }
    }
}

/// A broker learns of a new topic a moment after it was made.
fn count(client: &BaseConsumer<Context>, topic: &str) -> Result<u32> {
    let deadline = Instant::now() + PROPAGATION;
    loop {
        match count_now(client, topic) {
            Err(error) if error.kind() == ErrorKind::Refused && Instant::now() < deadline => {
                std::thread::sleep(LOOK_AGAIN);
            }
            counted => return counted,
        }
    }
}

fn count_now(client: &BaseConsumer<Context>, topic: &str) -> Result<u32> {
    let metadata = client
        .client()
        .fetch_metadata(Some(topic), REQUEST)
        .map_err(|error| failed("look at topic", &error).with("topic", topic))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let problem = found.and_then(rdkafka::metadata::MetadataTopic::error);
    if let Some(problem) = problem {
        let error = KafkaError::MetadataFetch(problem.into());
        return Err(failed("look at topic", &error).with("topic", topic));
    }
    let count = found.map_or(0, |found| found.partitions().len());
    match u32::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Error::new(ErrorKind::Refused, "look at topic: there is no such topic")
            .with("topic", topic)
            .hint("check its name in the plan and that the brokers are the right ones")),
    }
}

/// Where to read.
struct Spot {
    topic: Arc<str>,
    number: i32,
    from: u64,
}

type Take<'a> = dyn FnMut(&BorrowedMessage<'_>) -> Result<ControlFlow<()>> + 'a;

/// Hands the messages from a place on to `take` until it breaks off or there is none by now.
fn each(client: &BaseConsumer<Context>, spot: &Spot, take: &mut Take<'_>) -> Result<()> {
    let from = i64::try_from(spot.from).unwrap_or(i64::MAX);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&spot.topic, spot.number, Offset::Offset(from))
        .and_then(|()| client.assign(&list))
        .map_err(|error| failed("read message", &error))?;
    let taken = poll(client, spot, from, take);
    // Nothing of this look is left for the next.
    if let Err(error) = client.unassign() {
        tracing::debug!(error = %error, "Kafka assignment not given back");
    }
    drain(client);
    taken.map_err(|error| error.with("topic", &spot.topic).with("partition", spot.number))
}

fn poll(client: &BaseConsumer<Context>, spot: &Spot, from: i64, take: &mut Take<'_>) -> Result<()> {
    let mut deadline = Instant::now() + REQUEST;
    loop {
        match client.poll(LOOK_EVERY) {
            Some(Ok(found)) => {
                let is_it = *found.topic() == *spot.topic && found.partition() == spot.number;
                if is_it && found.offset() >= from {
                    deadline = Instant::now() + REQUEST;
                    if take(&found)?.is_break() {
                        return Ok(());
                    }
                }
            }
            Some(Err(KafkaError::PartitionEOF(found))) if found == spot.number => return Ok(()),
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => match code(&error).map(meaning) {
                Some(Meaning::Passing | Meaning::Down) => {}
                _ => return Err(failed("read message", &error)),
            },
        }
        if Instant::now() >= deadline {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "read message: the broker does not answer",
            )
            .with("after", format!("{REQUEST:?}")));
        }
    }
}

//! Reading as a member of the group.

mod part;

use super::context::{Context, Event, Told};
use super::error::{Meaning, code, failed, meaning};
use super::looker::blocking;
use super::partition::Partitions;
use super::place::KafkaPlace;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::position::Position;
use crate::queue::{Consumer, Delivery};
use async_trait::async_trait;
use futures::FutureExt as _;
use part::Part;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Most bytes that wait to be delivered beside what librdkafka holds, so that messages do not fill
/// the memory, however large or small they are. The one that crosses the bound is still taken.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// Most deliveries that wait. librdkafka hands out what it has fetched of one partition in a row:
/// only with several deliveries in hand can they be of several partitions, which the caller may
/// apply at the same time.
const WAITING_BATCHES_MAX: usize = 24;

/// A topic that was made anew was away for longer than this. A partition that was silent for so
/// long is proved again before anything of it is delivered.
const SILENT: Duration = Duration::from_millis(200);

/// How often a silent partition is looked at: whether its history holds, and whether what lies
/// before its end holds a message at all.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Between two looks, of which each takes a few milliseconds: with many partitions each is looked
/// at less often.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// One member of the group.
pub(super) struct KafkaConsumer {
    /// `None` only while it is dropped.
    client: Option<StreamConsumer<Context>>,
    told: Arc<Told>,
    partitions: Arc<Partitions>,
    parts: Vec<Part>,
    /// Whether librdkafka has still to be told where to read.
    is_moved: bool,
    /// The partition to look at first, so that a busy one does not starve the others.
    turn: usize,
}

impl std::fmt::Debug for KafkaConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaConsumer").field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl KafkaConsumer {
    pub(super) async fn new(partitions: Arc<Partitions>) -> Result<Self> {
        partitions.check_counts().await?;
        let context = Context::default();
        let told = Arc::clone(&context.told);
        let client: StreamConsumer<Context> = partitions.clients.member(context)?;
        let topics = partitions.topics();
        client.subscribe(&topics).map_err(|error| failed("join consumer group", &error))?;
        let client = Some(client);
        Ok(Self { client, told, partitions, parts: Vec::new(), is_moved: false, turn: 0 })
    }

    fn client(&self) -> Result<&StreamConsumer<Context>> {
        self.client.as_ref().ok_or_else(|| Error::new(ErrorKind::Failed, "read Kafka: closed"))
    }

    /// The next change of the assignment, if there is one.
    async fn change(&mut self) -> Result<Option<Delivery>> {
        while let Some(event) = self.told.event() {
            match event {
                Event::Assigned(named) if named.is_empty() => {}
                Event::Revoked(_) if self.parts.is_empty() => {}
                Event::Assigned(named) => {
                    // Partitions that were added come with an assignment of their own.
                    self.partitions.check_counts().await?;
                    self.parts.clear();
                    for (topic, number) in named {
                        self.parts.push(Part::new(self.partitions.of(&topic, number)?));
                    }
                    let names = self.parts.iter().map(Part::name).collect();
                    fault::point("kafka.assigned");
                    return Ok(Some(Delivery::Assigned(names)));
                }
                Event::Revoked(_) => {
                    let names = self.parts.drain(..).map(|part| part.name()).collect();
                    self.is_moved = false;
                    fault::point("kafka.revoked");
                    return Ok(Some(Delivery::Revoked(names)));
                }
            }
        }
        Ok(None)
    }

    /// Tells librdkafka where to read, of all partitions that were sought.
    fn assign(&mut self) -> Result<()> {
        if !self.is_moved {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for part in &self.parts {
            let Some(next) = part.to_fetch() else { continue };
            let next = Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX));
            list.add_partition_offset(&part.partition.topic, part.partition.number, next)
                .map_err(|error| failed("assign partitions", &error))?;
        }
        self.client()?.assign(&list).map_err(|error| failed("assign partitions", &error))?;
        fault::point("kafka.sought");
        self.is_moved = false;
        Ok(())
    }

    /// The next partition to deliver of: whole deliveries first, in turn, and what is less only
    /// where there is no other or where it has waited.
    fn next_part(&self, messages_max: usize) -> Option<usize> {
        let count = self.parts.len();
        let mut in_turn = (0..count).map(|step| (self.turn + step) % count);
        let is_due = |index: &usize| self.parts[*index].is_due(messages_max);
        let has_waiting = |index: &usize| self.parts[*index].has_waiting();
        in_turn.clone().find(is_due).or_else(|| in_turn.find(has_waiting))
    }

    /// What waits to be delivered, of one partition.
    async fn deliver(&mut self, messages_max: usize) -> Result<Option<Delivery>> {
        let Some(index) = self.next_part(messages_max) else { return Ok(None) };
        let part = &mut self.parts[index];
        if part.was_silent
            && let Some(place) = part.place
        {
            self.partitions.prove(&part.partition, place).await?;
            part.was_silent = false;
        }
        let delivery = part.deliver(messages_max)?;
        self.turn = index + 1;
        Ok(Some(delivery))
    }

    /// Takes what librdkafka has fetched, without waiting.
    fn take(&mut self, messages_max: usize) -> Result<()> {
        let waiting_max = messages_max.saturating_mul(WAITING_BATCHES_MAX);
        let mut waiting: usize = self.parts.iter().map(Part::waiting).sum();
        let mut bytes: usize = self.parts.iter().map(Part::waiting_bytes).sum();
        while waiting < waiting_max && bytes < WAITING_BYTES_MAX {
            let Some(client) = &self.client else { return Ok(()) };
            let Some(received) = client.recv().now_or_never() else { return Ok(()) };
            match received {
                Ok(found) => {
                    let (topic, number) = (found.topic(), found.partition());
                    // What a partition had that was revoked meanwhile is another's.
                    let mut parts = self.parts.iter_mut();
                    if let Some(part) = parts.find(|part| part.partition.is(topic, number)) {
                        bytes += part.take(&found)?;
                        waiting += 1;
                    }
                }
                Err(error) => heard(&error, &self.told)?,
            }
        }
        Ok(())
    }

    /// Waits for a message, a change of the assignment or the deadline. A message that comes is
    /// taken by the next call of `take`: only that something is there is found out here.
    async fn wait(&mut self, until: Instant) -> Result<()> {
        let Some(client) = &self.client else { return Ok(()) };
        tokio::select! {
            received = client.recv() => match received {
                Ok(found) => {
                    let (topic, number) = (found.topic(), found.partition());
                    let mut parts = self.parts.iter_mut();
                    if let Some(part) = parts.find(|part| part.partition.is(topic, number)) {
                        part.take(&found)?;
                    }
                    Ok(())
                }
                Err(error) => heard(&error, &self.told),
            },
            () = self.told.arrived() => Ok(()),
            () = sleep(until.saturating_duration_since(Instant::now())) => Ok(()),
        }
    }

    /// Of a partition of which nothing comes, however much comes of others: whether its history
    /// still holds, and whether what lies between its position and its end is a message that has
    /// yet to come, or a gap to pass.
    async fn look(&mut self) -> Result<Option<Delivery>> {
        let count = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        let interval = LOOK_EVERY.max(LOOK_PAUSE.saturating_mul(count));
        let quiet = self.parts.iter_mut().filter(|part| part.is_quiet());
        let Some(part) = quiet.min_by_key(|part| part.looked) else { return Ok(None) };
        let Some(place) = part.place else { return Ok(None) };
        if part.looked.elapsed() < interval {
            return Ok(None);
        }
        part.looked = Instant::now();
        let held = self.partitions.prove(&part.partition, place).await?;
        if held.high <= place.offset() {
            return Ok(None);
        }
        let Partitions { looker, .. } = &*self.partitions;
        let first = looker.first_at(&part.partition.topic, part.partition.number, place.offset());
        match first.await? {
            Some(_) => Ok(None),
            None => part.pass(held.high).map(Some),
        }
    }

    /// An error that ends the poll. Where messages are gone, the partition is named that lacks
    /// them.
    async fn explained(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Lost {
            return error;
        }
        for part in &self.parts {
            let Some(place) = part.place else { continue };
            if let Err(reason) = self.partitions.prove(&part.partition, place).await
                && reason.kind() == ErrorKind::Lost
            {
                return reason;
            }
        }
        error
            .hint("run `dual-write run` again: its start proves every position and says what to do")
    }

    async fn next(&mut self, messages_max: usize, deadline: Instant) -> Result<Delivery> {
        loop {
            if let Some(change) = self.change().await? {
                return Ok(change);
            }
            self.assign()?;
            self.take(messages_max)?;
            // Told while taking: what was revoked is not delivered any more.
            if let Some(change) = self.change().await? {
                return Ok(change);
            }
            if let Some(passed) = self.look().await? {
                return Ok(passed);
            }
            if let Some(messages) = self.deliver(messages_max).await? {
                return Ok(messages);
            }
            if Instant::now() >= deadline {
                return Ok(Delivery::Idle);
            }
            self.wait(deadline).await?;
        }
    }
}

/// What an error among the messages means for the poll.
fn heard(error: &KafkaError, told: &Told) -> Result<()> {
    match code(error).map(meaning) {
        Some(Meaning::Passing) => {
            tracing::debug!(error = %error, "Kafka goes on by itself");
            Ok(())
        }
        Some(Meaning::Down) => {
            let made = Error::new(ErrorKind::Unavailable, "read Kafka: no broker can be reached")
                .hint("see whether the brokers run and can be reached");
            Err(match told.complaint() {
                Some((_, reason)) => made.because(reason),
                None => made,
            })
        }
        _ => Err(failed("read Kafka", error)),
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn poll(&mut self, messages_max: usize, wait: Duration) -> Result<Delivery> {
        match self.next(messages_max.max(1), Instant::now() + wait).await {
            Ok(delivery) => Ok(delivery),
            Err(error) => Err(self.explained(error).await),
        }
    }

    async fn seek(&mut self, partition: &str, position: &Position) -> Result<()> {
        let sought = KafkaPlace::read(position)?;
        let found = self.partitions.named(partition)?;
        self.partitions.prove_position(found, sought).await?;
        let mut parts = self.parts.iter_mut();
        let Some(part) = parts.find(|part| *part.partition.name == *partition) else {
            return Err(Error::new(
                ErrorKind::Refused,
                "seek: the partition is another consumer's",
            )
            .with("partition", partition));
        };
        part.seek(sought.place);
        self.is_moved = true;
        Ok(())
    }

    async fn acknowledge(&mut self, partition: &str, next: &Position) -> Result<()> {
        let place = KafkaPlace::read(next)?.place;
        let found = self.partitions.named(partition)?;
        let mut list = TopicPartitionList::new();
        let next = Offset::Offset(i64::try_from(place.offset()).unwrap_or(i64::MAX));
        list.add_partition_offset(&found.topic, found.number, next)
            .and_then(|()| match &self.client {
                Some(client) => client.commit(&list, CommitMode::Async),
                None => Ok(()),
            })
            .map_err(|error| failed("tell the group how far this consumer is", &error))?;
        fault::point("kafka.acknowledged");
        Ok(())
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        // Leaving the group waits for the broker; nobody here has to. Outside a runtime there is
        // nobody to be held up.
        let client = self.client.take();
        if tokio::runtime::Handle::try_current().is_ok() {
            drop(tokio::spawn(blocking(move || {
                drop(client);
                Ok(())
            })));
        }
    }
}

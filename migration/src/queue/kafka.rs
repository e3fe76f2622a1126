//! Apache Kafka: the topics that a plan names, read by one consumer group.
//!
//! The target holds the positions. What the group commits is a hint for people's tools, and
//! librdkafka is told to skip nothing by itself: a partition is read from the position that was
//! sought and from nowhere else, and an offset that is not there is an error.
//!
//! A position holds the source epoch, the offset, a hash of the last message before it and the
//! number of partitions, and is proved against the topic whenever a partition is sought or was
//! silent: so a topic that was made anew, one that lost its end and one that forgot too early are
//! told from one that is merely quiet. Kafka numbers what transactions write about themselves and
//! forgets what compaction removes, so offsets have gaps; they are passed.

mod config;
mod consumer;
mod context;
mod dead_letters;
mod error;
mod looker;
mod message;
mod partition;
mod place;

pub use dead_letters::KafkaMailbox;

use super::place::Place;
use super::{Assignment, Consumer, Lag, Message, Queue};
use crate::clock::Timestamp;
use crate::decode::Versions;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::KafkaPlan;
use crate::position::{Position, Version};
use crate::store::{Horizon, SideTable, Store};
use async_trait::async_trait;
use config::Clients;
use consumer::KafkaConsumer;
use looker::Looker;
use partition::{Partition, Partitions};
use place::KafkaPlace;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Barriers that may be waited for at the same time; beyond it all begin anew.
const BARRIERS_MAX: usize = 4_096;

/// The topics of a plan, as a queue.
#[derive(Debug)]
pub struct KafkaQueue {
    partitions: Arc<Partitions>,
    source: Arc<dyn Store>,
    producer_lag_max: Duration,
    /// What the source has to show, by the position that is waited for.
    barriers: Mutex<HashMap<(Arc<str>, Position), Horizon>>,
}

impl KafkaQueue {
    /// Connects to the brokers and finds the topics. `source_epoch` leads every version; `source`
    /// is what the messages are changes of.
    ///
    /// # Errors
    /// `Refused` for a topic that is not there, wrong credentials or missing permissions: never
    /// tried again by itself. `Unavailable` if no broker answers in time. `Plan` for a secret or a
    /// file that cannot be read.
    pub async fn open(
        plan: &KafkaPlan,
        migration: &str,
        source_epoch: u32,
        source: Arc<dyn Store>,
    ) -> Result<Self> {
        let clients = Clients::new(Arc::new(plan.clone()), migration);
        let looker = Looker::open(&clients, plan.bootstrap()?).await?;
        let ordered = |versions| versions == Versions::Queue;
        let topics: Vec<(String, bool)> = plan
            .topics
            .iter()
            .map(|topic| (topic.topic.clone(), ordered(topic.versions)))
            .collect();
        let partitions = Partitions::find(clients, looker, source_epoch, &topics).await?;
        Ok(Self {
            partitions: Arc::new(partitions),
            source,
            producer_lag_max: plan.producer_lag_max,
            barriers: Mutex::default(),
        })
    }

    fn position(partition: &Partition, place: Place) -> Result<Position> {
        KafkaPlace { place, partitions: partition.reading.partitions }.position()
    }

    fn barriers(&self) -> std::sync::MutexGuard<'_, HashMap<(Arc<str>, Position), Horizon>> {
        self.barriers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Queue for KafkaQueue {
    fn assignment(&self) -> Assignment {
        Assignment::Group
    }

    async fn partitions(&self) -> Result<Vec<Arc<str>>> {
        Ok(self.partitions.all.iter().map(|one| Arc::clone(&one.name)).collect())
    }

    async fn end(&self, partition: &str) -> Result<Position> {
        let found = self.partitions.named(partition)?;
        let looker = &self.partitions.looker;
        let (low, high) = looker.bounds(&found.topic, found.number).await?;
        let epoch = self.partitions.epoch;
        let Some(last) = high.checked_sub(1) else {
            return Self::position(found, Place::before(epoch, 0));
        };
        let seen = match last >= low {
            true => looker.first_at(&found.topic, found.number, last).await?,
            false => None,
        };
        let seen = seen.filter(|seen| seen.offset == last);
        // Where the last offset holds no message, there is nothing to compare later.
        let witness = seen.map_or(0, |seen| seen.witness);
        Self::position(found, Place::after(epoch, last, witness))
    }

    async fn source_shows(&self, partition: &str, position: &Position) -> Result<bool> {
        let found = self.partitions.named(partition)?;
        self.partitions.prove_position(found, KafkaPlace::read(position)?).await?;
        let key = (Arc::clone(&found.name), *position);
        let known = self.barriers().get(&key).cloned();
        let horizon = match known {
            Some(horizon) => horizon,
            None => {
                // Whatever was delivered lies below what the source has now.
                let horizon = self.source.horizon().await?;
                let mut barriers = self.barriers();
                if barriers.len() >= BARRIERS_MAX {
                    barriers.clear();
                }
                barriers.insert(key.clone(), horizon.clone());
                horizon
            }
        };
        let shows = self.source.shows(&horizon).await?;
        if shows {
            self.barriers().remove(&key);
        }
        Ok(shows)
    }

    fn producer_lag_max(&self) -> Duration {
        self.producer_lag_max
    }

    async fn lag(&self, partition: &str, from: &Position) -> Result<Lag> {
        let found = self.partitions.named(partition)?;
        let sought = KafkaPlace::read(from)?;
        let held = self.partitions.prove_position(found, sought).await?;
        let none = Lag { messages: 0, age: Duration::ZERO };
        let next = sought.place.offset();
        if held.high <= next {
            return Ok(none);
        }
        // Offsets are counted, not messages; but where there is no message at all, there is no lag.
        let looker = &self.partitions.looker;
        Ok(match looker.first_at(&found.topic, found.number, next).await? {
            None => none,
            Some(first) => {
                let messages = held.high.saturating_sub(first.offset);
                Lag { messages: messages.max(1), age: Timestamp::now().since(first.made_at) }
            }
        })
    }

    fn is_current(&self, position: &Position) -> Result<bool> {
        Ok(KafkaPlace::read(position)?.place.epoch == self.partitions.epoch)
    }

    async fn version_at(&self, partition: &str, position: &Position) -> Result<Version> {
        let found = self.partitions.named(partition)?;
        let place = KafkaPlace::read(position)?.place;
        if found.reading.is_ordered {
            return place.version();
        }
        // Where messages tell their versions, one that comes late may have a low one: a snapshot
        // read has the lowest. Only the epoch is certain.
        Version::new(&place.epoch.to_be_bytes())
    }

    /// Outside the group: a member that looks would take partitions from those that work.
    async fn peek(
        &self,
        partition: &str,
        from: Option<&Position>,
        messages_max: usize,
    ) -> Result<Vec<Message>> {
        let found = self.partitions.named(partition)?;
        let looker = &self.partitions.looker;
        let from = match from.map(KafkaPlace::read).transpose()? {
            Some(sought) => {
                self.partitions.prove_position(found, sought).await?;
                sought.place.offset()
            }
            None => {
                let (low, high) = looker.bounds(&found.topic, found.number).await?;
                low.max(high.saturating_sub(messages_max as u64))
            }
        };
        looker.read(found, from, messages_max).await
    }

    async fn consumer(&self) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(KafkaConsumer::new(Arc::clone(&self.partitions)).await?))
    }

    /// Kafka keeps messages as long as the topic says, whoever needs them: nothing is written.
    async fn register(&self, partition: &str, start: &Position) -> Result<()> {
        self.partitions.named(partition)?;
        KafkaPlace::read(start).map(drop)
    }

    async fn trim(&self, partition: &str, _below: &Position) -> Result<u64> {
        self.partitions.named(partition)?;
        Err(Error::new(ErrorKind::Refused, "trim queue: Kafka removes messages by itself")
            .with("partition", partition)
            .hint("how long a topic keeps them is its retention.ms and retention.bytes"))
    }

    fn set_up_statements(&self) -> Vec<String> {
        Vec::new()
    }

    async fn side_tables(&self) -> Result<Vec<SideTable>> {
        // The group's offsets are forgotten by the broker (offsets.retention.minutes).
        Ok(Vec::new())
    }

    async fn remove_side_tables(&self) -> Result<()> {
        Ok(())
    }

    fn describe(&self, position: &Position) -> String {
        KafkaPlace::read(position)
            .map_or_else(|_| format!("{position:?}"), |found| found.place.offset().to_string())
    }
}

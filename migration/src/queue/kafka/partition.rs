//! The partitions of a plan's topics, and the proof that their history is the one that was left.

use super::config::Clients;
use super::looker::Looker;
use super::message::Reading;
use super::place::{Held, KafkaPlace, changed, check};
use crate::error::{Error, ErrorKind, Result};
use crate::queue::place::Place;
use std::collections::HashMap;
use std::sync::Arc;

/// One partition of a topic.
#[derive(Debug)]
pub(super) struct Partition {
    /// As Kafka's own tools write it: `topic-number`.
    pub(super) name: Arc<str>,
    pub(super) topic: Arc<str>,
    pub(super) number: i32,
    pub(super) reading: Reading,
}

impl Partition {
    pub(super) fn is(&self, topic: &str, number: i32) -> bool {
        self.number == number && *self.topic == *topic
    }
}

/// All partitions that are read, and how to look at them.
#[derive(Debug)]
pub(super) struct Partitions {
    pub(super) clients: Clients,
    pub(super) looker: Looker,
    pub(super) epoch: u32,
    /// In the order of the plan's topics.
    pub(super) all: Vec<Arc<Partition>>,
    by_name: HashMap<Arc<str>, Arc<Partition>>,
    /// The topics with their numbers of partitions when the queue was opened.
    counts: Vec<(Arc<str>, u32)>,
}

impl Partitions {
    /// Finds the partitions of these topics, each with whether its order is the commit order.
    pub(super) async fn find(
        clients: Clients,
        looker: Looker,
        epoch: u32,
        topics: &[(String, bool)],
    ) -> Result<Self> {
        let names = topics.iter().map(|(topic, _)| topic.clone()).collect();
        let found = looker.counts(names).await?;
        let mut all = Vec::new();
        let mut counts = Vec::with_capacity(topics.len());
        for ((topic, is_ordered), count) in topics.iter().zip(found) {
            let topic: Arc<str> = Arc::from(topic.as_str());
            counts.push((Arc::clone(&topic), count));
            for number in 0..i32::try_from(count).unwrap_or(i32::MAX) {
                let reading = Reading {
                    topic: Arc::clone(&topic),
                    epoch,
                    partitions: count,
                    is_ordered: *is_ordered,
                };
                let name = Arc::from(format!("{topic}-{number}"));
                let topic = Arc::clone(&topic);
                all.push(Arc::new(Partition { name, topic, number, reading }));
            }
        }
        let by_name = all.iter().map(|one| (Arc::clone(&one.name), Arc::clone(one))).collect();
        Ok(Self { clients, looker, epoch, all, by_name, counts })
    }

    pub(super) fn topics(&self) -> Vec<&str> {
        self.counts.iter().map(|(topic, _)| &**topic).collect()
    }

    pub(super) fn named(&self, name: &str) -> Result<&Arc<Partition>> {
        self.by_name.get(name).ok_or_else(|| {
            Error::new(ErrorKind::Refused, "read queue: no such partition").with("partition", name)
        })
    }

    /// The partition of a topic with this number.
    pub(super) fn of(&self, topic: &str, number: i32) -> Result<Arc<Partition>> {
        let found = self.all.iter().find(|one| one.is(topic, number));
        found.cloned().ok_or_else(|| {
            let was = self.counts.iter().find(|(name, _)| **name == *topic);
            let was = was.map_or(0, |(_, count)| *count);
            let now = u32::try_from(number).unwrap_or(0).saturating_add(1);
            changed(was, now).with("topic", topic)
        })
    }

    /// Refuses topics whose number of partitions is not what it was.
    pub(super) async fn check_counts(&self) -> Result<()> {
        let names = self.counts.iter().map(|(topic, _)| topic.to_string()).collect();
        for ((topic, was), now) in self.counts.iter().zip(self.looker.counts(names).await?) {
            if *was != now {
                return Err(changed(*was, now).with("topic", topic));
            }
        }
        Ok(())
    }

    /// Proves that everything after `place` is there, in the topic that it was made in.
    ///
    /// # Errors
    /// `Lost` if it is not.
    pub(super) async fn prove(&self, partition: &Partition, place: Place) -> Result<Held> {
        let found = KafkaPlace { place, partitions: partition.reading.partitions };
        self.prove_position(partition, found).await
    }

    /// As [`Self::prove`], for a place that was made when there were other partitions, perhaps.
    pub(super) async fn prove_position(
        &self,
        partition: &Partition,
        found: KafkaPlace,
    ) -> Result<Held> {
        let place = found.place;
        let (low, high) = self.looker.bounds(&partition.topic, partition.number).await?;
        // Where retention has taken the message itself, nothing can be compared; where it has taken
        // more, that is found without it.
        let is_there = place.dealt > 0
            && place.witness != 0
            && (low..high).contains(&place.number)
            && place.epoch == self.epoch;
        let seen = if is_there {
            self.looker.first_at(&partition.topic, partition.number, place.number).await?
        } else {
            None
        };
        let witness = seen.filter(|seen| seen.offset == place.number).map(|seen| seen.witness);
        let partitions = partition.reading.partitions;
        let held = Held { epoch: self.epoch, partitions, low, high, witness };
        check(found, &held).map_err(|error| error.with("partition", &partition.name))?;
        Ok(held)
    }
}

//! One partition of a consumer.

use super::SILENT;
use crate::error::Result;
use crate::queue::kafka::partition::Partition;
use crate::queue::kafka::place::KafkaPlace;
use crate::queue::place::Place;
use crate::queue::{Delivery, Message};
use rdkafka::message::BorrowedMessage;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::Instant;

/// A partition, where its next delivery begins, and what waits to be delivered.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) partition: Arc<Partition>,
    /// Where the next delivery begins; `None` before the first seek.
    pub(super) place: Option<Place>,
    /// Whether the history has to be proved before the next delivery.
    pub(super) was_silent: bool,
    /// When it was looked at for the last time while nothing came.
    pub(super) looked: Instant,
    heard: Instant,
    waiting: VecDeque<Message>,
    /// The offset after the last that waits.
    fetched: u64,
}

impl Part {
    pub(super) fn new(partition: Arc<Partition>) -> Self {
        let now = Instant::now();
        Self {
            partition,
            place: None,
            was_silent: false,
            looked: now,
            heard: now,
            waiting: VecDeque::new(),
            fetched: 0,
        }
    }

    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.partition.name)
    }

    /// The offset to read from; `None` before the first seek.
    pub(super) fn to_fetch(&self) -> Option<u64> {
        self.place.map(|_| self.fetched)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next delivery begins at `place`, which was proved.
    pub(super) fn seek(&mut self, place: Place) {
        self.waiting.clear();
        self.place = Some(place);
        self.fetched = place.offset();
        self.heard = Instant::now();
        self.was_silent = false;
    }

    /// Takes a message that was fetched, and says how large it is.
    pub(super) fn take(&mut self, found: &BorrowedMessage<'_>) -> Result<usize> {
        let silent = self.heard.elapsed() > SILENT;
        let message = self.partition.reading.message(found)?;
        let offset = u64::try_from(message.offset).unwrap_or(0);
        // Fetched before the last seek.
        if self.place.is_none() || offset < self.fetched {
            return Ok(0);
        }
        self.was_silent |= silent;
        self.heard = Instant::now();
        self.fetched = offset.saturating_add(1);
        self.waiting.push_back(message);
        let bytes = found.payload_len() + found.key_len();
        Ok(bytes)
    }

    /// Delivers what waits. Only after the first seek is there anything.
    pub(super) fn deliver(&mut self, messages_max: usize) -> Result<Delivery> {
        let count = self.waiting.len().min(messages_max);
        let messages: Vec<Message> = self.waiting.drain(..count).collect();
        let (Some(from), Some(last)) = (self.place, messages.last()) else {
            return Ok(Delivery::Idle);
        };
        let next = last.next;
        self.place = Some(KafkaPlace::read(&next)?.place);
        let from = self.position(from)?;
        Ok(Delivery::Messages { partition: self.name(), from, next, messages })
    }

    /// Passes a gap: nothing lies between the place and the offset `end`.
    pub(super) fn pass(&mut self, end: u64) -> Result<Delivery> {
        let Some(from) = self.place else { return Ok(Delivery::Idle) };
        let next = Place::after_nothing(from.epoch, end.saturating_sub(1));
        self.place = Some(next);
        self.fetched = self.fetched.max(end);
        Ok(Delivery::Messages {
            partition: self.name(),
            from: self.position(from)?,
            next: self.position(next)?,
            messages: Vec::new(),
        })
    }

    fn position(&self, place: Place) -> Result<crate::position::Position> {
        KafkaPlace { place, partitions: self.partition.reading.partitions }.position()
    }
}

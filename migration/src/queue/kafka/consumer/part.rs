//! One partition of a consumer.

use super::{LOOK_EVERY, SILENT};
use crate::error::Result;
use crate::queue::kafka::partition::Partition;
use crate::queue::kafka::place::KafkaPlace;
use crate::queue::place::Place;
use crate::queue::{Delivery, Message};
use rdkafka::message::BorrowedMessage;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long less than a whole delivery waits while other partitions have whole ones: a busy
/// partition must not hold up one that has little to say.
const SHARE_WAIT: Duration = Duration::from_millis(20);

/// What a message takes beside its bytes: its place, its headers, and the ends of allocations.
const MESSAGE_BYTES_MORE: usize = 256;

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
    waiting_bytes: usize,
    /// Since when the first of them may have waited.
    waits_since: Instant,
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
            waiting_bytes: 0,
            waits_since: now,
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

    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether it was sought, and nothing has come of it for a while.
    pub(super) fn is_quiet(&self) -> bool {
        self.place.is_some() && !self.has_waiting() && self.heard.elapsed() >= LOOK_EVERY
    }

    /// Whether it has a whole delivery, or has waited for one long enough.
    pub(super) fn is_due(&self, messages_max: usize) -> bool {
        self.waiting() >= messages_max
            || self.has_waiting() && self.waits_since.elapsed() > SHARE_WAIT
    }

    /// The next delivery begins at `place`, which was proved.
    pub(super) fn seek(&mut self, place: Place) {
        self.waiting.clear();
        self.waiting_bytes = 0;
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
        if self.waiting.is_empty() {
            self.waits_since = self.heard;
        }
        let bytes = bytes_of(&message);
        self.waiting.push_back(message);
        self.waiting_bytes += bytes;
        Ok(bytes)
    }

    /// Delivers what waits. Only after the first seek is there anything.
    pub(super) fn deliver(&mut self, messages_max: usize) -> Result<Delivery> {
        let count = self.waiting.len().min(messages_max);
        let messages: Vec<Message> = self.waiting.drain(..count).collect();
        let bytes: usize = messages.iter().map(bytes_of).sum();
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        self.waits_since = Instant::now();
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

/// What a message takes in memory.
fn bytes_of(message: &Message) -> usize {
    let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers = message.headers.iter().map(|(name, value)| name.len() + value.len());
    let headers: usize = headers.map(|bytes| bytes + MESSAGE_BYTES_MORE).sum();
    length(&message.key) + length(&message.payload) + headers + MESSAGE_BYTES_MORE
}

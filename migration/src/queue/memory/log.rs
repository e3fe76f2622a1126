//! One partition in memory.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::queue::place::{Evidence, Place};
use crate::queue::{Lag, Message};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use xxhash_rust::xxh3::Xxh3;

/// A message as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) topic: Arc<str>,
    pub(super) op: Vec<u8>,
    pub(super) payload: Option<Vec<u8>>,
    pub(super) made_at: Timestamp,
}

impl Stored {
    fn witness(&self, number: u64) -> u64 {
        let mut hash = Xxh3::new();
        let payload = self.payload.as_deref();
        for part in [self.topic.as_bytes(), &self.op, payload.unwrap_or_default()] {
            hash.update(&part.len().to_be_bytes());
            hash.update(part);
        }
        hash.update(&[u8::from(payload.is_some())]);
        hash.update(&self.made_at.0.to_be_bytes());
        hash.update(&number.to_be_bytes());
        hash.digest().max(1)
    }
}

/// The messages of one partition by number, from one.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    messages: BTreeMap<u64, Stored>,
    highest: u64,
    trimmed: Option<Place>,
}

impl Log {
    pub(super) fn append(&mut self, stored: Stored) -> u64 {
        let number = self.skip();
        self.messages.insert(number, stored);
        number
    }

    pub(super) fn skip(&mut self) -> u64 {
        self.highest += 1;
        self.highest
    }

    pub(super) fn remove(&mut self, number: u64) -> bool {
        self.messages.remove(&number).is_some()
    }

    pub(super) fn end(&self, epoch: u32) -> Place {
        self.messages.last_key_value().map_or_else(
            || Place::after_nothing(epoch, self.highest),
            |(&number, stored)| Place::after(epoch, number, stored.witness(number)),
        )
    }

    pub(super) fn evidence(&self, place: Place, epoch: u32) -> Evidence {
        Evidence {
            epoch,
            highest: self.highest,
            witness: self.messages.get(&place.number).map(|stored| stored.witness(place.number)),
            // A mark of an older epoch speaks of a history that is no more.
            trimmed: self.trimmed.filter(|trimmed| trimmed.epoch == epoch),
        }
    }

    pub(super) fn lag(&self, place: Place) -> Lag {
        let mut left = self.messages.range(place.offset()..);
        let first = left.next();
        let messages = u64::try_from(left.count()).unwrap_or(u64::MAX);
        first.map_or(Lag { messages: 0, age: Duration::ZERO }, |(_, first)| Lag {
            messages: messages + 1,
            age: Timestamp::now().since(first.made_at),
        })
    }

    /// Keeps the message that `below` comes after: it is the witness of the readers that are there.
    pub(super) fn trim(&mut self, below: Place) -> u64 {
        let before = self.messages.len();
        self.messages = self.messages.split_off(&below.number);
        let order = |place: Place| (place.epoch, place.order());
        if self.trimmed.is_none_or(|trimmed| order(trimmed) < order(below)) {
            self.trimmed = Some(below);
        }
        u64::try_from(before - self.messages.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn read(
        &self,
        from: Place,
        messages_max: usize,
        epoch: u32,
    ) -> Result<(Vec<Message>, Place)> {
        let mut next = from;
        let mut messages = Vec::new();
        for (&number, stored) in self.messages.range(from.offset()..).take(messages_max) {
            let before = Place::before(epoch, number);
            next = Place::after(epoch, number, stored.witness(number));
            messages.push(Message {
                position: before.position()?,
                next: next.position()?,
                version: Some(before.version()?),
                made_at: stored.made_at,
                key: None,
                headers: vec![(Cow::Borrowed("op"), stored.op.clone())],
                topic: Arc::clone(&stored.topic),
                payload: stored.payload.clone(),
                offset: i64::try_from(number).unwrap_or(i64::MAX),
            });
        }
        Ok((messages, next))
    }
}

//! A message as librdkafka gives it, and as the rest of the program does.

use super::error::offset;
use super::place::KafkaPlace;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::queue::Message;
use crate::queue::place::Place;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use std::borrow::Cow;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// What the messages of a partition have in common.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// The topic.
    pub(super) topic: Arc<str>,
    /// The plan's source epoch.
    pub(super) epoch: u32,
    /// Partitions of the topic.
    pub(super) partitions: u32,
    /// Whether the place in the queue is the place in the commit order.
    pub(super) is_ordered: bool,
}

impl Reading {
    pub(super) fn message(&self, found: &BorrowedMessage<'_>) -> Result<Message> {
        let number = offset(found.offset())?;
        let at = |place| KafkaPlace { place, partitions: self.partitions }.position();
        let before = Place::before(self.epoch, number);
        Ok(Message {
            position: at(before)?,
            next: at(Place::after(self.epoch, number, witness(found)))?,
            version: self.is_ordered.then(|| before.version()).transpose()?,
            made_at: made_at(found),
            key: found.key().map(<[u8]>::to_vec),
            headers: headers(found),
            topic: Arc::clone(&self.topic),
            payload: found.payload().map(<[u8]>::to_vec),
            offset: found.offset(),
        })
    }
}

/// By the producer's clock, or the broker's, as the topic is set up.
pub(super) fn made_at(found: &BorrowedMessage<'_>) -> Timestamp {
    match found.timestamp().to_millis() {
        Some(millis) => Timestamp(millis.saturating_mul(1_000)),
        None => Timestamp::now(),
    }
}

/// Null values of headers are legal, and read as empty.
fn headers(found: &BorrowedMessage<'_>) -> Vec<(Cow<'static, str>, Vec<u8>)> {
    let Some(headers) = found.headers() else { return Vec::new() };
    headers
        .iter()
        .map(|header| (Cow::Owned(header.key.to_owned()), header.value.unwrap_or(&[]).to_vec()))
        .collect()
}

/// Hash of everything that a message holds. Never zero, which stands for "no message".
pub(super) fn witness(found: &BorrowedMessage<'_>) -> u64 {
    let mut hash = Xxh3::new();
    let mut part = |bytes: Option<&[u8]>| {
        // A null is not an empty value.
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        hash.update(&length.to_be_bytes());
        hash.update(bytes.unwrap_or(&[]));
    };
    part(Some(&found.offset().to_be_bytes()));
    part(found.timestamp().to_millis().map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    part(found.key());
    part(found.payload());
    if let Some(headers) = found.headers() {
        for header in headers.iter() {
            part(Some(header.key.as_bytes()));
            part(header.value);
        }
    }
    hash.digest().max(1)
}

//! A letter's message as it was on the wire.

use super::bytes::Bytes;
use crate::checkpoint::document::Document;
use crate::queue::Message;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Wire {
    #[serde(default)]
    pub(super) headers: Vec<(String, Bytes)>,
    #[serde(default)]
    pub(super) wire_key: Option<Bytes>,
    #[serde(default)]
    pub(super) payload: Option<Bytes>,
}

impl Document for Wire {
    const NAME: &'static str = "message of dead letter";
    const FORMAT: u32 = 1;
}

impl Wire {
    pub(super) fn of(message: &Message) -> Self {
        let header = |(name, value): &(std::borrow::Cow<'static, str>, Vec<u8>)| {
            (name.clone().into_owned(), Bytes(value.clone()))
        };
        Self {
            headers: message.headers.iter().map(header).collect(),
            wire_key: message.key.as_deref().map(Bytes::from),
            payload: message.payload.as_deref().map(Bytes::from),
        }
    }

    /// Bytes that it has on the wire.
    pub(super) fn len(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.0.len());
        let of = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.0.len());
        headers.sum::<usize>() + of(&self.wire_key) + of(&self.payload)
    }
}

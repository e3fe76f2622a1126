//! What a dead letter is.

use super::bytes::Bytes;
use super::wire::Wire;
use crate::barrier::LetterEnd;
use crate::clock::Timestamp;
use crate::error::{Chain, Error, ErrorKind, Result};
use crate::key::Key;
use crate::position::{Position, Version};
use crate::queue::Message;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Nothing yet.
    Open,
    /// It was applied, or the record was repaired from the source.
    Replayed,
    /// It was given up.
    Dropped,
}

/// On which part of its way a change failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedIn {
    /// When it was decoded.
    #[default]
    Decoding,
    /// When its record was brought into the target's layout.
    Routing,
    /// In the target, which refused it.
    Target,
}

impl FailedIn {
    /// Kafka Connect's name for it.
    fn stage(self) -> &'static str {
        match self {
            Self::Decoding => "VALUE_CONVERTER",
            Self::Routing => "TRANSFORMATION",
            Self::Target => "TASK_PUT",
        }
    }
}

/// What is known of a dead letter beside its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The queue's partition.
    pub partition: String,
    /// The message's offset.
    pub offset: i64,
    /// The place of the change within its message.
    pub index: u32,
    /// The position after the message.
    pub(super) next: Bytes,
    /// The topic, or for an outbox the table that its row names.
    pub topic: String,
    /// The change's version, if it is known.
    version: Option<Bytes>,
    /// The version that the queue gave the message, where that is another.
    #[serde(default)]
    queue_version: Option<Bytes>,
    /// When the change was made.
    pub made_at: Timestamp,
    /// When it was found.
    pub found_at: Timestamp,
    /// On which part of its way it failed.
    #[serde(default)]
    pub failed_in: FailedIn,
    /// The kind of error; letters of older versions do not tell.
    #[serde(default)]
    kind: Option<String>,
    /// Why it could not be applied, with the cause.
    pub error: String,
    /// The source table of its record, where that could be read.
    #[serde(default)]
    pub table: Option<String>,
    /// The key of its record, where that could be read.
    record: Option<Bytes>,
    /// What became of it.
    pub fate: Fate,
    /// Who decided that, and why.
    pub decided_by: Option<String>,
}

/// A change that could not be applied, with its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// What is known of it.
    pub summary: Summary,
    pub(super) wire: Wire,
}

/// A place beside the checkpoint store that letters are written to, for people.
#[async_trait]
pub trait Mailbox: Send + Sync + Debug {
    /// Makes letters durable there. The position passes them afterwards, so one may be there again
    /// after a crash.
    async fn put(&self, letters: &[DeadLetter]) -> Result<()>;
}

/// What is known of a change that could not be applied.
#[derive(Debug, Clone, Copy)]
pub struct FailedChange<'a> {
    /// Its place among the changes of its message.
    pub index: u32,
    /// Its version, if it is known.
    pub version: Option<Version>,
    /// On which part of its way it failed.
    pub failed_in: FailedIn,
    /// Why it could not be applied.
    pub error: &'a Error,
    /// The source table of its record, where that could be read.
    pub table: Option<&'a str>,
    /// The key of its record, where that could be read.
    pub record: Option<&'a Key>,
}

impl Summary {
    /// Its name: partition, offset and index, such as `outbox/17/0`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.partition, self.offset, self.index)
    }

    /// The version of the change, if it is known.
    ///
    /// # Errors
    /// `Unreadable` if it is damaged.
    pub fn version(&self) -> Result<Option<Version>> {
        self.version.as_ref().map(|version| Version::new(&version.0)).transpose()
    }

    /// Where it ends in the queue: what the source has to show before it is replayed.
    ///
    /// # Errors
    /// `Unreadable` if it is damaged.
    pub fn end(&self) -> Result<LetterEnd> {
        let position = Position::new(&self.next.0)?;
        Ok(LetterEnd { partition: self.partition.clone(), position })
    }

    /// The key of its record, where that could be read.
    #[must_use]
    pub fn record(&self) -> Option<Key> {
        self.record.clone().map(|key| Key::from_bytes(key.0))
    }

    /// Kafka Connect writes a partition's number alone; a queue of another kind has none.
    fn number_of_partition(&self) -> String {
        let number = self.partition.strip_prefix(&format!("{}-", self.topic));
        number.unwrap_or(&self.partition).to_owned()
    }
}

impl DeadLetter {
    /// The letter of a change of `message`.
    #[must_use]
    pub fn new(partition: &str, message: &Message, change: &FailedChange<'_>) -> Self {
        let FailedChange { index, version, failed_in, error, table, record } = *change;
        let version_bytes = |version: Version| Bytes::from(version.as_bytes());
        let summary = Summary {
            partition: partition.to_owned(),
            offset: message.offset,
            index,
            next: Bytes::from(message.next.as_bytes()),
            topic: message.topic.to_string(),
            version: version.map(version_bytes),
            queue_version: message.version.map(version_bytes),
            made_at: message.made_at,
            found_at: Timestamp::now(),
            failed_in,
            kind: Some(format!("{:?}", error.kind())),
            error: Chain(error).to_string(),
            table: table.map(str::to_owned),
            record: record.map(|key| Bytes::from(key.as_bytes())),
            fate: Fate::Open,
            decided_by: None,
        };
        Self { summary, wire: Wire::of(message) }
    }

    /// Its name: [`Summary::id`].
    #[must_use]
    pub fn id(&self) -> String {
        self.summary.id()
    }

    /// The bytes of its value.
    #[must_use]
    pub fn payload(&self) -> Option<&[u8]> {
        self.wire.payload.as_ref().map(|bytes| bytes.0.as_slice())
    }

    /// Its key on the wire.
    #[must_use]
    pub fn wire_key(&self) -> Option<&[u8]> {
        self.wire.wire_key.as_ref().map(|bytes| bytes.0.as_slice())
    }

    /// Its headers, with those that Kafka Connect gives a dead letter.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let text = |value: Vec<u8>| match String::from_utf8(value) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        self.wire_headers().into_iter().map(|(name, value)| (name, text(value))).collect()
    }

    /// The same, byte for byte.
    #[must_use]
    pub fn wire_headers(&self) -> Vec<(String, Vec<u8>)> {
        let header = |(name, value): &(String, Bytes)| (name.clone(), value.0.clone());
        let mut headers: Vec<(String, Vec<u8>)> = self.wire.headers.iter().map(header).collect();
        let summary = &self.summary;
        let kind = summary.kind.as_deref().unwrap_or("Unreadable");
        for (name, value) in [
            ("topic", summary.topic.clone()),
            ("partition", summary.number_of_partition()),
            ("offset", summary.offset.to_string()),
            ("stage", summary.failed_in.stage().to_owned()),
            // There are no classes here: the kind of error is what tools may tell letters apart by.
            ("exception.class.name", format!("midflight.{kind}")),
            ("exception.message", summary.error.clone()),
        ] {
            headers.push((format!("__connect.errors.{name}"), value.into_bytes()));
        }
        headers
    }

    /// The message as it came off the queue, at a place and version of the caller's: for another
    /// try at decoding.
    ///
    /// # Errors
    /// `Unreadable` if the letter is damaged.
    pub fn message(&self) -> Result<Message> {
        let Self { summary, wire } = self;
        // A replay never moves a position, so where the message begins is not needed again.
        let place = Position::new(&summary.next.0)?;
        let header = |(name, value): &(String, Bytes)| (Cow::Owned(name.clone()), value.0.clone());
        Ok(Message {
            position: place,
            next: place,
            version: match &summary.queue_version {
                Some(bytes) => Some(Version::new(&bytes.0)?),
                // Letters of older versions have one for both.
                None => summary.version()?,
            },
            made_at: summary.made_at,
            key: self.wire_key().map(<[u8]>::to_vec),
            headers: wire.headers.iter().map(header).collect(),
            topic: Arc::from(summary.topic.as_str()),
            payload: self.payload().map(<[u8]>::to_vec),
            offset: summary.offset,
        })
    }
}

/// A letter that is not whole.
pub(super) fn damaged(summary: &Summary, problem: &'static str) -> Error {
    Error::new(ErrorKind::Unreadable, "read dead letter")
        .with("id", summary.id())
        .with("problem", problem)
        .hint("the checkpoint store is damaged: restore it from a copy")
}

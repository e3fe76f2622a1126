//! Dead letters: changes that could not be applied, kept until somebody replays or drops them.
//!
//! A letter is named by its place in the queue, and is durable before the target's position passes
//! that place; so a change is either applied, or here, and written twice it is here once.

use crate::barrier::LetterEnd;
use crate::checkpoint::document::{self, Document};
use crate::checkpoint::{CheckpointStore, Revision};
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

/// The beginning of the keys of all letters.
pub const KEYS: &str = "dead-letter/";

/// Attempts to keep a letter against others who decide on it at the same moment.
const ATTEMPTS_MAX: usize = 16;

/// Letters listed in one call: few, because each may hold a message of megabytes.
const PAGE: usize = 20;

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

/// A change that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The queue's partition.
    pub partition: String,
    /// The message's offset.
    pub offset: i64,
    /// The place of the change within its message.
    pub index: u32,
    /// The position after the message.
    next: Vec<u8>,
    /// The topic, or for an outbox the table that its row names.
    pub topic: String,
    /// The change's version, if it is known.
    version: Option<Vec<u8>>,
    /// The version that the queue gave the message, where that is another.
    #[serde(default)]
    queue_version: Option<Vec<u8>>,
    /// When the change was made.
    pub made_at: Timestamp,
    /// When it was found.
    pub found_at: Timestamp,
    /// Why it could not be applied, with the cause.
    pub error: String,
    /// The source table of its record, where that could be read.
    #[serde(default)]
    pub table: Option<String>,
    /// The key of its record, where that could be read.
    record: Option<Vec<u8>>,
    /// Headers on the wire.
    headers: Vec<(String, Vec<u8>)>,
    /// Key on the wire.
    wire_key: Option<Vec<u8>>,
    /// Value on the wire.
    payload: Option<Vec<u8>>,
    /// What became of it.
    pub fate: Fate,
    /// Who decided that, and why.
    pub decided_by: Option<String>,
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
    /// Why it could not be applied.
    pub error: &'a Error,
    /// The source table of its record, where that could be read.
    pub table: Option<&'a str>,
    /// The key of its record, where that could be read.
    pub record: Option<&'a Key>,
}

impl Document for DeadLetter {
    const NAME: &'static str = "dead letter";
    const FORMAT: u32 = 1;
}

impl DeadLetter {
    /// The letter of a change of `message`.
    #[must_use]
    pub fn new(partition: &str, message: &Message, change: &FailedChange<'_>) -> Self {
        let FailedChange { index, version, error, table, record } = *change;
        let header = |(name, value): &(Cow<'static, str>, Vec<u8>)| {
            (name.clone().into_owned(), value.clone())
        };
        Self {
            partition: partition.to_owned(),
            offset: message.offset,
            index,
            next: message.next.as_bytes().to_vec(),
            topic: message.topic.to_string(),
            version: version.map(|version| version.as_bytes().to_vec()),
            queue_version: message.version.map(|version| version.as_bytes().to_vec()),
            made_at: message.made_at,
            found_at: Timestamp::now(),
            error: Chain(error).to_string(),
            table: table.map(str::to_owned),
            record: record.map(|key| key.as_bytes().to_vec()),
            headers: message.headers.iter().map(header).collect(),
            wire_key: message.key.clone(),
            payload: message.payload.clone(),
            fate: Fate::Open,
            decided_by: None,
        }
    }

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
        self.version.as_deref().map(Version::new).transpose()
    }

    /// Where it ends in the queue: what the source has to show before it is replayed.
    ///
    /// # Errors
    /// `Unreadable` if it is damaged.
    pub fn end(&self) -> Result<LetterEnd> {
        let position = Position::new(&self.next)?;
        Ok(LetterEnd { partition: self.partition.clone(), position })
    }

    /// The key of its record, where that could be read.
    #[must_use]
    pub fn record(&self) -> Option<Key> {
        self.record.clone().map(Key::from_bytes)
    }

    /// The bytes of its value.
    #[must_use]
    pub fn payload(&self) -> Option<&[u8]> {
        self.payload.as_deref()
    }

    /// Its key on the wire.
    #[must_use]
    pub fn wire_key(&self) -> Option<&[u8]> {
        self.wire_key.as_deref()
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
        let mut headers = self.headers.clone();
        for (name, value) in [
            ("topic", self.topic.clone()),
            ("partition", self.number_of_partition()),
            ("offset", self.offset.to_string()),
            ("stage", "VALUE_CONVERTER".to_owned()),
            ("exception.message", self.error.clone()),
        ] {
            headers.push((format!("__connect.errors.{name}"), value.into_bytes()));
        }
        headers
    }

    /// Kafka Connect writes a partition's number alone; a queue of another kind has none.
    fn number_of_partition(&self) -> String {
        let number = self.partition.strip_prefix(&format!("{}-", self.topic));
        number.unwrap_or(&self.partition).to_owned()
    }

    /// The message as it came off the queue, at a place and version of the caller's: for another
    /// try at decoding.
    ///
    /// # Errors
    /// `Unreadable` if the letter is damaged.
    pub fn message(&self) -> Result<Message> {
        // A replay never moves a position, so where the message begins is not needed again.
        let place = Position::new(&self.next)?;
        Ok(Message {
            position: place,
            next: place,
            version: match &self.queue_version {
                Some(bytes) => Some(Version::new(bytes)?),
                // Letters of older versions have one for both.
                None => self.version()?,
            },
            made_at: self.made_at,
            key: self.wire_key.clone(),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (Cow::Owned(name.clone()), value.clone()))
                .collect(),
            topic: Arc::from(self.topic.as_str()),
            payload: self.payload.clone(),
            offset: self.offset,
        })
    }

    fn key(&self) -> String {
        // Numbers are padded, so that keys list in queue order.
        format!("{KEYS}{}/{:020}/{:06}", self.partition, self.offset, self.index)
    }
}

/// Keeps letters, each once. One that was given up stays so. One that was replayed is open again:
/// it was delivered again, so the target has lost what the replay brought; and so is one of another
/// message of that name, from a history that the source has left.
///
/// # Errors
/// Those of the store; `Busy` if somebody else decides on them all the while.
pub async fn keep(store: &dyn CheckpointStore, letters: &[DeadLetter]) -> Result<()> {
    for letter in letters {
        keep_one(store, letter).await?;
    }
    Ok(())
}

async fn keep_one(store: &dyn CheckpointStore, letter: &DeadLetter) -> Result<()> {
    let key = letter.key();
    for _ in 0..ATTEMPTS_MAX {
        let revision = match document::read::<DeadLetter>(store, &key).await? {
            None => None,
            Some((kept, _)) if kept.next == letter.next && kept.fate != Fate::Replayed => {
                return Ok(());
            }
            Some((_, revision)) => Some(revision),
        };
        if document::put(store, &key, letter, revision).await?.is_some() {
            return Ok(());
        }
    }
    Err(Error::new(ErrorKind::Busy, "keep dead letter").with("id", letter.id()))
}

/// The next few letters after the key `after`, in queue order, each with the key that continues the
/// list. None: that was all.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn page(
    store: &dyn CheckpointStore,
    after: Option<&str>,
) -> Result<Vec<(String, DeadLetter)>> {
    let entries = store.list(KEYS, after, PAGE).await?;
    let decode = |(key, entry): (String, crate::checkpoint::Entry)| {
        let letter = document::decode(&entry.value).map_err(|error| error.with("key", &key))?;
        Ok((key, letter))
    };
    entries.into_iter().map(decode).collect()
}

/// Every letter of one fate, in queue order.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn of_fate(store: &dyn CheckpointStore, fate: Fate) -> Result<Vec<DeadLetter>> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let letters = page(store, after.as_deref()).await?;
        let Some((last, _)) = letters.last() else { return Ok(found) };
        after = Some(last.clone());
        found.extend(letters.into_iter().map(|(_, letter)| letter).filter(|l| l.fate == fate));
    }
}

/// What is looked at to count letters: their payloads may be large, and nobody asked for them.
#[derive(Serialize, Deserialize)]
struct FateOnly {
    fate: Fate,
}

impl Document for FateOnly {
    const NAME: &'static str = DeadLetter::NAME;
    const FORMAT: u32 = DeadLetter::FORMAT;
}

/// Number of open letters: `cutover` refuses while there is one.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn count_open(store: &dyn CheckpointStore) -> Result<u64> {
    count_open_to(store, u64::MAX).await
}

/// Whether a letter is open.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn is_any_open(store: &dyn CheckpointStore) -> Result<bool> {
    Ok(count_open_to(store, 1).await? > 0)
}

/// Number of open letters, counted no further than to `most`.
async fn count_open_to(store: &dyn CheckpointStore, most: u64) -> Result<u64> {
    let mut open = 0;
    let mut after: Option<String> = None;
    loop {
        let entries = store.list(KEYS, after.as_deref(), PAGE).await?;
        let Some((last, _)) = entries.last() else { return Ok(open) };
        after = Some(last.clone());
        for (key, entry) in &entries {
            let letter: FateOnly =
                document::decode(&entry.value).map_err(|error| error.with("key", key))?;
            open += u64::from(letter.fate == Fate::Open);
            if open >= most {
                return Ok(open);
            }
        }
    }
}

/// The letter with this name, and its revision.
///
/// # Errors
/// `Refused` if there is none.
pub async fn find(store: &dyn CheckpointStore, id: &str) -> Result<(DeadLetter, Revision)> {
    let unknown = || {
        Error::new(ErrorKind::Refused, "find dead letter: there is none of this name")
            .with("id", id)
            .hint("names are partition/offset/index, as `dual-write dlq list` shows them")
    };
    let mut parts = id.rsplitn(3, '/');
    let index: u32 = parts.next().and_then(|part| part.parse().ok()).ok_or_else(unknown)?;
    let offset: i64 = parts.next().and_then(|part| part.parse().ok()).ok_or_else(unknown)?;
    let partition = parts.next().ok_or_else(unknown)?;
    let key = format!("{KEYS}{partition}/{offset:020}/{index:06}");
    document::read(store, &key).await?.ok_or_else(unknown)
}

/// Records what became of a letter, if it still is as it was seen.
///
/// # Errors
/// `Busy` if somebody else decided since, or it was delivered again.
pub async fn decide(
    store: &dyn CheckpointStore,
    seen: &DeadLetter,
    fate: Fate,
    who: &str,
) -> Result<DeadLetter> {
    let (letter, revision) = find(store, &seen.id()).await?;
    if letter == *seen {
        let decided = DeadLetter { fate, decided_by: Some(who.to_owned()), ..letter };
        if document::put(store, &decided.key(), &decided, Some(revision)).await?.is_some() {
            return Ok(decided);
        }
    }
    Err(Error::new(ErrorKind::Busy, "decide on dead letter")
        .with("id", seen.id())
        .hint("somebody else did meanwhile: look again with `dual-write dlq list`"))
}

#[cfg(test)]
mod tests {
    use super::{DeadLetter, FailedChange, Fate, count_open, decide, find, keep, of_fate};
    use crate::checkpoint::MemoryCheckpoint;
    use crate::clock::Timestamp;
    use crate::error::{Error, ErrorKind};
    use crate::key::Key;
    use crate::position::{Position, Version};
    use crate::queue::Message;
    use crate::value::Value;

    fn letter(offset: i64) -> DeadLetter {
        let place = Position::new(&[7]).unwrap();
        let message = Message {
            position: place,
            next: place,
            version: Some(Version::new(&[1, 2]).unwrap()),
            made_at: Timestamp(5),
            key: None,
            headers: vec![("op".into(), b"upsert".to_vec())],
            topic: "followers".into(),
            payload: Some(vec![0xff, 0]),
            offset,
        };
        let error = Error::new(ErrorKind::Unreadable, "decode change");
        let key = Key::new([Value::Int(3)]).unwrap();
        let version = Some(Version::new(&[1, 2, 0]).unwrap());
        let (table, record) = (Some("followers"), Some(&key));
        let change = FailedChange { index: 0, version, error: &error, table, record };
        DeadLetter::new("out/box", &message, &change)
    }

    #[tokio::test]
    async fn a_letter_written_twice_is_there_once_and_keeps_its_fate() {
        let store = MemoryCheckpoint::new("m");
        keep(&store, &[letter(10), letter(9)]).await.unwrap();
        let (seen, _) = find(&store, "out/box/9/0").await.unwrap();
        decide(&store, &seen, Fate::Dropped, "alice").await.unwrap();
        let error = decide(&store, &seen, Fate::Replayed, "bob").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "it is not as it was seen");
        keep(&store, &[letter(9), letter(100)]).await.unwrap();
        let open = of_fate(&store, Fate::Open).await.unwrap();
        assert_eq!(open.iter().map(|letter| letter.offset).collect::<Vec<_>>(), [10, 100]);
        assert_eq!(count_open(&store).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_replayed_letter_that_is_delivered_again_is_open_again() {
        let store = MemoryCheckpoint::new("m");
        keep(&store, &[letter(1), letter(2)]).await.unwrap();
        for (id, fate) in [("out/box/1/0", Fate::Replayed), ("out/box/2/0", Fate::Dropped)] {
            let (seen, _) = find(&store, id).await.unwrap();
            decide(&store, &seen, fate, "alice").await.unwrap();
        }
        keep(&store, &[letter(1), letter(2)]).await.unwrap();
        let open = of_fate(&store, Fate::Open).await.unwrap();
        assert_eq!(open.iter().map(|letter| letter.offset).collect::<Vec<_>>(), [1]);
    }

    #[tokio::test]
    async fn a_letter_holds_the_message_byte_for_byte() {
        let store = MemoryCheckpoint::new("m");
        keep(&store, &[letter(1)]).await.unwrap();
        let (found, _) = find(&store, "out/box/1/0").await.unwrap();
        let message = found.message().unwrap();
        assert_eq!(message.payload, Some(vec![0xff, 0]));
        assert_eq!(message.version, Some(Version::new(&[1, 2]).unwrap()));
        assert_eq!(found.version().unwrap(), Some(Version::new(&[1, 2, 0]).unwrap()));
        assert_eq!(found.record(), Some(Key::new([Value::Int(3)]).unwrap()));
        assert!(found.headers().iter().any(|(name, _)| name == "__connect.errors.offset"));
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_is_refused_with_the_way_to_find_one() {
        let store = MemoryCheckpoint::new("m");
        for id in ["", "9", "out/box/x/0", "out/box/9/0"] {
            let error = find(&store, id).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert!(error.next_step().unwrap().contains("dlq list"));
        }
    }
}

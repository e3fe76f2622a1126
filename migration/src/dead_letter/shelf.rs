//! Letters in the checkpoint store.
//!
//! The parts of a large message are written before the letter's own entry. A crash in between
//! leaves parts without a letter: they are written over where the message becomes one when it is
//! delivered again, and otherwise lie there until the clean-up.

use super::letter::{DeadLetter, Fate, Summary, damaged};
use super::wire::Wire;
use super::{KEYS, PARTS};
use crate::checkpoint::document::{self, Document};
use crate::checkpoint::{CheckpointStore, Revision};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Attempts to keep a letter against others who decide on it at the same moment.
const ATTEMPTS_MAX: usize = 16;

/// Letters listed in one call: few, because in those of older versions a whole message lies.
const PAGE: usize = 50;

/// Most bytes of a message that lies in its letter's own entry.
const INLINE_BYTES_MAX: usize = 2 << 10;

/// Bytes of one part of a larger one: the smallest limit that servers have by default (a
/// `max_allowed_packet` of 1 MiB) is four times that.
const PART_BYTES: usize = 256 << 10;

/// The entry of a letter.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    summary: Summary,
    /// Of a large message, empty.
    #[serde(flatten)]
    wire: Wire,
    /// Number of parts of a large message.
    #[serde(default)]
    parts: usize,
}

impl Document for Entry {
    const NAME: &'static str = "dead letter";
    /// Before 2, bytes were lists of numbers, and a message of any size lay in the entry.
    const FORMAT: u32 = 2;
}

/// What is looked at to count letters.
#[derive(Serialize, Deserialize)]
struct FateOnly {
    fate: Fate,
}

impl Document for FateOnly {
    const NAME: &'static str = Entry::NAME;
    const FORMAT: u32 = Entry::FORMAT;
}

/// What letters are named by, padded so that keys list in queue order.
fn place(partition: &str, offset: i64, index: u32) -> String {
    format!("{partition}/{offset:020}/{index:06}")
}

fn key_of(summary: &Summary) -> String {
    format!("{KEYS}{}", place(&summary.partition, summary.offset, summary.index))
}

/// Parts of messages of one name from two histories are apart.
fn key_of_part(summary: &Summary, part: usize) -> String {
    let place = place(&summary.partition, summary.offset, summary.index);
    format!("{PARTS}{place}/{:016x}/{part:06}", xxh3_64(&summary.next.0))
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
    let key = key_of(&letter.summary);
    let mut entry = None;
    for _ in 0..ATTEMPTS_MAX {
        let revision = match document::read::<Entry>(store, &key).await? {
            None => None,
            Some((Entry { summary: kept, .. }, _))
                if kept.next == letter.summary.next && kept.fate != Fate::Replayed =>
            {
                return Ok(());
            }
            Some((_, revision)) => Some(revision),
        };
        let entry = match &mut entry {
            Some(entry) => entry,
            None => entry.insert(lay_down(store, letter).await?),
        };
        if document::put(store, &key, entry, revision).await?.is_some() {
            fault::point("dead-letter.kept");
            return Ok(());
        }
    }
    Err(Error::new(ErrorKind::Busy, "keep dead letter").with("id", letter.id()))
}

/// The entry of a letter, once the parts of its message are durable.
async fn lay_down(store: &dyn CheckpointStore, letter: &DeadLetter) -> Result<Entry> {
    let summary = letter.summary.clone();
    if letter.wire.len() <= INLINE_BYTES_MAX {
        return Ok(Entry { summary, wire: letter.wire.clone(), parts: 0 });
    }
    let bytes = document::encode(&letter.wire)?;
    let mut parts = 0;
    for part in bytes.chunks(PART_BYTES) {
        put_part(store, &key_of_part(&summary, parts), part)
            .await
            .map_err(|error| error.with("id", letter.id()))?;
        fault::point("dead-letter.part");
        parts += 1;
    }
    Ok(Entry { summary, wire: Wire::default(), parts })
}

async fn put_part(store: &dyn CheckpointStore, key: &str, part: &[u8]) -> Result<()> {
    let mut expected = None;
    for _ in 0..ATTEMPTS_MAX {
        if store.put(key, part, expected).await?.is_some() {
            return Ok(());
        }
        // From before a crash, or of somebody else who keeps the same letter.
        expected = match store.get(key).await? {
            Some(there) if there.value == part => return Ok(()),
            there => there.map(|there| there.revision),
        };
    }
    Err(Error::new(ErrorKind::Busy, "keep part of dead letter"))
}

/// The letter of an entry, with its message.
async fn take_up(store: &dyn CheckpointStore, entry: Entry) -> Result<DeadLetter> {
    let Entry { summary, wire, parts } = entry;
    if parts == 0 {
        return Ok(DeadLetter { summary, wire });
    }
    let mut bytes = Vec::new();
    for part in 0..parts {
        let part = store.get(&key_of_part(&summary, part)).await?;
        let part = part.ok_or_else(|| damaged(&summary, "a part of its message is missing"))?;
        bytes.extend_from_slice(&part.value);
    }
    let wire = document::decode(&bytes).map_err(|error| error.with("id", summary.id()))?;
    Ok(DeadLetter { summary, wire })
}

/// What is known of the next few letters after the key `after`, in queue order, each with the key
/// that continues the list. None: that was all.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn page(
    store: &dyn CheckpointStore,
    after: Option<&str>,
) -> Result<Vec<(String, Summary)>> {
    let entries = store.list(KEYS, after, PAGE).await?;
    let decode = |(key, found): (String, crate::checkpoint::Entry)| {
        let entry = document::decode::<Entry>(&found.value);
        let entry = entry.map_err(|error| error.with("key", &key))?;
        Ok((key, entry.summary))
    };
    entries.into_iter().map(decode).collect()
}

/// What is known of every letter of one fate, in queue order.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn of_fate(store: &dyn CheckpointStore, fate: Fate) -> Result<Vec<Summary>> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let letters = page(store, after.as_deref()).await?;
        let Some((last, _)) = letters.last() else { return Ok(found) };
        after = Some(last.clone());
        found.extend(letters.into_iter().map(|(_, letter)| letter).filter(|l| l.fate == fate));
    }
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

/// The letter with this name.
///
/// # Errors
/// `Refused` if there is none; those of the store, and `Unreadable`.
pub async fn find(store: &dyn CheckpointStore, id: &str) -> Result<DeadLetter> {
    take_up(store, find_entry(store, id).await?.0).await
}

async fn find_entry(store: &dyn CheckpointStore, id: &str) -> Result<(Entry, Revision)> {
    let unknown = || {
        Error::new(ErrorKind::Refused, "find dead letter: there is none of this name")
            .with("id", id)
            .hint("names are partition/offset/index, as `dual-write dlq list` shows them")
    };
    let mut parts = id.rsplitn(3, '/');
    let index: u32 = parts.next().and_then(|part| part.parse().ok()).ok_or_else(unknown)?;
    let offset: i64 = parts.next().and_then(|part| part.parse().ok()).ok_or_else(unknown)?;
    let partition = parts.next().ok_or_else(unknown)?;
    let key = format!("{KEYS}{}", place(partition, offset, index));
    document::read(store, &key).await?.ok_or_else(unknown)
}

/// Records what became of a letter, if it still is as it was seen.
///
/// # Errors
/// `Busy` if somebody else decided since, or it was delivered again.
pub async fn decide(
    store: &dyn CheckpointStore,
    seen: &Summary,
    fate: Fate,
    who: &str,
) -> Result<Summary> {
    let (mut entry, revision) = find_entry(store, &seen.id()).await?;
    if entry.summary == *seen {
        entry.summary.fate = fate;
        entry.summary.decided_by = Some(who.to_owned());
        let key = key_of(&entry.summary);
        if document::put(store, &key, &entry, Some(revision)).await?.is_some() {
            return Ok(entry.summary);
        }
    }
    Err(Error::new(ErrorKind::Busy, "decide on dead letter")
        .with("id", seen.id())
        .hint("somebody else did meanwhile: look again with `dual-write dlq list`"))
}

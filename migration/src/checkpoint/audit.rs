//! The audit log: who changed what, when and why. Append-only and chained by hashes.
//!
//! Each line's hash covers the line and the hash before it, so that a line that was changed,
//! inserted or removed in the middle shows. Whoever can write the store can also recompute the
//! chain, or cut its end off: a copy of the last hash elsewhere tells that too.

use super::CheckpointStore;
use super::document::{self, Document};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The log in the checkpoint store.
pub const LOG: &str = "audit";

/// Attempts against others who append at the same moment.
const ATTEMPTS_MAX: usize = 16;

/// Lines read at once.
const PAGE: usize = 500;

/// What a person or a program did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// When.
    pub when: Timestamp,
    /// Who: see [`crate::process::operator`].
    pub who: String,
    /// What, such as `backfill: rate 2000/s`.
    pub what: String,
    /// Why, in the words of whoever did it.
    pub why: Option<String>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number, from 1.
    pub number: u64,
    /// The action.
    pub action: Action,
    /// The hash of the log up to this line, in hexadecimal.
    pub hash: String,
}

/// A line as it is kept: the action is text, so that the hash covers it as it was written, with
/// fields of later versions in it.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    hash: String,
    action: String,
}

impl Document for Kept {
    const NAME: &'static str = "audit line";
    const FORMAT: u32 = 1;
}

impl Kept {
    fn after(previous: &str, action: &Action) -> Result<Self> {
        let action = serde_json::to_string(action)
            .map_err(|error| Error::new(ErrorKind::Failed, "encode audit line").because(error))?;
        Ok(Self { hash: chain(previous, &action), action })
    }

    fn into_line(self, number: u64) -> Result<AuditLine> {
        let action = serde_json::from_str(&self.action).map_err(|error| {
            Error::new(ErrorKind::Unreadable, "read audit line").with("line", number).because(error)
        })?;
        Ok(AuditLine { number, action, hash: self.hash })
    }
}

fn chain(previous: &str, action: &str) -> String {
    let digest = Sha256::new().chain_update(previous).chain_update("\n").chain_update(action);
    let mut hex = String::with_capacity(64);
    for byte in digest.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Appends a line. Returns its number.
///
/// # Errors
/// Those of the store.
pub async fn record(
    store: &dyn CheckpointStore,
    who: &str,
    what: impl Into<String>,
    why: Option<&str>,
) -> Result<u64> {
    let action = Action {
        when: Timestamp::now(),
        who: who.to_owned(),
        what: what.into(),
        why: why.map(str::to_owned),
    };
    for _ in 0..ATTEMPTS_MAX {
        let end = store.log_end(LOG).await?;
        let previous = hash_of(store, end).await?;
        let line = document::encode(&Kept::after(&previous, &action)?)?;
        if let Some(number) = store.append(LOG, &[line], Some(end)).await? {
            return Ok(number);
        }
    }
    Err(Error::new(ErrorKind::Busy, "append to audit log").hint("run the command again"))
}

/// The hash of a line; empty before the first.
async fn hash_of(store: &dyn CheckpointStore, number: u64) -> Result<String> {
    let Some(before) = number.checked_sub(1) else { return Ok(String::new()) };
    let line = store.read_log(LOG, before, 1).await?.pop().ok_or_else(|| missing(number))?;
    Ok(document::decode::<Kept>(&line.value)?.hash)
}

/// Up to `limit` lines after line `after`.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn read(store: &dyn CheckpointStore, after: u64, limit: usize) -> Result<Vec<AuditLine>> {
    let lines = store.read_log(LOG, after, limit).await?;
    let line = |line: super::LogLine| {
        document::decode::<Kept>(&line.value)
            .and_then(|kept| kept.into_line(line.number))
            .map_err(|error| error.with("line", line.number))
    };
    lines.into_iter().map(line).collect()
}

/// The number of the last line; zero if there is none.
///
/// # Errors
/// Those of the store.
pub async fn end(store: &dyn CheckpointStore) -> Result<u64> {
    store.log_end(LOG).await
}

/// Checks the whole chain. Returns the number of lines and the last hash.
///
/// # Errors
/// `Unreadable`, with the number of the first line that is not what was written; those of the
/// store.
pub async fn verify_chain(store: &dyn CheckpointStore) -> Result<(u64, String)> {
    let (mut number, mut hash) = (0, String::new());
    loop {
        let page = store.read_log(LOG, number, PAGE).await?;
        if page.is_empty() {
            return Ok((number, hash));
        }
        for line in page {
            number += 1;
            if line.number != number {
                return Err(missing(number));
            }
            let kept: Kept =
                document::decode(&line.value).map_err(|error| error.with("line", number))?;
            if kept.hash != chain(&hash, &kept.action) {
                return Err(Error::new(
                    ErrorKind::Unreadable,
                    "verify audit log: the chain breaks",
                )
                .with("line", number)
                .hint("somebody changed, inserted or removed a line here: compare with a backup"));
            }
            hash = kept.hash;
        }
    }
}

fn missing(number: u64) -> Error {
    Error::new(ErrorKind::Unreadable, "read audit log: a line is missing").with("line", number)
}

#[cfg(test)]
mod tests {
    use super::{LOG, read, record, verify_chain};
    use crate::checkpoint::{CheckpointStore as _, LogLine, MemoryCheckpoint};
    use crate::error::ErrorKind;

    async fn log_of(actions: u64) -> MemoryCheckpoint {
        let store = MemoryCheckpoint::new("m");
        for number in 1..=actions {
            let why = number.is_multiple_of(2).then_some("because");
            record(&store, "alice@db1", format!("action {number}"), why).await.unwrap();
        }
        store
    }

    async fn rewritten(change: impl FnOnce(&mut Vec<LogLine>)) -> ErrorKind {
        let (before, after) = (log_of(4).await, MemoryCheckpoint::new("m"));
        let mut lines = before.read_log(LOG, 0, 99).await.unwrap();
        change(&mut lines);
        let lines: Vec<_> = lines.into_iter().map(|line| line.value).collect();
        after.append(LOG, &lines, None).await.unwrap();
        let error = verify_chain(&after).await.unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        error.kind()
    }

    #[tokio::test]
    async fn what_was_recorded_is_read_and_its_chain_holds() {
        let store = log_of(3).await;
        let lines = read(&store, 1, 99).await.unwrap();
        let said: Vec<_> = lines.iter().map(|line| (line.number, &*line.action.what)).collect();
        assert_eq!(said, [(2, "action 2"), (3, "action 3")]);
        assert_eq!(lines[0].action.why.as_deref(), Some("because"));
        assert_eq!(verify_chain(&store).await.unwrap(), (3, lines[1].hash.clone()));
    }

    #[tokio::test]
    async fn the_chain_of_an_empty_log_holds() {
        assert_eq!(verify_chain(&MemoryCheckpoint::new("m")).await.unwrap(), (0, String::new()));
    }

    #[tokio::test]
    async fn a_line_that_was_changed_removed_moved_or_damaged_breaks_the_chain() {
        let changed = |lines: &mut Vec<LogLine>| {
            let text = String::from_utf8(lines[1].value.clone()).unwrap();
            lines[1].value = text.replace("alice", "mallory").into_bytes();
        };
        assert_eq!(rewritten(changed).await, ErrorKind::Unreadable);
        assert_eq!(rewritten(|lines| drop(lines.remove(1))).await, ErrorKind::Unreadable);
        assert_eq!(rewritten(|lines| lines.swap(1, 2)).await, ErrorKind::Unreadable);
        assert_eq!(rewritten(|lines| lines[1].value.truncate(9)).await, ErrorKind::Unreadable);
    }

    #[tokio::test]
    async fn those_who_record_at_once_make_one_chain() {
        let store = MemoryCheckpoint::new("m");
        let recording = (0..8).map(|number| {
            let store = store.clone();
            tokio::spawn(async move { record(&store, "w", number.to_string(), None).await })
        });
        for recorded in futures::future::join_all(recording).await {
            recorded.unwrap().unwrap();
        }
        assert_eq!(verify_chain(&store).await.unwrap().0, 8);
    }
}

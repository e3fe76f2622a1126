//! Typed values in entries and logs: JSON with the format it is in.

use super::{CheckpointStore, Revision};
use crate::decode::JsonError;
use crate::error::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How often [`update`] may lose against other writers before it gives up. They write a few times a
/// second, so a second loss is rare.
const UPDATE_ATTEMPTS_MAX: usize = 16;

/// A value that is kept in the checkpoint store.
///
/// A later version that adds a field which earlier ones may ignore keeps the format, and gives the
/// field a default; one whose values earlier versions would misread raises it.
pub trait Document: Serialize + DeserializeOwned {
    /// What it is, for messages: "desired state".
    const NAME: &'static str;
    /// The format that is written, and the newest that is understood.
    const FORMAT: u32;
}

#[derive(Serialize)]
struct Written<'a, T> {
    format: u32,
    value: &'a T,
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[derive(Deserialize)]
struct Body<T> {
    value: T,
}

/// The bytes of a value.
///
/// # Errors
/// `Failed` if it cannot be JSON.
pub fn encode<T: Document>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(&Written { format: T::FORMAT, value }).map_err(|error| {
        Error::new(ErrorKind::Failed, format!("encode {}", T::NAME)).because(error)
    })
}

/// The value of some bytes.
///
/// # Errors
/// `Unreadable` if they are something else, or were written by a later version that this one cannot
/// follow.
pub fn decode<T: Document>(bytes: &[u8]) -> Result<T> {
    let unreadable = || Error::new(ErrorKind::Unreadable, format!("read {}", T::NAME));
    // Two steps: what a later version wrote need not have the fields of this one.
    let head: Head = serde_json::from_slice(bytes).map_err(|error| {
        unreadable()
            .because(JsonError::from(error))
            .hint("the checkpoint store is damaged: restore it from a copy")
    })?;
    if head.format > T::FORMAT {
        return Err(unreadable()
            .with("format", head.format)
            .with("newest known", T::FORMAT)
            .hint("a later version of midflight wrote it: use that version here too"));
    }
    let body: Body<T> = serde_json::from_slice(bytes).map_err(|error| {
        unreadable()
            .because(JsonError::from(error))
            .hint("the checkpoint store is damaged: restore it from a copy")
    })?;
    Ok(body.value)
}

/// Reads an entry.
///
/// # Errors
/// Those of the store and of [`decode`].
pub async fn read<T: Document>(
    store: &dyn CheckpointStore,
    key: &str,
) -> Result<Option<(T, Revision)>> {
    let Some(entry) = store.get(key).await? else { return Ok(None) };
    let value = decode(&entry.value).map_err(|error| error.with("key", key))?;
    Ok(Some((value, entry.revision)))
}

/// Puts an entry if it is still what `expected` says.
///
/// # Errors
/// Those of the store and of [`encode`].
pub async fn put<T: Document>(
    store: &dyn CheckpointStore,
    key: &str,
    value: &T,
    expected: Option<Revision>,
) -> Result<Option<Revision>> {
    store.put(key, &encode(value)?, expected).await
}

/// Reads, changes and puts an entry, and starts over if somebody else put it meanwhile.
///
/// # Errors
/// Those of the store and of `change`; `Busy` if it loses again and again.
pub async fn update<T: Document + Default>(
    store: &dyn CheckpointStore,
    key: &str,
    mut change: impl FnMut(&mut T) -> Result<()>,
) -> Result<T> {
    for _ in 0..UPDATE_ATTEMPTS_MAX {
        let (mut value, revision) = match read(store, key).await? {
            Some((value, revision)) => (value, Some(revision)),
            None => (T::default(), None),
        };
        change(&mut value)?;
        if put(store, key, &value, revision).await?.is_some() {
            return Ok(value);
        }
    }
    Err(Error::new(ErrorKind::Busy, format!("change {}", T::NAME))
        .with("key", key)
        .with("attempts", UPDATE_ATTEMPTS_MAX)
        .hint("run the command again"))
}

#[cfg(test)]
mod tests {
    use super::{Document, decode, encode, update};
    use crate::checkpoint::{CheckpointStore as _, MemoryCheckpoint};
    use crate::error::ErrorKind;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Sum(u64);

    impl Document for Sum {
        const NAME: &'static str = "sum";
        const FORMAT: u32 = 3;
    }

    #[test]
    fn an_older_format_is_read_and_a_newer_one_is_refused_with_the_way_out() {
        assert_eq!(decode::<Sum>(br#"{"format":1,"value":7,"later":0}"#).unwrap(), Sum(7));
        let error = decode::<Sum>(br#"{"format":4,"value":{"new":1}}"#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable);
        assert!(error.next_step().unwrap().contains("later version"));
    }

    #[test]
    fn what_is_no_document_is_unreadable() {
        for bytes in [&b""[..], b"{", b"7", br#"{"value":7}"#, br#"{"format":3}"#, b"\xff"] {
            assert_eq!(decode::<Sum>(bytes).unwrap_err().kind(), ErrorKind::Unreadable);
        }
    }

    #[tokio::test]
    async fn changes_made_at_once_are_all_there() {
        let store = MemoryCheckpoint::new("m");
        let adding = (1..=8).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let add = |sum: &mut Sum| {
                    sum.0 += number;
                    Ok(())
                };
                update(&store, "sum", add).await.unwrap();
            })
        });
        for added in futures::future::join_all(adding).await {
            added.unwrap();
        }
        let entry = store.get("sum").await.unwrap().unwrap();
        assert_eq!(entry.value, encode(&Sum(36)).unwrap());
    }
}

//! Letters in a checkpoint store in memory.

use super::{
    DeadLetter, FailedChange, FailedIn, Fate, KEYS, PARTS, count_open, decide, find, is_any_open,
    keep, of_fate,
};
use crate::checkpoint::{CheckpointStore as _, MemoryCheckpoint, list_all};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::position::{Position, Version};
use crate::queue::Message;
use crate::value::Value;

fn letter(offset: i64) -> DeadLetter {
    with_payload(offset, vec![0xff, 0])
}

fn with_payload(offset: i64, payload: Vec<u8>) -> DeadLetter {
    let place = Position::new(&[7]).unwrap();
    let message = Message {
        position: place,
        next: place,
        version: Some(Version::new(&[1, 2]).unwrap()),
        made_at: Timestamp(5),
        key: None,
        headers: vec![("op".into(), b"upsert".to_vec())],
        topic: "followers".into(),
        payload: Some(payload),
        offset,
    };
    let error = Error::new(ErrorKind::Unreadable, "decode change");
    let key = Key::new([Value::Int(3)]).unwrap();
    let version = Some(Version::new(&[1, 2, 0]).unwrap());
    let (table, record, failed_in) = (Some("followers"), Some(&key), FailedIn::Target);
    let change = FailedChange { index: 0, version, failed_in, error: &error, table, record };
    DeadLetter::new("out/box", &message, &change)
}

async fn open_offsets(store: &MemoryCheckpoint) -> Vec<i64> {
    let open = of_fate(store, Fate::Open).await.unwrap();
    open.iter().map(|letter| letter.offset).collect()
}

#[tokio::test]
async fn a_letter_written_twice_is_there_once_and_keeps_its_fate() {
    let store = MemoryCheckpoint::new("m");
    keep(&store, &[letter(10), letter(9)]).await.unwrap();
    let seen = find(&store, "out/box/9/0").await.unwrap().summary;
    decide(&store, &seen, Fate::Dropped, "alice").await.unwrap();
    let error = decide(&store, &seen, Fate::Replayed, "bob").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "it is not as it was seen");
    keep(&store, &[letter(9), letter(100)]).await.unwrap();
    assert_eq!(open_offsets(&store).await, [10, 100]);
    assert_eq!(count_open(&store).await.unwrap(), 2);
    assert!(is_any_open(&store).await.unwrap());
}

#[tokio::test]
async fn a_replayed_letter_that_is_delivered_again_is_open_again() {
    let store = MemoryCheckpoint::new("m");
    let large = with_payload(1, vec![7; 600_000]);
    keep(&store, &[large.clone(), letter(2)]).await.unwrap();
    for (id, fate) in [("out/box/1/0", Fate::Replayed), ("out/box/2/0", Fate::Dropped)] {
        let seen = find(&store, id).await.unwrap().summary;
        decide(&store, &seen, fate, "alice").await.unwrap();
    }
    assert!(!is_any_open(&store).await.unwrap());
    keep(&store, &[large.clone(), letter(2)]).await.unwrap();
    assert_eq!(open_offsets(&store).await, [1]);
    assert_eq!(find(&store, "out/box/1/0").await.unwrap(), large);
}

#[tokio::test]
async fn a_letter_holds_the_message_byte_for_byte() {
    let store = MemoryCheckpoint::new("m");
    keep(&store, &[letter(1)]).await.unwrap();
    let found = find(&store, "out/box/1/0").await.unwrap();
    let message = found.message().unwrap();
    assert_eq!(message.payload, Some(vec![0xff, 0]));
    assert_eq!(message.version, Some(Version::new(&[1, 2]).unwrap()));
    assert_eq!(found.summary.version().unwrap(), Some(Version::new(&[1, 2, 0]).unwrap()));
    assert_eq!(found.summary.record(), Some(Key::new([Value::Int(3)]).unwrap()));
    let headers = found.headers();
    for (name, value) in [
        ("op", "upsert"),
        ("__connect.errors.offset", "1"),
        ("__connect.errors.stage", "TASK_PUT"),
        ("__connect.errors.exception.class.name", "midflight.Unreadable"),
    ] {
        assert!(headers.contains(&(name.to_owned(), value.to_owned())), "{headers:?}");
    }
}

#[tokio::test]
async fn a_large_message_lies_in_parts_beside_a_letter_that_is_small() {
    let store = MemoryCheckpoint::new("m");
    for size in [2_000, 3_000, 196_000, 1_100_000, 5_000_000] {
        let kept = with_payload(size.try_into().unwrap(), vec![0xa5; size]);
        keep(&store, std::slice::from_ref(&kept)).await.unwrap();
        assert_eq!(find(&store, &kept.id()).await.unwrap(), kept);
    }
    for (prefix, most) in [(KEYS, 8_000), (PARTS, 300_000)] {
        for key in list_all(&store, prefix).await.unwrap() {
            let bytes = store.get(&key).await.unwrap().unwrap().value.len();
            assert!(bytes < most, "{key}: {bytes}");
        }
    }
    // A third more than the bytes themselves.
    let parts = list_all(&store, &format!("{PARTS}out/box/{:020}", 5_000_000)).await.unwrap();
    assert_eq!(parts.len(), 26);
}

#[tokio::test]
async fn parts_that_a_crash_left_are_written_over() {
    let store = MemoryCheckpoint::new("m");
    let kept = with_payload(1, vec![1; 600_000]);
    keep(&store, std::slice::from_ref(&kept)).await.unwrap();
    // As if the process had ended before the letter's own entry, and another message had come.
    let key = list_all(&store, KEYS).await.unwrap().remove(0);
    let entry = store.get(&key).await.unwrap().unwrap();
    assert!(store.remove(&key, entry.revision).await.unwrap());
    let other = with_payload(1, vec![2; 500_000]);
    keep(&store, std::slice::from_ref(&other)).await.unwrap();
    assert_eq!(find(&store, "out/box/1/0").await.unwrap(), other);
}

#[tokio::test]
async fn a_letter_whose_message_lost_a_part_is_listed_and_says_so_when_it_is_read() {
    let store = MemoryCheckpoint::new("m");
    keep(&store, &[with_payload(1, vec![1; 600_000])]).await.unwrap();
    let part = list_all(&store, PARTS).await.unwrap().remove(1);
    let entry = store.get(&part).await.unwrap().unwrap();
    assert!(store.remove(&part, entry.revision).await.unwrap());
    assert_eq!(open_offsets(&store).await, [1]);
    let error = find(&store, "out/box/1/0").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    assert!(error.to_string().contains("out/box/1/0"), "{error}");
}

/// As the first format was written: bytes as lists of numbers, and the message in the entry.
const OF_FORMAT_1: &str = r#"{"format":1,"value":{"partition":"out/box","offset":1,"index":0,
    "next":[7],"topic":"followers","version":[1,2,0],"queue_version":[1,2],"made_at":5,
    "found_at":6,"error":"decode change","table":"followers","record":RECORD,
    "headers":[["op",[117,112,115,101,114,116]]],"wire_key":null,"payload":[255,0],
    "fate":"open","decided_by":null}}"#;

#[tokio::test]
async fn a_letter_of_the_first_format_is_read_counted_and_decided_on() {
    let store = MemoryCheckpoint::new("m");
    let record = serde_json::to_string(Key::new([Value::Int(3)]).unwrap().as_bytes()).unwrap();
    let written = OF_FORMAT_1.replace("RECORD", &record);
    let key = format!("{KEYS}out/box/{:020}/{:06}", 1, 0);
    store.put(&key, written.as_bytes(), None).await.unwrap().unwrap();
    assert_eq!(count_open(&store).await.unwrap(), 1);
    let found = find(&store, "out/box/1/0").await.unwrap();
    assert_eq!(found.message().unwrap().payload, letter(1).message().unwrap().payload);
    assert_eq!(found.message().unwrap().headers, letter(1).message().unwrap().headers);
    assert_eq!(found.summary.record(), letter(1).summary.record());
    decide(&store, &found.summary, Fate::Replayed, "alice").await.unwrap();
    assert_eq!(count_open(&store).await.unwrap(), 0);
    assert_eq!(find(&store, "out/box/1/0").await.unwrap().payload(), Some(&[255, 0][..]));
    keep(&store, &[letter(1)]).await.unwrap();
    assert_eq!(open_offsets(&store).await, [1], "it was delivered again");
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

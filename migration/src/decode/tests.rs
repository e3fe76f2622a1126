//! Messages of the world in memory, decoded.

use super::{Changes, Decoder};
use crate::key::Key;
use crate::protocol::Effect;
use crate::queue::{Delivery, Message, Queue};
use crate::testing::{PARTITION, TABLE, World, key};
use std::time::Duration;

/// What the queue delivers of these (op, payload).
async fn messages(sent: &[(&str, &str)]) -> (World, Vec<Message>) {
    let world = World::new(2).await.unwrap();
    for (op, payload) in sent {
        world.tell(op, payload).unwrap();
    }
    let mut consumer = world.queue.consumer().await.unwrap();
    let start = World::new(1).await.unwrap().queue.end(PARTITION).await.unwrap();
    loop {
        match consumer.poll(100, Duration::from_millis(10)).await.unwrap() {
            Delivery::Assigned(_) => consumer.seek(PARTITION, &start).await.unwrap(),
            Delivery::Messages { messages, .. } => return (world, messages),
            Delivery::Idle => return (world, Vec::new()),
            Delivery::Revoked(_) => {}
        }
    }
}

async fn decoded(sent: &[(&str, &str)]) -> Changes {
    let (world, messages) = messages(sent).await;
    assert_eq!(messages.len(), sent.len());
    Decoder::new(vec![world.layout]).decode(&messages)
}

fn keys(changes: &Changes) -> Vec<(Key, Effect)> {
    changes.tables[0].changes.iter().map(|change| (change.key.clone(), change.effect)).collect()
}

#[tokio::test]
async fn upserts_and_deletes_are_decoded_in_order() {
    let changes = decoded(&[
        ("upsert", r#"{"followed":"a","follower":"b","weight":1,"more":[{}]}"#),
        ("delete", r#"{"follower":"y","followed":"x"}"#),
        ("upsert", r#"{"followed":"c","follower":"d","weight":null}"#),
    ])
    .await;
    let expected = [
        (key("a", "b").unwrap(), Effect::Set),
        (key("x", "y").unwrap(), Effect::Delete),
        (key("c", "d").unwrap(), Effect::Set),
    ];
    assert_eq!(keys(&changes), expected);
    assert_eq!(changes.tables[0].records.len(), 2);
    assert_eq!(changes.tables[0].changes[2].row, 1);
}

#[tokio::test]
async fn of_several_changes_of_one_record_the_last_remains() {
    let changes = decoded(&[
        ("upsert", r#"{"followed":"a","follower":"b","weight":1}"#),
        ("delete", r#"{"followed":"a","follower":"b"}"#),
        ("upsert", r#"{"followed":"a","follower":"c","weight":1}"#),
        ("upsert", r#"{"followed":"a","follower":"b","weight":2}"#),
    ])
    .await;
    assert_eq!(changes.compacted, 2);
    let expected = [(key("a", "c").unwrap(), Effect::Set), (key("a", "b").unwrap(), Effect::Set)];
    assert_eq!(keys(&changes), expected);
}

#[tokio::test]
async fn what_cannot_be_decoded_says_why_and_where_and_keeps_the_key_it_has() {
    let long = format!(
        r#"{{"followed":"a","follower":"b","weight":{}1{}}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let sent = [
        ("upsert", "not json"),
        ("upsert", r#"{"followed":"a","follower":"b"}"#),
        ("upsert", r#"{"followed":"a","follower":"b","weight":"heavy"}"#),
        ("upsert", r#"{"follower":"b","weight":1}"#),
        ("increment", r#"{"followed":"a","follower":"b","weight":1}"#),
        ("delete", r#"{"followed":"a","followed":"a","follower":"b"}"#),
        ("delete", r#"{"followed":null,"follower":"b"}"#),
        ("upsert", long.as_str()),
    ];
    let changes = decoded(&sent).await;
    assert_eq!(changes.undecodable.len(), sent.len());
    assert!(changes.tables[0].changes.is_empty() && changes.tables[0].records.is_empty());
    for (index, found) in changes.undecodable.iter().enumerate() {
        assert_eq!(found.message, index);
        let text = found.error.to_string();
        assert!(text.contains(TABLE) && text.contains("problem"), "{text}");
        let has_key = matches!(index, 1 | 2 | 4 | 7);
        assert_eq!(found.record.is_some(), has_key, "{index}: {text}");
    }
}

#[tokio::test]
async fn a_change_of_another_table_is_foreign() {
    let (world, mut messages) = messages(&[("upsert", "{}"), ("upsert", "{}")]).await;
    messages[0].topic = "elsewhere".into();
    messages[1].topic = "".into();
    let changes = Decoder::new(vec![world.layout]).decode(&messages);
    assert_eq!((changes.foreign, changes.undecodable.len()), (1, 1));
}

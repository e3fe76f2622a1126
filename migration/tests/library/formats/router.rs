//! Debezium's outbox event router: from MariaDB with a column added to the envelope and the
//! payload as JSON, from PostgreSQL with the payload as JSON in a string.

use crate::formats::capture::{at, messages, row, steps, table, topic};
use crate::formats::items::{changes, with_header};
use migration::decode::{ColumnTraits, Decoder, FormatName, TopicFormat, Versions};
use migration::queue::Message;
use migration::value::{ColumnType as T, Value as V};

fn decoder(options: &str) -> Decoder {
    let plain = ColumnTraits::default;
    let orders = table("orders", &["id"], &[("id", T::Int, plain())]);
    let topic = TopicFormat {
        versions: Versions::Queue,
        table: Some("orders".to_owned()),
        ..topic("outbox.event.order", FormatName::DebeziumOutbox, options)
    };
    Decoder::with_topics(&[orders], vec![topic], 0).unwrap()
}

#[test]
fn a_payload_is_read_as_json_and_as_json_in_a_string() {
    let messages = messages("outbox.jsonl.gz");
    let id = [("id", V::Int(42))];
    let envelope = decoder("payload_field = \"payload\"\nin_string = false");
    let found = steps(&envelope, &messages[..1], "outbox.event.order");
    assert_eq!(row(&found[0]).differences(&id), [""; 0]);
    let text = decoder("key = \"text\"");
    let found = steps(&text, &messages[1..], "outbox.event.order");
    assert_eq!(row(&found[0]).differences(&id), [""; 0]);
    assert!(text.decode(&messages[..1]).undecodable.len() == 1, "a payload that is no string");
}

/// The router names each event by a header, for consumers that have no other way to know it again.
/// Here the place in the queue tells: an event that was delivered twice is stale the second time.
#[test]
fn the_events_id_in_a_header_changes_nothing() {
    let decoder = decoder("in_string = false");
    let event = |id: Option<&str>| {
        let message = Message {
            key: Some(b"42".to_vec()),
            payload: Some(br#"{"id":42}"#.to_vec()),
            ..at("outbox.event.order", 7)
        };
        match id {
            Some(id) => with_header(message, "id", id),
            None => message,
        }
    };
    let without = &changes(&decoder, &event(None))[0];
    for id in ["5f0c9a3e-2f34-4a05-9a51-0d2b8a9a2d11", "", "43"] {
        let with = &changes(&decoder, &event(Some(id)))[0];
        assert_eq!((&with.key, with.version), (&without.key, without.version), "{id}");
    }
}

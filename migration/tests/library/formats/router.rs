//! Debezium's outbox event router: from MariaDB with a column added to the envelope and the
//! payload as JSON, from PostgreSQL with the payload as JSON in a string.

use crate::formats::capture::{messages, row, steps, table, topic};
use migration::decode::{ColumnTraits, Decoder, FormatName, TopicFormat, Versions};
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

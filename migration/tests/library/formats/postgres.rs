//! Debezium 3.5 on PostgreSQL 15: the envelope and flattened rows.

use crate::formats::capture::{days, failures, messages, micros, row, steps, table, topic};
use crate::formats::mariadb::with;
use migration::decode::{
    ColumnTraits, Decoder, Flaw, FormatName, Ignored, SourceTable, TopicFormat, Versions,
};
use migration::key::Key;
use migration::protocol::Effect;
use migration::queue::Message;
use migration::value::{ColumnType as T, Value as V};

/// The columns of `all_types` that arrive as they are, as `schema-pg.sql` declares them.
const EXACT: &[(&str, T, &str)] = &[
    ("id", T::Int, "bigint"),
    ("s", T::Int, "smallint"),
    ("i", T::Int, "integer"),
    ("n", T::Decimal, "numeric"),
    ("n2", T::Decimal, "numeric(20,5)"),
    ("r", T::Float32, "real"),
    ("d", T::Float64, "double precision"),
    ("m", T::Decimal, "money"),
    ("b", T::Bool, "boolean"),
    ("c", T::Text, "character(5)"),
    ("v", T::Text, "character varying(50)"),
    ("t", T::Text, "text"),
    ("ba", T::Bytes, "bytea"),
    ("tm", T::Time, "time without time zone"),
    ("ts3", T::Timestamp, "timestamp(3) without time zone"),
    ("u", T::Uuid, "uuid"),
    ("j", T::Json, "json"),
    ("jb", T::Json, "jsonb"),
    ("bt", T::Text, "bit(10)"),
    ("ai", T::Text, "integer[]"),
    ("at", T::Text, "text[]"),
    ("e", T::Text, "mood"),
    ("ip", T::Text, "inet"),
    ("r4", T::Text, "int4range"),
    ("h", T::Text, "xml"),
    ("pt", T::Text, "point"),
];

/// Those with an infinity among the values written.
const ENDLESS: &[(&str, T, &str)] = &[
    ("dt", T::Date, "date"),
    ("ts", T::Timestamp, "timestamp without time zone"),
    ("tstz", T::TimestampTz, "timestamp with time zone"),
];

/// Those whose form on the wire does not tell what the database shows.
const LOST: &[(&str, T, &str)] = &[
    ("tmtz", T::Text, "time with time zone"),
    ("iv", T::Text, "interval"),
    ("vb", T::Text, "bit varying(8)"),
];

fn all_types(columns: &[&[(&str, T, &str)]]) -> SourceTable {
    let of = |&(name, column_type, declared): &(&'static str, T, &str)| {
        let mut traits = ColumnTraits::postgres(declared);
        if declared == "money" {
            // Its scale is the server's locale's.
            traits.scale = Some(2);
        }
        (name, column_type, traits)
    };
    let columns: Vec<(&str, T, ColumnTraits)> =
        columns.concat().iter().map(|column| of(&(leak(column.0), column.1, column.2))).collect();
    table("all_types", &["id"], &columns)
}

fn leak(name: &str) -> &'static str {
    EXACT.iter().chain(ENDLESS).chain(LOST).find(|column| column.0 == name).unwrap().0
}

fn defrep() -> SourceTable {
    let text = || ColumnTraits::postgres("text");
    let columns = [
        ("a", T::Int, ColumnTraits::postgres("integer")),
        ("b", T::Text, text()),
        ("big", T::Text, text()),
    ];
    table("defrep", &["a"], &columns)
}

fn raw(columns: &[&[(&str, T, &str)]]) -> (Vec<Message>, Decoder) {
    let topics = ["p_raw.public.all_types", "p_raw.public.defrep", "p_raw.message"]
        .map(|name| topic(name, FormatName::Debezium, ""));
    let tables = [all_types(columns), defrep()];
    (messages("p_raw.jsonl.gz"), Decoder::with_topics(&tables, topics.into(), 0).unwrap())
}

fn flattened(columns: &[&[(&str, T, &str)]]) -> (Vec<Message>, Decoder) {
    let topic = |name: &str| TopicFormat {
        versions: Versions::Queue,
        table: Some(name.to_owned()),
        ..topic(
            &format!("p_flat.public.{name}"),
            FormatName::DebeziumFlattened,
            "deletes = \"rewrite\"",
        )
    };
    let topics = vec![topic("all_types"), topic("defrep")];
    let tables = [all_types(columns), defrep()];
    (messages("p_flat.jsonl.gz"), Decoder::with_topics(&tables, topics, 0).unwrap())
}

fn first_row() -> Vec<(&'static str, V<'static>)> {
    vec![
        ("id", V::Int(i64::MIN.into())),
        ("s", V::Int(-32_768)),
        ("i", V::Int(-2_147_483_648)),
        ("n", V::Decimal("123456789012345678901234567890.123456789")),
        ("n2", V::Decimal("123.45678")),
        ("r", V::Float32(1.5)),
        ("d", V::Float64(f64::NAN)),
        ("m", V::Decimal("12.34")),
        ("b", V::Bool(true)),
        ("c", V::Text("ab   ")),
        ("v", V::Text("héllo 漢字 😀")),
        ("t", V::Text("l1\nl2\t\"q\"")),
        ("ba", V::Bytes(&[0xde, 0xad, 0xbe, 0xef, 0])),
        ("tm", V::Time(((23 * 60 + 59) * 60 + 59) * 1_000_000 + 123_456)),
        ("ts3", V::Timestamp(micros("2026-02-28T23:59:59.123Z"))),
        ("u", V::Uuid(*b"\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x14\x17\x40\x00")),
        ("j", V::Json(r#"{"a": [1, null]}"#)),
        ("jb", V::Json(r#"{"b": {"c": true}}"#)),
        ("bt", V::Text("1000000001")),
        ("ai", V::Text("{1,NULL,3}")),
        ("at", V::Text(r#"{x,"y,z"}"#)),
        ("e", V::Text("ok")),
        ("ip", V::Text("10.0.0.1/24")),
        ("r4", V::Text("[1,10)")),
        ("h", V::Text("<a>1</a>")),
        ("pt", V::Text("(1.5,-2.5)")),
    ]
}

fn id(number: i128) -> Key {
    Key::new([V::Int(number)]).unwrap()
}

#[test]
fn every_type_that_arrives_whole_is_what_the_statements_wrote() {
    for ((messages, decoder), prefix) in [(raw(&[EXACT]), "p_raw"), (flattened(&[EXACT]), "p_flat")]
    {
        let steps = steps(&decoder, &messages, &format!("{prefix}.public.all_types"));
        let id_is = |number: i128| ("id", V::Int(number));
        // A lost value: the NaN of a numeric column arrives as null.
        let upd = ("v", V::Text("upd"));
        let expected = [
            vec![id_is(1), ("v", V::Text("snapshot row"))],
            first_row(),
            vec![id_is(2)],
            vec![id_is(3)],
            vec![id_is(2), upd],
            vec![],
            vec![id_is(4), upd],
            vec![],
        ];
        assert_eq!(steps.len(), expected.len(), "{prefix}");
        for (place, (step, expected)) in steps.iter().zip(&expected).enumerate() {
            if step.effect == Effect::Set {
                assert_eq!(row(step).differences(expected), [""; 0], "{prefix}, change {place}");
            } else {
                assert!(expected.is_empty(), "{prefix}, change {place}");
            }
        }
        let keys: Vec<Key> = steps.iter().map(|step| step.key.clone()).collect();
        assert_eq!(keys, [1, i64::MIN.into(), 2, 3, 2, 2, 4, 4].map(id));
        assert_eq!(
            steps.iter().map(|step| step.index).collect::<Vec<_>>(),
            [0, 0, 0, 0, 0, 0, 1, 0]
        );
        assert!(steps.is_sorted_by(|a, b| a.version < b.version), "{prefix}");
    }
}

#[test]
fn days_before_christ_are_days_and_infinities_are_refused_by_name() {
    let columns = &EXACT[..1];
    for (messages, decoder) in [raw(&[columns, ENDLESS]), flattened(&[columns, ENDLESS])] {
        let messages: Vec<Message> =
            messages.into_iter().filter(|m| m.topic.ends_with("all_types")).collect();
        let rows = decoder.decode(&messages);
        let of_id = |number: i128| {
            let changes = &rows.tables[0].changes;
            let change = changes.iter().find(|change| change.key == id(number)).unwrap();
            rows.tables[0].records.row(change.row)
        };
        let first = of_id(i64::MIN.into());
        assert_eq!(first.value(1), V::Date(days("2026-02-28")));
        assert_eq!(first.value(2), V::Timestamp(micros("2026-02-28T23:59:59.123456Z")));
        assert_eq!(first.value(3), V::TimestampTz(micros("2026-02-28T21:59:59.123456Z")));
        let ides = of_id(3);
        assert_eq!(ides.value(1), V::Date(days("-000043-03-15")));
        assert_eq!(ides.value(2), V::Timestamp(micros("-000043-03-15T01:02:03Z")));
        let failures = failures(&decoder, &messages);
        // The row with infinities was inserted, updated, and moved to another key.
        assert_eq!(failures.len(), 3);
        assert!(failures.iter().all(|why| why.contains("infinity")), "{failures:?}");
    }
}

#[test]
fn columns_that_arrive_changed_are_refused_by_name() {
    for lost in LOST {
        let (mut messages, decoder) = raw(&[&EXACT[..1], &[*lost]]);
        messages.retain(|m| m.topic.ends_with("all_types"));
        let failures = failures(&decoder, &messages);
        assert_eq!(failures.len(), 1, "{}: {failures:?}", lost.0);
        assert!(failures[0].contains(&format!("column {}", lost.0)), "{failures:?}");
    }
}

#[test]
fn a_value_that_is_not_in_the_log_makes_the_row_incomplete() {
    for (messages, decoder) in [raw(&[EXACT]), flattened(&[EXACT])] {
        let of_topic: Vec<Message> =
            messages.into_iter().filter(|m| m.topic.ends_with("defrep")).collect();
        let changes = decoder.decode(&of_topic);
        let [incomplete] = changes.undecodable.as_slice() else { panic!("{changes:?}") };
        assert_eq!(incomplete.flaw, Flaw::Incomplete);
        assert_eq!(incomplete.record, Some((1, id(2))));
        assert!(incomplete.version.is_some());
        let why = migration::error::Chain(&incomplete.error).to_string();
        assert!(why.contains("column big") && why.contains("log"), "{why}");
        // What was inserted whole stays, and the delete is applied by its key alone.
        let effects: Vec<_> =
            changes.tables[1].changes.iter().map(|c| (c.key.clone(), c.effect)).collect();
        assert_eq!(effects, [(id(2), Effect::Set), (id(1), Effect::Delete)]);
    }
}

#[test]
fn a_truncate_stops_and_messages_of_the_log_are_ignored() {
    let (messages, decoder) = raw(&[EXACT]);
    for message in messages.iter().filter(|message| &*message.topic == "p_raw.message") {
        let changes = decoder.decode(std::slice::from_ref(message));
        assert_eq!(changes.ignored.of(Ignored::LogMessage), 1);
    }
    let stops = messages
        .iter()
        .filter(|message| decoder.decode(std::slice::from_ref(message)).stop.is_some());
    assert_eq!(stops.count(), 2);
}

#[test]
fn flattened_deletes_need_the_mode_that_the_connector_has() {
    let messages = messages("p_flat.jsonl.gz");
    let mut topic = topic("p_flat.public.defrep", FormatName::DebeziumFlattened, "");
    topic.versions = Versions::Queue;
    topic.table = Some("defrep".to_owned());
    let decoder = Decoder::with_topics(&[defrep()], vec![topic], 0).unwrap();
    // Rewritten deletes are told by their field, whatever the mode says of null values.
    let steps = steps(&decoder, &messages[..2], "p_flat.public.defrep");
    assert_eq!(row(&steps[0]).differences(&with(vec![], &[])).len(), 3);
    let changes = decoder.decode(&messages[3..4]);
    assert_eq!(changes.tables[0].changes[0].effect, Effect::Delete);
}

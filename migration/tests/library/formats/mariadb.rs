//! Debezium 3.5 on MariaDB 10.11, with schema and without.

use crate::formats::capture::{Step, days, messages, micros, row, steps, table, topic};
use migration::decode::{ColumnTraits, Decoder, FormatName, Ignored, SourceTable};
use migration::key::Key;
use migration::protocol::Effect;
use migration::queue::Message;
use migration::value::{ColumnType as T, Value as V};

/// The columns of `all_types`, as `schema-mariadb.sql` declares them.
pub(crate) fn all_types() -> SourceTable {
    let columns: Vec<(&str, T, ColumnTraits)> = [
        ("id", T::Unsigned, "bigint(20) unsigned"),
        ("ti", T::Int, "tinyint(4)"),
        ("tiu", T::Unsigned, "tinyint(3) unsigned"),
        ("t1", T::Int, "tinyint(1)"),
        ("si", T::Int, "smallint(6)"),
        ("mi", T::Int, "mediumint(9)"),
        ("i", T::Int, "int(11)"),
        ("iu", T::Unsigned, "int(10) unsigned"),
        ("bi", T::Int, "bigint(20)"),
        ("bu", T::Unsigned, "bigint(20) unsigned"),
        ("dec1", T::Decimal, "decimal(20,5)"),
        ("dec2", T::Decimal, "decimal(65,30)"),
        ("f", T::Float32, "float"),
        ("d", T::Float64, "double"),
        ("b1", T::Bool, "bit(1)"),
        ("b10", T::Unsigned, "bit(10)"),
        ("b64", T::Unsigned, "bit(64)"),
        ("c", T::Text, "char(5)"),
        ("v", T::Text, "varchar(50)"),
        ("txt", T::Text, "mediumtext"),
        ("bin", T::Bytes, "binary(4)"),
        ("vb", T::Bytes, "varbinary(16)"),
        ("bl", T::Bytes, "blob"),
        ("dt", T::Date, "date"),
        ("dt0", T::Date, "date"),
        ("tm", T::Time, "time"),
        ("tm6", T::Time, "time(6)"),
        ("dtm", T::Timestamp, "datetime"),
        ("dtm3", T::Timestamp, "datetime(3)"),
        ("dtm6", T::Timestamp, "datetime(6)"),
        ("dtm0", T::Timestamp, "datetime(6)"),
        ("ts", T::TimestampTz, "timestamp"),
        ("ts6", T::TimestampTz, "timestamp(6)"),
        ("y", T::Int, "year(4)"),
        ("en", T::Text, "enum('a','b','c,d')"),
        ("st", T::Text, "set('x','y','z')"),
        ("js", T::Json, "longtext"),
        ("l1", T::Text, "varchar(20)"),
        ("g", T::Bytes, "point"),
        ("uu", T::Uuid, "uuid"),
    ]
    .map(|(name, column_type, declared)| (name, column_type, ColumnTraits::mysql(declared)))
    .into();
    table("all_types", &["id"], &columns)
}

pub(crate) fn ckey() -> SourceTable {
    let int = || ColumnTraits::mysql("int(11)");
    let columns = [
        ("a", T::Int, int()),
        ("b", T::Text, ColumnTraits::mysql("varchar(10)")),
        ("c", T::Int, int()),
    ];
    table("ckey", &["a", "b"], &columns)
}

/// The first row that `changes-mariadb.sql` inserts, but for what the producer loses.
///
/// - A zero date of a column that is not null arrives as the first day of 1970.
/// - A `uuid` whose last byte is zero loses it, and the rest moves up.
pub(crate) fn first_row() -> Vec<(&'static str, V<'static>)> {
    vec![
        ("id", V::Int(18_446_744_073_709_551_614)),
        ("ti", V::Int(-128)),
        ("tiu", V::Int(255)),
        ("t1", V::Int(1)),
        ("si", V::Int(-32_768)),
        ("mi", V::Int(-8_388_608)),
        ("i", V::Int(-2_147_483_648)),
        ("iu", V::Int(4_294_967_295)),
        ("bi", V::Int(i64::MIN.into())),
        ("bu", V::Int(u64::MAX.into())),
        ("dec1", V::Decimal("123456789012345.67891")),
        ("dec2", V::Decimal("12345678901234567890123456789012345.123456789012345678901234567890")),
        ("f", V::Float32(1.5)),
        ("d", V::Float64(2.225_073_858_507_201_4e-308)),
        ("b1", V::Bool(true)),
        ("b10", V::Int(0b10_0000_0001)),
        ("b64", V::Int(0xFFFF_FFFF_FFFF_FFFE)),
        ("c", V::Text("ab")),
        ("v", V::Text("héllo 漢字 😀")),
        ("txt", V::Text("line1\nline2\t\"q\" \\")),
        ("bin", V::Bytes(&[0, 0xff, 0, 0])),
        ("vb", V::Bytes(&[0, 1, 0xfe])),
        ("bl", V::Bytes(&[0xde, 0xad, 0xbe, 0xef, 0])),
        ("dt", V::Date(days("2026-02-28"))),
        ("dt0", V::Date(0)),
        ("tm", V::Time(-(838 * 3600 + 59 * 60 + 59) * 1_000_000)),
        ("tm6", V::Time((12 * 3600 + 34 * 60 + 56) * 1_000_000 + 123_456)),
        ("dtm", V::Timestamp(micros("2026-02-28T23:59:59Z"))),
        ("dtm3", V::Timestamp(micros("2026-02-28T23:59:59.123Z"))),
        ("dtm6", V::Timestamp(micros("2026-02-28T23:59:59.123456Z"))),
        ("dtm0", V::Timestamp(0)),
        ("ts", V::TimestampTz(micros("2026-02-28T23:59:59Z"))),
        ("ts6", V::TimestampTz(micros("2026-02-28T23:59:59.999999Z"))),
        ("y", V::Int(2026)),
        ("en", V::Text("c,d")),
        ("st", V::Text("x,z")),
        ("js", V::Json(r#"{"a":[1,2.5,null,"x"],"b":{"c":true}}"#)),
        ("l1", V::Text("café")),
        ("g", V::Bytes(&POINT)),
        ("uu", V::Uuid(*b"\x00\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x14\x17\x40")),
    ]
}

/// SRID 0, then POINT(1.5 -2.5) in WKB.
const POINT: [u8; 25] =
    [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0x04, 0xc0];

/// Replaces columns of a row.
pub(crate) fn with<'a>(
    mut row: Vec<(&'static str, V<'a>)>,
    changed: &[(&'static str, V<'a>)],
) -> Vec<(&'static str, V<'a>)> {
    row.retain(|(name, _)| changed.iter().all(|(other, _)| other != name));
    row.extend(changed);
    row
}

fn captures() -> [(Vec<Message>, Decoder, &'static str); 2] {
    [("m_sch", FormatName::DebeziumSchema), ("m_raw", FormatName::Debezium)].map(
        |(prefix, format)| {
            let topics = ["all_types", "ckey", "nokey"]
                .map(|name| topic(&format!("{prefix}.lab.{name}"), format, ""));
            let decoder = Decoder::with_topics(&[all_types(), ckey()], topics.into(), 0).unwrap();
            (messages(&format!("{prefix}.jsonl.gz")), decoder, prefix)
        },
    )
}

fn id(number: i128) -> Key {
    Key::new([V::Int(number)]).unwrap()
}

#[test]
fn every_type_is_what_the_statements_wrote() {
    for (messages, decoder, prefix) in captures() {
        let steps = steps(&decoder, &messages, &format!("{prefix}.lab.all_types"));
        let zero = [("dt0", V::Date(0)), ("dtm0", V::Timestamp(0))];
        let updated = [
            ("v", V::Text("upd")),
            ("bu", V::Int(9_223_372_036_854_775_808)),
            ("dec1", V::Decimal("-0.00001")),
            ("js", V::Json(r#"{"z":1}"#)),
        ];
        let second = |changed: &[(&'static str, V<'static>)]| with(zero.to_vec(), changed);
        let id_is = |number: i128| vec![("id", V::Int(number))];
        let expected = [
            second(&[
                ("id", V::Int(1)),
                ("v", V::Text("snapshot row")),
                ("bu", V::Int(u64::MAX.into())),
            ]),
            first_row(),
            second(&id_is(2)),
            second(&[&updated[..], &id_is(2)].concat()),
            vec![],
            second(&[&updated[..], &id_is(3)].concat()),
            vec![],
            with(
                first_row(),
                &[
                    ("v", V::Text("upd2")),
                    ("dtm6", V::Timestamp(-1)),
                    ("tm6", V::Time(-1)),
                    ("dt", V::Date(days("1000-01-01"))),
                    ("js", V::Null),
                ],
            ),
            vec![],
        ];
        assert_eq!(steps.len(), expected.len());
        for (place, (step, expected)) in steps.iter().zip(&expected).enumerate() {
            if step.effect == Effect::Set {
                assert_eq!(row(step).differences(expected), [""; 0], "{prefix}, change {place}");
            } else {
                assert!(expected.is_empty(), "{prefix}, change {place}");
            }
        }
        let keys: Vec<Key> = steps.iter().map(|step| step.key.clone()).collect();
        let huge = 18_446_744_073_709_551_614;
        assert_eq!(keys, [1, huge, 2, 2, 2, 3, 3, huge, 1].map(id));
    }
}

#[test]
fn a_change_of_the_key_is_a_delete_and_an_upsert_of_one_position() {
    for (messages, decoder, prefix) in captures() {
        let steps = steps(&decoder, &messages, &format!("{prefix}.lab.all_types"));
        let [delete, upsert] = [&steps[4], &steps[5]];
        assert_eq!((delete.effect, delete.index, &delete.key), (Effect::Delete, 0, &id(2)));
        assert_eq!((upsert.effect, upsert.index, &upsert.key), (Effect::Set, 1, &id(3)));
        let position = |step: &Step| step.version.as_bytes()[..28].to_vec();
        assert_eq!(position(delete), position(upsert));
    }
}

#[test]
fn versions_are_in_the_order_of_the_statements() {
    for (messages, decoder, prefix) in captures() {
        let mut of_all: Vec<_> = ["all_types", "ckey"]
            .iter()
            .map(|name| steps(&decoder, &messages, &format!("{prefix}.lab.{name}")))
            .collect();
        for steps in &of_all {
            assert!(steps.is_sorted_by(|a, b| a.version < b.version), "{prefix}");
        }
        // `ckey` was first written after the last change but one of `all_types`.
        let ckey = of_all.remove(1);
        assert!(of_all[0][8].version < ckey[0].version);
    }
}

#[test]
fn what_is_no_change_is_counted_by_its_reason_and_a_truncate_stops() {
    for (messages, decoder, prefix) in captures() {
        let changes = decoder.decode(&messages);
        let stop = changes.stop.unwrap();
        assert_eq!(stop.error.kind(), migration::error::ErrorKind::Refused);
        assert_eq!(&*messages[stop.message].topic, format!("{prefix}.lab.ckey"));
        assert!(stop.error.to_string().contains("emptied ckey"));
        // What the producer says of its own is foreign: no topic of the plan.
        let rest = decoder.decode(&messages[stop.message + 1..]);
        let count = |reason| changes.ignored.of(reason) + rest.ignored.of(reason);
        let tombstones = messages.iter().filter(|message| message.payload.is_none()).count();
        assert_eq!(count(Ignored::Tombstone), tombstones, "{prefix}");
        let is_transaction = |message: &&Message| message.topic.ends_with(".transaction");
        let transactions = messages.iter().filter(is_transaction).count();
        assert_eq!(count(Ignored::Transaction), transactions, "{prefix}");
        assert!(changes.undecodable.is_empty() && rest.undecodable.is_empty());
    }
}

#[test]
fn a_compound_key_and_a_column_added_later_are_read() {
    for (messages, decoder, prefix) in captures() {
        let steps = steps(&decoder, &messages, &format!("{prefix}.lab.ckey"));
        let of = |a: i128, b: &'static str, c: i128| {
            vec![("a", V::Int(a)), ("b", V::Text(b)), ("c", V::Int(c))]
        };
        let expected = [of(1, "k", 10), of(1, "k", 11), of(2, "k2", 20)];
        assert_eq!(steps.len(), expected.len());
        for (step, expected) in steps.iter().zip(&expected) {
            assert_eq!(row(step).differences(expected), [""; 0]);
        }
    }
}

#[test]
fn a_keyless_table_has_tombstones_without_a_key_and_is_foreign() {
    for (messages, decoder, prefix) in captures() {
        let name = format!("{prefix}.lab.nokey");
        let of_topic: Vec<Message> =
            messages.into_iter().filter(|message| *message.topic == *name).collect();
        let changes = decoder.decode(&of_topic);
        assert_eq!((changes.foreign, changes.ignored.of(Ignored::Tombstone)), (5, 1));
    }
}

#[test]
fn the_other_topics_of_the_producer_hold_no_change() {
    let heartbeats = messages("heartbeat.jsonl.gz");
    for (mut messages, _, prefix) in captures() {
        messages.retain(|m| !m.topic.contains(".lab."));
        messages.extend(heartbeats.clone());
        // Even where the plan's pattern takes them for topics of tables.
        let format =
            if prefix == "m_sch" { FormatName::DebeziumSchema } else { FormatName::Debezium };
        let names = [prefix.to_owned(), format!("{prefix}.transaction")];
        let mut topics = names.map(|name| topic(&name, format, "")).to_vec();
        topics.push(topic("__debezium-heartbeat.m_raw", FormatName::Debezium, ""));
        let decoder = Decoder::with_topics(&[all_types()], topics, 0).unwrap();
        let changes = decoder.decode(&messages);
        assert!(changes.undecodable.is_empty(), "{:?}", changes.undecodable);
        assert_eq!(changes.ignored.total(), messages.len());
        assert_eq!(changes.ignored.of(Ignored::SchemaChange), 14);
        assert_eq!(changes.ignored.of(Ignored::Heartbeat), 2);
    }
}

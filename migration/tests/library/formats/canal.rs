//! Shapes of Canal's flat messages and TiCDC's.

use crate::formats::capture::table;
use crate::formats::items::{changes, decode, decoder, decoder_of, effects, id, message, refused};
use migration::decode::{ColumnTraits, Decoder, Flaw, FormatName as F, Ignored, Versions};
use migration::protocol::Effect;
use migration::value::{ColumnType as T, Value as V};

fn canal() -> Decoder {
    decoder(F::Canal, "", Versions::Queue)
}

fn flat(kind: &str, data: &str, old: &str, more: &str) -> String {
    format!(
        r#"{{"id":3,"database":"shop","table":"items","pkNames":["id"],"isDdl":false,
            "type":"{kind}","es":5000,"ts":6000,"sql":"","sqlType":{{"id":-5}},
            "mysqlType":{{"id":"bigint(20)"}},"data":{data},"old":{old}{more}}}"#
    )
}

fn row(id: u32, name: &str) -> String {
    format!(r#"{{"id":"{id}","name":"{name}","price":"1.50"}}"#)
}

#[test]
fn one_message_holds_many_rows_each_with_a_version_of_its_own() {
    let data = format!("[{},{},{}]", row(1, "a"), row(2, "b"), row(3, "c"));
    let found = changes(&canal(), &message(None, Some(&flat("INSERT", &data, "null", ""))));
    let expected = [(Effect::Set, id(1), 0), (Effect::Set, id(2), 2), (Effect::Set, id(3), 4)];
    assert_eq!(effects(&found), expected);
    assert!(found.is_sorted_by(|a, b| a.version < b.version));
}

#[test]
fn a_bad_row_is_a_dead_letter_of_its_own_and_the_others_are_applied() {
    let data =
        format!(r#"[{},{{"id":"2","name":"b","price":"dear"}},{}]"#, row(1, "a"), row(3, "c"));
    let decoded = decode(&canal(), &message(None, Some(&flat("INSERT", &data, "null", ""))));
    let [bad] = decoded.undecodable.as_slice() else { panic!("{decoded:?}") };
    assert_eq!((bad.index, &bad.record), (2, &Some((0, id(2)))));
    let expected = [(Effect::Set, id(1), 0), (Effect::Set, id(3), 4)];
    assert_eq!(effects(&decoded.tables[0].changes), expected);
}

#[test]
fn of_two_changes_of_one_record_in_a_message_the_last_remains_and_both_can_be_replayed() {
    let data = format!("[{},{}]", row(1, "a"), row(1, "b"));
    let decoder = canal();
    let text = message(None, Some(&flat("UPDATE", &data, r#"[{"name":"x"},{"name":"a"}]"#, "")));
    let found = changes(&decoder, &text);
    assert_eq!(effects(&found), [(Effect::Set, id(1), 2)]);
    for index in [0, 2] {
        let (table, change) = decoder.decode_one(&text, index).unwrap();
        assert_eq!((table, change.index), (0, index));
    }
    assert!(decoder.decode_one(&text, 1).is_none());
}

#[test]
fn a_delete_has_the_row_before_in_its_data() {
    let text = flat("DELETE", &format!("[{}]", row(1, "a")), "null", "");
    let found = changes(&canal(), &message(None, Some(&text)));
    assert_eq!(effects(&found), [(Effect::Delete, id(1), 0)]);
}

#[test]
fn old_names_more_than_what_changed_and_only_a_key_that_differs_counts() {
    // The key changed in the first row; in the second it is only named on.
    let data = format!("[{},{}]", row(2, "a"), row(3, "b"));
    let old = r#"[{"id":"1"},{"id":"3","name":"x"}]"#;
    let found = changes(&canal(), &message(None, Some(&flat("UPDATE", &data, old, ""))));
    let expected = [(Effect::Delete, id(1), 0), (Effect::Set, id(2), 1), (Effect::Set, id(3), 2)];
    assert_eq!(effects(&found), expected);
    // TiCDC names every column.
    let old = format!("[{}]", row(1, "x"));
    let text = flat("UPDATE", &format!("[{}]", row(1, "a")), &old, "");
    let found = changes(&canal(), &message(None, Some(&text)));
    assert_eq!(effects(&found), [(Effect::Set, id(1), 0)]);
}

#[test]
fn old_that_is_out_of_step_matters_only_where_a_key_is_in_it() {
    let data = format!("[{},{}]", row(1, "a"), row(2, "b"));
    let text = flat("UPDATE", &data, r#"[{"name":"x"}]"#, "");
    let found = changes(&canal(), &message(None, Some(&text)));
    assert_eq!(effects(&found), [(Effect::Set, id(1), 0), (Effect::Set, id(2), 2)]);
    let text = flat("UPDATE", &data, r#"[{"id":"9"}]"#, "");
    let decoded = decode(&canal(), &message(None, Some(&text)));
    assert_eq!(decoded.undecodable.len(), 2);
    assert!(decoded.undecodable.iter().all(|found| found.record.is_none()));
}

#[test]
fn every_value_is_text_whatever_its_column() {
    let mysql = ColumnTraits::mysql;
    let columns = [
        ("id", T::Unsigned, mysql("bigint(20) unsigned")),
        ("t1", T::Bool, mysql("tinyint(1)")),
        ("d", T::Decimal, mysql("decimal(65,30)")),
        ("f", T::Float64, mysql("double")),
        ("b", T::Unsigned, mysql("bit(10)")),
        ("bl", T::Bytes, mysql("blob")),
        ("bin", T::Bytes, mysql("binary(3)")),
        ("dt", T::Date, mysql("date")),
        ("tm", T::Time, mysql("time(6)")),
        ("dtm", T::Timestamp, mysql("datetime(6)")),
        ("ts", T::TimestampTz, mysql("timestamp")),
        ("y", T::Int, mysql("year(4)")),
        ("en", T::Text, mysql("enum('a','b')")),
        ("st", T::Text, mysql("set('x','y','z')")),
        ("js", T::Json, mysql("json")),
        ("n", T::Text, mysql("varchar(9)")),
    ];
    let items = table("items", &["id"], &columns);
    let options = "utc_offset = \"+08:00\"";
    let decoder = decoder_of(&[items], F::Canal, options, Versions::Queue, None);
    let data = r#"[{"id":"18446744073709551615","t1":"1","d":"1.500000000000000000000000000000",
        "f":"2.2250738585072014E-308","b":"513","bl":"\u0000ÿ\u0026","bin":"\u0001",
        "dt":"2026-02-28","tm":"-838:59:59.000001","dtm":"2026-02-28 23:59:59.123456",
        "ts":"1970-01-01 08:00:01","y":"2026","en":"2","st":"5","js":"{\"a\":1}","n":null}]"#;
    let decoded = decode(&decoder, &message(None, Some(&flat("INSERT", data, "null", ""))));
    assert!(decoded.undecodable.is_empty(), "{:?}", decoded.undecodable);
    let values: Vec<V<'_>> = decoded.tables[0].records.row(0).values().collect();
    let expected = [
        V::Int(u64::MAX.into()),
        V::Bool(true),
        V::Decimal("1.500000000000000000000000000000"),
        V::Float64(2.225_073_858_507_201_4e-308),
        V::Int(513),
        V::Bytes(&[0, 0xff, 0x26]),
        V::Bytes(&[1, 0, 0]),
        V::Date(20_512),
        V::Time(-3_020_399_000_001),
        V::Timestamp(1_772_323_199_123_456),
        V::TimestampTz(1_000_000),
        V::Int(2026),
        V::Text("b"),
        V::Text("x,z"),
        V::Json("{\"a\":1}"),
        V::Null,
    ];
    assert_eq!(values, expected);
}

#[test]
fn a_value_that_is_no_text_is_refused() {
    let text = flat("INSERT", r#"[{"id":1,"name":"a","price":"1.50"}]"#, "null", "");
    assert!(!refused(&canal(), &message(None, Some(&text))).1);
    let text = flat("INSERT", r#"[{"id":"1","name":"漢","price":"1.50"}]"#, "null", "");
    let bytes =
        [("id", T::Int, ColumnTraits::default()), ("name", T::Bytes, ColumnTraits::mysql("blob"))];
    let decoder =
        decoder_of(&[table("items", &["id"], &bytes)], F::Canal, "", Versions::Queue, None);
    assert!(refused(&decoder, &message(None, Some(&text))).1);
}

#[test]
fn statements_are_ignored_but_for_one_that_empties_a_table() {
    for kind in ["CREATE", "ALTER", "ERASE", "QUERY", "RENAME", "CINDEX"] {
        let text = flat(kind, "null", "null", "").replace("\"isDdl\":false", "\"isDdl\":true");
        let decoded = decode(&canal(), &message(None, Some(&text)));
        assert_eq!(decoded.ignored.of(Ignored::SchemaChange), 1, "{kind}");
    }
    let text = flat("TRUNCATE", "null", "null", "").replace("\"isDdl\":false", "\"isDdl\":true");
    assert!(decode(&canal(), &message(None, Some(&text))).stop.is_some());
    let of_other = text.replace("\"items\"", "\"others\"");
    assert!(decode(&canal(), &message(None, Some(&of_other))).stop.is_none());
}

#[test]
fn a_message_without_rows_is_a_dead_letter() {
    for (kind, data) in [("INSERT", "[]"), ("INSERT", "null"), ("QUERY", "null")] {
        let (why, _) = refused(&canal(), &message(None, Some(&flat(kind, data, "null", ""))));
        assert!(why.contains("no rows"), "{why}");
    }
    let text = flat("MERGE", &format!("[{}]", row(1, "a")), "null", "");
    let (why, has_key) = refused(&canal(), &message(None, Some(&text)));
    assert!(why.contains("MERGE") && has_key, "{why}");
}

#[test]
fn ticdc_gives_versions_and_watermarks() {
    let decoder = decoder(F::Canal, "", Versions::Source);
    let of = |ts: &str| {
        let more = format!(r#","_tidb":{{"commitTs":{ts}}}"#);
        let text = flat("INSERT", &format!("[{}]", row(1, "a")), "null", &more);
        changes(&decoder, &message(None, Some(&text)))[0].version
    };
    assert!(of("429918007904436226") < of("429918007904436227"));
    assert!(of("99") < of("100"));
    let watermark = flat("TIDB_WATERMARK", "null", "null", r#","_tidb":{"watermarkTs":4}"#);
    let decoded = decode(&decoder, &message(None, Some(&watermark)));
    assert_eq!(decoded.ignored.of(Ignored::Watermark), 1);
    // Canal itself tells no position: only the plan can say that the queue has the order.
    let text = flat("INSERT", &format!("[{}]", row(1, "a")), "null", "");
    let (why, has_key) = refused(&decoder, &message(None, Some(&text)));
    assert!(why.contains("versions = \"queue\"") && has_key, "{why}");
}

#[test]
fn a_row_that_ticdc_left_out_is_incomplete_and_its_delete_is_not() {
    let decoder = decoder(F::Canal, "", Versions::Source);
    let more = r#","_tidb":{"commitTs":5,"onlyHandleKey":true}"#;
    let text = flat("UPDATE", r#"[{"id":"1"}]"#, "null", more);
    let decoded = decode(&decoder, &message(None, Some(&text)));
    assert_eq!(decoded.undecodable[0].flaw, Flaw::Incomplete);
    assert_eq!(decoded.undecodable[0].record, Some((0, id(1))));
    let text = flat("DELETE", r#"[{"id":"1"}]"#, "null", more);
    let found = changes(&decoder, &message(None, Some(&text)));
    assert_eq!(effects(&found), [(Effect::Delete, id(1), 0)]);
}

#[test]
fn time_is_in_milliseconds_and_another_database_is_foreign() {
    let text = flat("INSERT", &format!("[{}]", row(1, "a")), "null", "");
    let decoded = decode(&canal(), &message(None, Some(&text)));
    assert_eq!(decoded.oldest_made_at.unwrap().0, 5_000_000);
    let other = text.replace("\"items\"", "\"others\"");
    assert_eq!(decode(&canal(), &message(None, Some(&other))).foreign, 1);
}

//! Shapes of Maxwell's messages that the captures do not have.

use crate::formats::capture::table;
use crate::formats::items::{
    changes, decode, decoder, decoder_of, effects, id, message, refused, row,
};
use migration::decode::{ColumnTraits, Decoder, FormatName as F, Ignored, Versions};
use migration::protocol::Effect;
use migration::value::{ColumnType as T, Value as V};

fn maxwell() -> Decoder {
    decoder(F::Maxwell, "", Versions::Source)
}

fn line(kind: &str, place: &str, data: &str) -> String {
    format!(
        r#"{{"database":"shop","table":"items","type":"{kind}","ts":1795222298,"xid":5,{place},
            "data":{data}}}"#
    )
}

const ROW: &str = r#"{"id":1,"name":"a","price":1.50}"#;
const PLACE: &str = r#""commit":true,"position":"bin.000002:100""#;

#[test]
fn rows_of_one_position_are_in_the_order_of_their_offsets_and_the_commit_is_last() {
    let decoder = maxwell();
    let of = |place: &str| {
        changes(&decoder, &message(None, Some(&line("insert", place, ROW))))[0].version
    };
    let ordered = [
        of(r#""commit":true,"position":"bin.000002:99""#),
        of(r#""xoffset":0,"position":"bin.000002:100""#),
        of(r#""xoffset":1,"position":"bin.000002:100""#),
        of(r#""xoffset":10,"position":"bin.000002:100""#),
        of(PLACE),
        of(r#""xoffset":0,"position":"bin.000010:4""#),
    ];
    assert!(ordered.is_sorted_by(|a, b| a < b));
}

#[test]
fn without_a_position_only_the_plan_can_tell_the_order() {
    let text = line("insert", r#""commit":true"#, ROW);
    let (why, has_key) = refused(&maxwell(), &message(None, Some(&text)));
    assert!(why.contains("versions = \"queue\"") && has_key, "{why}");
    let by_queue = decoder(F::Maxwell, "", Versions::Queue);
    assert_eq!(changes(&by_queue, &message(None, Some(&text))).len(), 1);
}

#[test]
fn columns_that_lack_are_null_where_the_producer_leaves_nulls_out() {
    let text = line("insert", PLACE, r#"{"id":1,"name":"a"}"#);
    let left_out = decoder(F::Maxwell, "nulls_left_out = true", Versions::Source);
    assert_eq!(row(&left_out, &message(None, Some(&text)))[2], "Null");
    assert!(refused(&maxwell(), &message(None, Some(&text))).0.contains("column price"));
}

#[test]
fn the_bootstrap_fills_in_and_its_marks_are_ignored() {
    let decoder = maxwell();
    let read = line("bootstrap-insert", r#""commit":true"#, ROW);
    let read = changes(&decoder, &message(None, Some(&read)));
    let update = line("update", PLACE, &format!("{ROW},\"old\":{{\"name\":\"b\"}}"));
    let live = changes(&decoder, &message(None, Some(&update)))[0].version;
    assert!(read[0].version < live);
    for mark in ["bootstrap-start", "bootstrap-complete"] {
        let text = line(mark, r#""commit":true"#, "{}");
        assert_eq!(
            decode(&decoder, &message(None, Some(&text))).ignored.of(Ignored::SnapshotMark),
            1
        );
    }
    for statement in
        ["table-create", "table-alter", "table-drop", "database-create", "database-drop"]
    {
        let text =
            format!(r#"{{"type":"{statement}","database":"shop","table":"items","sql":"x"}}"#);
        let decoded = decode(&decoder, &message(None, Some(&text)));
        assert_eq!(decoded.ignored.of(Ignored::SchemaChange), 1);
    }
}

#[test]
fn a_key_column_among_the_old_values_is_a_key_change_even_in_a_compound_key() {
    let int = || ColumnTraits::mysql("int(11)");
    let items = table("items", &["a", "b"], &[("a", T::Int, int()), ("b", T::Int, int())]);
    let decoder = decoder_of(&[items], F::Maxwell, "", Versions::Source, None);
    let text = line("update", PLACE, r#"{"a":1,"b":2},"old":{"b":9}"#);
    let found = changes(&decoder, &message(None, Some(&text)));
    let key = |a: i128, b: i128| migration::key::Key::new([V::Int(a), V::Int(b)]).unwrap();
    assert_eq!(effects(&found), [(Effect::Delete, key(1, 9), 0), (Effect::Set, key(1, 2), 1)]);
}

#[test]
fn unknown_types_and_missing_data_are_dead_letters() {
    let (why, has_key) = refused(&maxwell(), &message(None, Some(&line("merge", PLACE, ROW))));
    assert!(why.contains("merge") && has_key, "{why}");
    let text = format!(r#"{{"database":"shop","table":"items","type":"insert",{PLACE}}}"#);
    assert!(!refused(&maxwell(), &message(None, Some(&text))).1);
    let deleted = changes(&maxwell(), &message(None, Some(&line("delete", PLACE, ROW))));
    assert_eq!(effects(&deleted), [(Effect::Delete, id(1), 0)]);
}

#[test]
fn sets_bits_and_moments_have_forms_of_their_own() {
    let mysql = ColumnTraits::mysql;
    let columns = [
        ("id", T::Int, mysql("int(11)")),
        ("st", T::Text, mysql("set('x','y','z')")),
        ("b", T::Unsigned, mysql("bit(64)")),
        ("ts", T::TimestampTz, mysql("timestamp(3)")),
        ("bin", T::Bytes, mysql("binary(3)")),
    ];
    let items = table("items", &["id"], &columns);
    let options = "utc_offset = \"-03:30\"";
    let decoder = decoder_of(&[items], F::Maxwell, options, Versions::Source, None);
    let data = r#"{"id":1,"st":["x","z"],"b":18446744073709551615,"ts":"1970-01-01 00:00:00.5","bin":"AQ=="}"#;
    let decoded = decode(&decoder, &message(None, Some(&line("insert", PLACE, data))));
    assert!(decoded.undecodable.is_empty(), "{:?}", decoded.undecodable);
    let values: Vec<V<'_>> = decoded.tables[0].records.row(0).values().skip(1).collect();
    let expected = [
        V::Text("x,z"),
        V::Int(u64::MAX.into()),
        V::TimestampTz(12_600_500_000),
        V::Bytes(&[1, 0, 0]),
    ];
    assert_eq!(values, expected);
}

//! Shapes of Debezium's flattened rows: every way of writing a delete.

use crate::formats::items::{
    changes, decode, decoder_of, effects, id, items, message, refused, with_header,
};
use migration::decode::{
    Course, Decoder, Format, FormatName as F, FormatOptions, Ignored, Versions,
};
use migration::error::ErrorKind;
use migration::protocol::Effect;

const KEY: Option<&str> = Some(r#"{"id":1}"#);
const ROW: &str = r#"{"id":1,"name":"a","price":"AeJA"}"#;

fn flattened(options: &str) -> Decoder {
    decoder_of(&[items()], F::DebeziumFlattened, options, Versions::Queue, Some("items"))
}

/// The row with more fields.
fn with(fields: &str) -> String {
    ROW.replace('}', &format!(",{fields}}}"))
}

#[test]
fn a_row_is_an_upsert() {
    for value in
        [ROW.to_owned(), with(r#""__op":"u","__deleted":"false""#), with(r#""__deleted":false"#)]
    {
        let found = changes(&flattened(""), &message(KEY, Some(&value)));
        assert_eq!(effects(&found), [(Effect::Set, id(1), 0)]);
    }
}

#[test]
fn a_null_value_is_what_the_mode_says() {
    let null = message(KEY, None);
    for mode in ["deletes = \"tombstone\"", "", "deletes = \"delete-to-tombstone\""] {
        let found = changes(&flattened(mode), &null);
        assert_eq!(effects(&found), [(Effect::Delete, id(1), 0)], "{mode}");
    }
    let both = flattened("deletes = \"rewrite-with-tombstone\"");
    assert_eq!(decode(&both, &null).ignored.of(Ignored::Tombstone), 1);
    // The connector does not do what the plan says.
    let (why, _) = refused(&flattened("deletes = \"rewrite\""), &null);
    assert!(why.contains("delete.tombstone.handling.mode"), "{why}");
}

#[test]
fn a_null_value_without_a_key_is_refused() {
    assert!(!refused(&flattened(""), &message(None, None)).1);
}

#[test]
fn a_rewritten_delete_is_a_delete_whatever_the_row_holds() {
    for mode in ["rewrite", "rewrite-with-tombstone"] {
        let decoder = flattened(&format!("deletes = \"{mode}\""));
        for deleted in [r#""__deleted":"true""#, r#""__deleted":true"#, r#""__op":"d""#] {
            let value = format!(r#"{{"id":1,"name":null,"price":null,{deleted}}}"#);
            let found = changes(&decoder, &message(KEY, Some(&value)));
            assert_eq!(effects(&found), [(Effect::Delete, id(1), 0)], "{deleted}");
        }
    }
}

#[test]
fn deletes_that_are_dropped_are_refused_in_the_plan() {
    let options: FormatOptions = toml::from_str("deletes = \"drop\"").unwrap();
    let error = Format::resolve(F::DebeziumFlattened, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert!(error.next_step().unwrap().contains("rewrite"));
}

#[test]
fn the_prefix_of_added_fields_is_the_plans() {
    let decoder = flattened("prefix = \"cdc.\"\ndeletes = \"rewrite\"");
    let found = changes(&decoder, &message(KEY, Some(&with(r#""cdc.deleted":"true""#))));
    assert_eq!(effects(&found), [(Effect::Delete, id(1), 0)]);
    // A column of that name is a column.
    let found = changes(&decoder, &message(KEY, Some(&with(r#""__deleted":"true""#))));
    assert_eq!(effects(&found), [(Effect::Set, id(1), 0)]);
}

#[test]
fn log_positions_are_taken_from_added_fields_and_headers() {
    let options = "deletes = \"delete-to-tombstone\"";
    let decoder =
        decoder_of(&[items()], F::DebeziumFlattened, options, Versions::Source, Some("items"));
    let of = |fields: &str| changes(&decoder, &message(KEY, Some(&with(fields))))[0].version;
    let first = of(r#""__file":"bin.000001","__pos":900,"__row":0"#);
    let second = of(r#""__source_file":"bin.000002","__source_pos":4,"__source_row":0"#);
    assert!(first < second);
    let tombstone = with_header(message(KEY, None), "__file", "bin.000002");
    let tombstone = with_header(tombstone, "__pos", "900");
    let third = changes(&decoder, &tombstone);
    assert_eq!(effects(&third), [(Effect::Delete, id(1), 0)]);
    assert!(second < third[0].version);
    let early = of(r#""__sequence":"[\"60\",\"90\"]""#);
    let late = of(r#""__source_sequence":"[\"95\",\"80\"]""#);
    assert!(early < late);
    // An LSN alone is write order.
    let (why, has_key) = refused(&decoder, &message(KEY, Some(&with(r#""__lsn":5"#))));
    assert!(why.contains("commit order") && has_key, "{why}");
    // A null value without headers has no place in the commit order: the plan is refused.
    let format = Format::resolve(F::DebeziumFlattened, &FormatOptions::default()).unwrap();
    let error = format.check_versions(Versions::Source).unwrap_err();
    assert!(error.next_step().unwrap().contains("versions = \"queue\""));
}

/// Each message with what it adds to the row: a place that goes back, and a later moment of a
/// clock.
#[test]
fn only_the_sources_own_clock_tells_that_its_log_began_anew() {
    let options = "deletes = \"delete-to-tombstone\"";
    let decoder =
        decoder_of(&[items()], F::DebeziumFlattened, options, Versions::Source, Some("items"));
    let far = i64::MAX / 2_000;
    for (clock, op, stops) in [
        ("__source_ts_ms", "u", true),
        ("__ts_ms", "u", false),
        // What is read and does not say in what kind of snapshot.
        ("__source_ts_ms", "r", false),
    ] {
        let mut course = Course::default();
        let mut stopped = |place: &str, op: &str, moment: i64| {
            let added = with(&format!(r#"{place},"__op":"{op}","{clock}":{moment}"#));
            let changes = decoder.decode_following(&[message(KEY, Some(&added))], &mut course);
            changes.stop.is_some()
        };
        assert!(!stopped(r#""__file":"bin.000900","__pos":4,"__row":0"#, "u", far));
        let back = stopped(r#""__file":"bin.000012","__pos":4,"__row":0"#, op, far + 1);
        assert_eq!(back, stops, "{clock} {op}");
    }
}

#[test]
fn the_table_may_be_told_by_an_added_field() {
    let decoder = decoder_of(&[items()], F::DebeziumFlattened, "", Versions::Queue, None);
    let found = changes(&decoder, &message(KEY, Some(&with(r#""__table":"items""#))));
    assert_eq!(found.len(), 1);
    let other = message(KEY, Some(&with(r#""__table":"others""#)));
    assert_eq!(decode(&decoder, &other).foreign, 1);
    assert!(refused(&decoder, &message(KEY, Some(ROW))).0.contains("`table`"));
}

#[test]
fn an_update_without_the_plans_key_beside_the_row_is_refused() {
    let keyless = message(None, Some(&with(r#""__op":"u""#)));
    let (why, has_key) = refused(&flattened(""), &keyless);
    assert!(why.contains("key before") && !has_key, "{why}");
    let insert = message(None, Some(&with(r#""__op":"c""#)));
    assert_eq!(changes(&flattened(""), &insert).len(), 1);
}

#[test]
fn both_halves_of_a_key_change_are_known_by_their_headers() {
    let insert = message(KEY, Some(&with(r#""__op":"c""#)));
    let insert = with_header(insert, "__debezium.oldkey", r#"{"id":2}"#);
    assert_eq!(effects(&changes(&flattened(""), &insert)), [(Effect::Set, id(1), 1)]);
}

#[test]
fn rows_with_their_schema_are_read_by_it() {
    let decoder =
        decoder_of(&[items()], F::DebeziumFlattenedSchema, "", Versions::Queue, Some("items"));
    let wrap = |payload: &str| {
        format!(
            r#"{{"schema":{{"type":"struct","fields":[{{"type":"string","field":"price"}}]}},
                "payload":{payload}}}"#
        )
    };
    let key = wrap(r#"{"id":1}"#);
    let value = wrap(r#"{"id":1,"name":"a","price":"12.5"}"#);
    let found = crate::formats::items::row(&decoder, &message(Some(&key), Some(&value)));
    assert_eq!(found[2], "Decimal(\"12.50\")");
}

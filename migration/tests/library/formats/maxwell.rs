//! Maxwell 1.22 on MariaDB 10.11.

use crate::formats::capture::{failures, micros, row, steps, table, topic, values};
use crate::formats::mariadb::{ckey, first_row, with};
use migration::decode::{ColumnTraits, Decoder, FormatName, Ignored, SourceTable};
use migration::key::Key;
use migration::protocol::Effect;
use migration::value::{ColumnType as T, Value as V};

/// `all_types` without the columns that Maxwell writes in a form that tells too little: shapes as
/// text without their SRID, and `uuid` not at all. Zero dates are another test's.
fn all_types(without: &[&str]) -> SourceTable {
    let all = crate::formats::mariadb::all_types();
    let schema = all.layout.source();
    let columns: Vec<(&str, T, ColumnTraits)> = schema
        .columns
        .iter()
        .zip(&all.traits)
        .map(|(column, traits)| (column.name.as_str(), column.column_type, traits.clone()))
        .filter(|(name, ..)| !without.contains(name))
        .collect();
    table("all_types", &["id"], &columns)
}

fn decoder(tables: &[SourceTable]) -> Decoder {
    Decoder::with_topics(tables, vec![topic("mx", FormatName::Maxwell, "")], 0).unwrap()
}

fn id(number: i128) -> Key {
    Key::new([V::Int(number)]).unwrap()
}

#[test]
fn every_type_is_what_the_statements_wrote_but_for_what_maxwell_loses() {
    let messages = values("maxwell.jsonl.gz", "mx");
    let decoder = decoder(&[all_types(&["g", "uu", "dt0", "dtm0"])]);
    // Messages 3 (the key changes) is two changes; it has a test of its own.
    let steps = steps(&decoder, &messages[..3], "mx");
    let mut expected = first_row();
    expected.retain(|(name, _)| !["g", "uu", "dt0", "dtm0"].contains(name));
    let lost = [
        // A time beyond a day, or negative, is taken for a time of day.
        ("tm", V::Time((17 * 3600 + 4 * 60 + 5) * 1_000_000)),
        // Fractions of a second are dropped.
        ("tm6", V::Time((12 * 3600 + 34 * 60 + 56) * 1_000_000)),
        ("dtm3", V::Timestamp(micros("2026-02-28T23:59:59Z"))),
        ("dtm6", V::Timestamp(micros("2026-02-28T23:59:59Z"))),
        ("ts6", V::TimestampTz(micros("2026-02-28T23:59:59Z"))),
        // Latin-1 beyond ASCII is broken.
        ("l1", V::Text("cafu00e9")),
    ];
    assert_eq!(row(&steps[0]).differences(&with(expected, &lost)), [""; 0]);
    assert_eq!(row(&steps[1]).differences(&[("id", V::Int(2))]), [""; 0]);
    let updated = [
        ("id", V::Int(2)),
        ("v", V::Text("upd")),
        ("bu", V::Int(9_223_372_036_854_775_808)),
        ("dec1", V::Decimal("-0.00001")),
        ("js", V::Json(r#"{"z":1}"#)),
    ];
    assert_eq!(row(&steps[2]).differences(&updated), [""; 0]);
}

#[test]
fn a_key_among_the_old_values_is_a_delete_and_an_upsert() {
    let messages = values("maxwell.jsonl.gz", "mx");
    let decoder = decoder(&[all_types(&["g", "uu", "dt0", "dtm0"])]);
    let changes = decoder.decode(&messages[3..4]);
    let [delete, upsert] = changes.tables[0].changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((delete.effect, delete.index, &delete.key), (Effect::Delete, 0, &id(2)));
    assert_eq!((upsert.effect, upsert.index, &upsert.key), (Effect::Set, 1, &id(3)));
    assert!(delete.version < upsert.version);
    let deleted = steps(&decoder, &messages[4..5], "mx");
    assert_eq!((deleted[0].effect, &deleted[0].key), (Effect::Delete, &id(3)));
    assert!(upsert.version < deleted[0].version);
}

#[test]
fn zero_dates_shapes_and_left_out_columns_are_refused_by_name() {
    let messages = values("maxwell.jsonl.gz", "mx");
    for (kept, why) in
        [("dt0", "zero date"), ("dtm0", "zero date"), ("g", "SRID"), ("uu", "missing")]
    {
        let mut without = vec!["g", "uu", "dt0", "dtm0"];
        without.retain(|name| *name != kept);
        let failures = failures(&decoder(&[all_types(&without)]), &messages[..1]);
        assert!(failures[0].contains(why) && failures[0].contains(kept), "{failures:?}");
    }
}

#[test]
fn rows_of_one_transaction_are_in_order_and_statements_are_ignored() {
    let messages = values("maxwell.jsonl.gz", "mx");
    let decoder = decoder(&[ckey()]);
    let steps = steps(&decoder, &messages, "mx");
    let of = |a: i128, b: &'static str, c: i128| {
        vec![("a", V::Int(a)), ("b", V::Text(b)), ("c", V::Int(c))]
    };
    let expected = [of(1, "k", 10), of(1, "k", 11), of(2, "k2", 20)];
    assert_eq!(steps.len(), expected.len());
    for (step, expected) in steps.iter().zip(&expected) {
        assert_eq!(row(step).differences(expected), [""; 0]);
    }
    assert!(steps.is_sorted_by(|a, b| a.version < b.version));
    let changes = decoder.decode(&messages);
    assert_eq!(changes.ignored.of(Ignored::SchemaChange), 2);
    assert_eq!((changes.undecodable.len(), changes.compacted), (0, 1));
    assert!(changes.stop.is_none(), "Maxwell does not send a truncate");
    // Its clock is in seconds.
    assert_eq!(changes.oldest_made_at.unwrap().0, 1_795_222_298_000_000);
}

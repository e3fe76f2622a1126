//! JSON as applications write it, read by a mapping from the plan; and payloads of an outbox.

use crate::formats::items::{
    changes, decode, decoder_of, effects, id, items, message, refused, row, with_header,
};
use migration::decode::{Decoder, Format, FormatName as F, FormatOptions, Ignored, Versions};
use migration::error::ErrorKind;
use migration::protocol::Effect;

const ROW: &str = r#"{"id":1,"name":"a","price":"1.50"}"#;

fn plain(options: &str) -> Decoder {
    decoder_of(&[items()], F::Plain, options, Versions::Queue, Some("items"))
}

fn resolve(name: F, options: &str) -> migration::error::Result<Format> {
    Format::resolve(name, &toml::from_str::<FormatOptions>(options).unwrap())
}

#[test]
fn a_row_alone_is_an_upsert_and_a_null_value_is_what_the_plan_says() {
    assert_eq!(row(&plain(""), &message(None, Some(ROW))).len(), 3);
    assert!(refused(&plain(""), &message(None, None)).0.contains("null_value"));
    let ignoring = plain("null_value = \"ignore\"");
    assert_eq!(decode(&ignoring, &message(None, None)).ignored.of(Ignored::Tombstone), 1);
    for (key, wire) in [("json", r#"{"id":1}"#), ("json", "1"), ("text", "1")] {
        let decoder = plain(&format!("null_value = \"delete\"\nkey = \"{key}\""));
        let found = changes(&decoder, &message(Some(wire), None));
        assert_eq!(effects(&found), [(Effect::Delete, id(1), 0)], "{key} {wire}");
    }
    let text = plain("null_value = \"delete\"\nkey = \"text\"");
    assert!(!refused(&text, &message(Some("one"), None)).1);
    assert!(!refused(&text, &message(None, None)).1);
}

#[test]
fn key_columns_may_stand_beside_the_row_alone() {
    let decoder = plain("key = \"text\"");
    let text = message(Some("7"), Some(r#"{"name":"a","price":"1.50"}"#));
    assert_eq!(row(&decoder, &text)[0], "Int(7)");
}

#[test]
fn words_in_a_field_or_a_header_say_what_a_message_does() {
    let words = "upsert = [\"made\", \"2\"], delete = [\"gone\"], ignore = [\"seen\"], \
                 truncate = [\"emptied\"]";
    let by_field = plain(&format!("row_field = \"row\"\nop = {{ field = \"what\", {words} }}"));
    let by_header = plain(&format!("row_field = \"row\"\nop = {{ header = \"what\", {words} }}"));
    let in_field = |word: &str| message(None, Some(&format!(r#"{{"what":{word},"row":{ROW}}}"#)));
    let in_header = |word: &str| {
        let text = message(None, Some(&format!(r#"{{"row":{ROW}}}"#)));
        with_header(text, "what", word.trim_matches('"'))
    };
    for (decoder, message) in [
        (&by_field, &in_field as &dyn Fn(&str) -> migration::queue::Message),
        (&by_header, &in_header),
    ] {
        for word in ["\"made\"", "2"] {
            let found = changes(decoder, &message(word));
            assert_eq!(effects(&found), [(Effect::Set, id(1), 0)]);
        }
        let found = changes(decoder, &message("\"gone\""));
        assert_eq!(effects(&found), [(Effect::Delete, id(1), 0)]);
        assert_eq!(decode(decoder, &message("\"seen\"")).ignored.of(Ignored::Event), 1);
        assert!(decode(decoder, &message("\"emptied\"")).stop.is_some());
        let (why, has_key) = refused(decoder, &message("\"odd\""));
        assert!(why.contains("odd") && has_key, "{why}");
    }
    let missing = message(None, Some(&format!(r#"{{"row":{ROW}}}"#)));
    assert!(refused(&by_field, &missing).0.contains("(none)"));
    assert!(!refused(&by_field, &in_field("{}")).1);
}

#[test]
fn a_row_before_shows_a_change_of_the_key() {
    let decoder = plain("row_field = \"now\"\nbefore_field = \"was\"");
    let was = ROW.replace("\"id\":1", "\"id\":9");
    let text = format!(r#"{{"now":{ROW},"was":{was}}}"#);
    let found = changes(&decoder, &message(None, Some(&text)));
    assert_eq!(effects(&found), [(Effect::Delete, id(9), 0), (Effect::Set, id(1), 1)]);
    let text = format!(r#"{{"now":{ROW},"was":null}}"#);
    assert_eq!(changes(&decoder, &message(None, Some(&text))).len(), 1);
    assert!(!refused(&decoder, &message(None, Some(r#"{"was":{}}"#))).1);
}

#[test]
fn the_table_may_stand_in_the_message() {
    for (options, text) in [
        ("table_field = \"of\"", message(None, Some(&ROW.replace('}', r#","of":"shop.items"}"#)))),
        ("table_header = \"of\"", with_header(message(None, Some(ROW)), "of", "items")),
    ] {
        let decoder = decoder_of(&[items()], F::Plain, options, Versions::Queue, None);
        assert_eq!(changes(&decoder, &text).len(), 1, "{options}");
        assert!(refused(&decoder, &message(None, Some(ROW))).0.contains("names no table"));
    }
}

#[test]
fn a_number_that_grows_with_every_commit_is_a_version() {
    let options = "version_field = \"rev\"\nmade_at_ms_field = \"at\"";
    let decoder = decoder_of(&[items()], F::Plain, options, Versions::Source, Some("items"));
    let of = |rev: &str| {
        let text = ROW.replace('}', &format!(r#","rev":{rev},"at":5}}"#));
        let decoded = decode(&decoder, &message(None, Some(&text)));
        assert_eq!(decoded.oldest_made_at.unwrap().0, 5_000);
        decoded.tables[0].changes[0].version
    };
    assert!(of("9") < of("10") && of("\"10\"") < of("11"));
    assert!(refused(&decoder, &message(None, Some(ROW))).1);
    assert!(resolve(F::Plain, "").unwrap().check_versions(Versions::Source).is_err());
}

#[test]
fn rows_in_strings_and_other_units_are_read() {
    let quoted = serde_json::Value::from(ROW).to_string();
    assert_eq!(row(&plain("in_string = true"), &message(None, Some(&quoted))).len(), 3);
    let decoder = plain("in_string = true\nrow_field = \"row\"");
    let text = format!(r#"{{"row":{quoted}}}"#);
    assert_eq!(row(&decoder, &message(None, Some(&text))).len(), 3);
    assert!(refused(&plain("in_string = true"), &message(None, Some(ROW))).0.contains("in_string"));
    let decoder = plain("nulls_left_out = true");
    assert_eq!(row(&decoder, &message(None, Some(r#"{"id":1}"#)))[1], "Null");
}

#[test]
fn an_outbox_event_is_its_payload_double_decoded() {
    let events = |options: &str| {
        decoder_of(&[items()], F::DebeziumOutbox, options, Versions::Queue, Some("items"))
    };
    let words =
        "op = { header = \"eventType\", upsert = [\"ItemSaved\"], delete = [\"ItemGone\"] }";
    let quoted = serde_json::Value::from(ROW).to_string();
    let saved = with_header(message(Some("1"), Some(&quoted)), "eventType", "ItemSaved");
    assert_eq!(row(&events(words), &saved).len(), 3);
    let gone = with_header(message(Some("1"), Some(&quoted)), "eventType", "ItemGone");
    let found = changes(&events(words), &gone);
    assert_eq!(effects(&found), [(Effect::Delete, id(1), 0)]);
    let options = format!("{words}\npayload_field = \"payload\"\nin_string = false");
    let text = format!(r#"{{"payload":{ROW},"tenant":"t"}}"#);
    let wrapped = with_header(message(Some("1"), Some(&text)), "eventType", "ItemSaved");
    assert_eq!(row(&events(&options), &wrapped).len(), 3);
    let lacking = with_header(message(Some("1"), Some("{}")), "eventType", "ItemSaved");
    assert!(refused(&events(&options), &lacking).0.contains("payload"));
    // An empty payload may be a tombstone.
    let options = "key = \"text\"\nnull_value = \"delete\"";
    let found = changes(&events(options), &message(Some("1"), None));
    assert_eq!(effects(&found), [(Effect::Delete, id(1), 0)]);
}

#[test]
fn options_that_cannot_work_are_refused_in_the_plan() {
    for (name, options, option) in [
        (F::Debezium, "deletes = \"rewrite\"", "deletes"),
        (F::Canal, "binary = \"hex\"", "binary"),
        (F::Plain, "decimals = \"string\"", "decimals"),
        (F::Maxwell, "utc_offset = \"8\"", "utc_offset"),
        (F::Maxwell, "utc_offset = \"+25:00\"", "utc_offset"),
        (F::Plain, "null_value = \"delete\"", "null_value"),
        (F::Plain, "op = { upsert = [\"a\"] }", "op"),
        (F::Plain, "op = { field = \"a\" }", "op"),
        (F::Plain, "op = { field = \"a\", header = \"b\", upsert = [\"a\"] }", "op"),
        (F::Plain, "op = { field = \"a\", upsert = [\"a\"], delete = [\"a\"] }", "op"),
    ] {
        let error = resolve(name, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Plan, "{options}");
        assert!(error.to_string().contains(&format!("option {option}")), "{error}");
    }
    assert!(toml::from_str::<FormatOptions>("decimal = \"string\"").is_err());
    assert!(toml::from_str::<FormatOptions>("time_precision = \"structured\"").is_err());
}

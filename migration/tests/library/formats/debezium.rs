//! Shapes of Debezium's envelope.

use crate::formats::capture::table;
use crate::formats::items::{
    TOPIC, changes, decode, decoder, decoder_of, effects, id, items, message, refused, row,
    with_header,
};
use migration::decode::{
    ColumnTraits, Decoder, Flaw, Format, FormatName as F, FormatOptions, Ignored, TopicFormat,
    Truncates, Versions,
};
use migration::error::ErrorKind;
use migration::key::Key;
use migration::position::Version;
use migration::protocol::Effect;
use migration::value::{ColumnType as T, Value as V};

const ROW: &str = r#"{"id":1,"name":"a","price":"AeJA"}"#;
const KEY: Option<&str> = Some(r#"{"id":1}"#);

fn mysql() -> Decoder {
    decoder(F::Debezium, "", Versions::Source)
}

fn topic() -> TopicFormat {
    TopicFormat {
        topic: TOPIC.to_owned(),
        format: Format::resolve(F::Debezium, &FormatOptions::default()).unwrap(),
        versions: Versions::Source,
        truncates: Truncates::Stop,
        table: None,
        database: None,
    }
}

/// An envelope of MySQL at a position.
fn envelope(op: &str, before: &str, after: &str, position: &str) -> String {
    format!(
        r#"{{"op":"{op}","before":{before},"after":{after},"source":{{"connector":"mysql",
            "table":"items","db":"shop","ts_ms":5,{position}}},"ts_ms":9}}"#
    )
}

fn at(file: u32, position: u32, row: u32) -> String {
    format!(r#""file":"bin.{file:06}","pos":{position},"row":{row}"#)
}

fn version(decoder: &Decoder, text: &str) -> Version {
    changes(decoder, &message(KEY, Some(text)))[0].version
}

#[test]
fn only_the_operation_is_required_where_the_queue_gives_the_order() {
    let bare = message(KEY, Some(&format!(r#"{{"op":"c","after":{ROW}}}"#)));
    let by_queue = decoder_of(&[items()], F::Debezium, "", Versions::Queue, Some("items"));
    assert_eq!(row(&by_queue, &bare), ["Int(1)", "Text(\"a\")", "Decimal(\"1234.56\")"]);
    let by_source = decoder_of(&[items()], F::Debezium, "", Versions::Source, Some("items"));
    let (why, has_key) = refused(&by_source, &bare);
    assert!(why.contains("versions = \"queue\"") && has_key, "{why}");
    // Nothing tells the table.
    assert!(refused(&mysql(), &bare).0.contains("`table`"));
}

#[test]
fn a_message_with_the_wrong_wrapping_says_which_format_to_write() {
    let bare = envelope("c", "null", ROW, &at(1, 4, 0));
    let wrapped = format!(r#"{{"schema":{{"type":"struct"}},"payload":{bare}}}"#);
    let key = Some(r#"{"schema":{"type":"struct"},"payload":{"id":1}}"#);
    let with_schema = decoder(F::DebeziumSchema, "", Versions::Source);
    assert_eq!(row(&with_schema, &message(key, Some(&wrapped))).len(), 3);
    let (why, _) = refused(&mysql(), &message(key, Some(&wrapped)));
    assert!(why.contains("debezium-schema"), "{why}");
    let (why, _) = refused(&with_schema, &message(KEY, Some(&bare)));
    assert!(why.contains("leave -schema out"), "{why}");
    let (why, _) = refused(&mysql(), &message(KEY, Some(ROW)));
    assert!(why.contains("debezium-flattened"), "{why}");
}

#[test]
fn lag_is_counted_from_the_sources_time_and_not_the_connectors() {
    let text = envelope("c", "null", ROW, &at(1, 4, 0));
    let decoded = decode(&mysql(), &message(KEY, Some(&text)));
    assert_eq!(decoded.oldest_made_at.unwrap().0, 5_000);
}

#[test]
fn numbers_of_a_transaction_may_be_text() {
    let text = envelope("c", "null", ROW, &at(1, 4, 0)).replace(
        r#""ts_ms":9"#,
        r#""transaction":{"id":"t","total_order":"1","data_collection_order":"1"}"#,
    );
    assert_eq!(changes(&mysql(), &message(KEY, Some(&text))).len(), 1);
}

#[test]
fn a_tombstone_is_counted_and_is_no_dead_letter() {
    for value in [None, Some("null")] {
        let decoded = decode(&mysql(), &message(KEY, value));
        assert!(decoded.undecodable.is_empty());
        assert_eq!(decoded.ignored.of(Ignored::Tombstone), 1);
    }
}

#[test]
fn an_unknown_operation_is_a_dead_letter_with_its_key() {
    let text = envelope("x", "null", ROW, &at(1, 4, 0));
    let (why, has_key) = refused(&mysql(), &message(None, Some(&text)));
    assert!(why.contains("op x") && has_key, "{why}");
}

#[test]
fn a_truncate_stops_before_it_and_what_came_before_is_decoded() {
    let messages = [
        message(KEY, Some(&envelope("c", "null", ROW, &at(1, 4, 0)))),
        message(None, Some(&envelope("t", "null", "null", &at(1, 5, 0)))),
        message(KEY, Some(&envelope("d", ROW, "null", &at(1, 6, 0)))),
    ];
    let decoded = mysql().decode(&messages);
    let stop = decoded.stop.unwrap();
    assert_eq!((stop.message, stop.error.kind()), (1, ErrorKind::Refused));
    assert_eq!(effects(&decoded.tables[0].changes), [(Effect::Set, id(1), 0)]);
    assert!(stop.error.next_step().unwrap().contains("truncates = \"ignore\""));
    // The operator has dealt with it.
    let topic = TopicFormat { truncates: Truncates::Ignore, ..topic() };
    let decoded = Decoder::with_topics(&[items()], vec![topic], 0).unwrap().decode(&messages);
    assert!(decoded.stop.is_none());
    assert_eq!(decoded.ignored.of(Ignored::Truncate), 1);
    assert_eq!(effects(&decoded.tables[0].changes), [(Effect::Delete, id(1), 0)]);
    // Of a table that is not moved it is nobody's business.
    let foreign = envelope("t", "null", "null", &at(1, 5, 0)).replace("items", "others");
    let decoded = decode(&mysql(), &message(None, Some(&foreign)));
    assert!(decoded.stop.is_none());
    assert_eq!(decoded.foreign, 1);
}

#[test]
fn versions_follow_file_number_position_and_row_and_rows_of_one_event() {
    let decoder = mysql();
    let of = |place: &str| version(&decoder, &envelope("c", "null", ROW, place));
    let ordered = [at(1, 900, 0), at(2, 4, 0), at(2, 4, 1), at(2, 100, 0)].map(|place| of(&place));
    assert!(ordered.is_sorted_by(|a, b| a < b));
    // Names of another length, numbers as text.
    assert!(
        of(r#""file":"bin.999999","pos":"9","row":"0""#)
            < of(r#""file":"bin.1000000","pos":4,"row":0"#)
    );
}

#[test]
fn snapshot_reads_are_known_by_truth_values_and_by_text() {
    let decoder = mysql();
    let place = at(2, 50, 0);
    let of = |op: &str, snapshot: &str| {
        version(&decoder, &envelope(op, "null", ROW, &format!("{place},\"snapshot\":{snapshot}")))
    };
    let live = of("c", "\"false\"");
    assert_eq!(live, of("c", "false"));
    assert_eq!(live, of("u", "null"));
    for snapshot in [
        "true",
        "\"true\"",
        "\"first\"",
        "\"last\"",
        "\"first_in_data_collection\"",
        "\"last_in_data_collection\"",
    ] {
        assert!(of("r", snapshot) < live, "{snapshot}");
        assert!(of("r", snapshot) > version(&decoder, &envelope("c", "null", ROW, &at(2, 49, 9))));
    }
    let incremental = of("r", "\"incremental\"");
    assert!(incremental < version(&decoder, &envelope("c", "null", ROW, &at(1, 4, 0))));
}

#[test]
fn the_commit_position_leads_and_the_rows_own_stands_in_for_the_first() {
    let pg = |sequence: &str| {
        format!(
            r#"{{"op":"c","after":{ROW},"source":{{"connector":"postgresql","table":"items",
                "schema":"public","lsn":7,"sequence":{sequence}}}}}"#
        )
    };
    let decoder = mysql();
    let of = |sequence: &str| version(&decoder, &pg(sequence));
    let ordered = [
        of(r#""[null,\"50\"]""#),
        of(r#""[\"60\",\"90\"]""#),
        // Written before the row above, and committed after it.
        of(r#""[\"95\",\"80\"]""#),
        of(r#""[\"95\",\"96\"]""#),
    ];
    assert!(ordered.is_sorted_by(|a, b| a < b));
    let (why, _) = refused(&decoder, &message(KEY, Some(&pg("null"))));
    assert!(why.contains("commit order"), "an LSN alone is write order: {why}");
}

#[test]
fn both_halves_of_a_key_change_have_one_position() {
    let decoder = mysql();
    let delete = message(KEY, Some(&envelope("d", ROW, "null", &at(1, 4, 0))));
    let delete = with_header(delete, "__debezium.newkey", r#"{"id":2}"#);
    let after = ROW.replace("\"id\":1", "\"id\":2");
    let insert = message(Some(r#"{"id":2}"#), Some(&envelope("c", "null", &after, &at(1, 4, 0))));
    let insert = with_header(insert, "__debezium.oldkey", r#"{"id":1}"#);
    let decoded = decoder.decode(&[delete, insert]);
    let found = &decoded.tables[0].changes;
    assert_eq!(effects(found), [(Effect::Delete, id(1), 0), (Effect::Set, id(2), 1)]);
    assert!(found[0].version < found[1].version);
}

#[test]
fn an_update_whose_key_differs_before_and_after_is_two_changes() {
    let decoder = mysql();
    let after = ROW.replace("\"id\":1", "\"id\":2");
    // Without a key beside the row nobody has split it.
    let text = envelope("u", ROW, &after, &at(1, 4, 0));
    let found = changes(&decoder, &message(None, Some(&text)));
    assert_eq!(effects(&found), [(Effect::Delete, id(1), 0), (Effect::Set, id(2), 1)]);
    assert!(found[0].version < found[1].version);
}

#[test]
fn an_update_that_does_not_tell_its_key_before_is_refused() {
    // The key of the plan is a unique key that the producer does not know of.
    let of = |traits: fn(&str) -> ColumnTraits, full: &str| {
        let columns =
            [("email", T::Text, traits("varchar(9)")), ("name", T::Text, traits("varchar(9)"))];
        let users = table("users", &["email"], &columns);
        decoder_of(&[users], F::Debezium, full, Versions::Queue, None)
    };
    let text = |connector: &str, op: &str, before: &str| {
        format!(
            r#"{{"op":"{op}","before":{before},"after":{{"id":1,"email":"b","name":"x"}},
                "source":{{"connector":"{connector}","table":"users"}}}}"#
        )
    };
    let whole = r#"{"id":1,"email":"a","name":"x"}"#;
    let key = |email| Key::new([V::Text(email)]).unwrap();
    let moved = [(Effect::Delete, key("a"), 0), (Effect::Set, key("b"), 1)];
    let mysql = of(ColumnTraits::mysql, "");
    let found = changes(&mysql, &message(KEY, Some(&text("mysql", "u", whole))));
    assert_eq!(effects(&found), moved);
    // PostgreSQL fills what is no part of the identity with null, or worse, with zero.
    let pg = of(ColumnTraits::postgres, "");
    for (op, before) in [("u", "null"), ("u", r#"{"id":1,"email":"","name":null}"#)] {
        let (why, has_key) = refused(&pg, &message(KEY, Some(&text("postgresql", op, before))));
        assert!(why.contains("REPLICA IDENTITY FULL") && !has_key, "{why}");
    }
    let delete = text("postgresql", "d", r#"{"id":1,"email":"","name":null}"#)
        .replace(r#"{"id":1,"email":"b","name":"x"}"#, "null");
    assert!(refused(&pg, &message(KEY, Some(&delete))).0.contains("full_before"));
    let full = of(ColumnTraits::postgres, "full_before = true");
    let found = changes(&full, &message(KEY, Some(&text("postgresql", "u", whole))));
    assert_eq!(effects(&found), moved);
}

#[test]
fn a_delete_needs_no_row_before() {
    for before in ["null", r#"{"id":1,"name":null,"price":null}"#] {
        let text = envelope("d", before, "null", &at(1, 4, 0)).replace("mysql", "postgresql");
        let found = changes(&mysql(), &message(KEY, Some(&text)));
        assert_eq!(effects(&found), [(Effect::Delete, id(1), 0)]);
    }
    let keyless = message(None, Some(&envelope("d", "null", "null", &at(1, 4, 0))));
    assert!(!refused(&mysql(), &keyless).1);
}

#[test]
fn a_value_that_did_not_reach_the_log_is_never_written() {
    let columns = |kind: T, declared: &str| {
        let id = ("id", T::Int, ColumnTraits::postgres("bigint"));
        table("items", &["id"], &[id, ("big", kind, ColumnTraits::postgres(declared))])
    };
    for (kind, declared, options, value) in [
        (T::Text, "text", "", r#""__debezium_unavailable_value""#),
        (T::Json, "jsonb", "", r#""__debezium_unavailable_value""#),
        (T::Bytes, "bytea", "", r#""X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==""#),
        (T::Bytes, "bytea", "binary = \"hex\"\nunavailable_value = \"hex:c0ff\"", r#""c0ff""#),
        (T::Text, "text[]", "", r#"["__debezium_unavailable_value"]"#),
        (T::Text, "text", "unavailable_value = \"?\"", r#""?""#),
    ] {
        let decoder =
            decoder_of(&[columns(kind, declared)], F::Debezium, options, Versions::Source, None);
        let row = format!(r#"{{"id":1,"big":{value},"small":1}}"#);
        let text = envelope("u", "null", &row, &at(1, 4, 0));
        let decoded = decode(&decoder, &message(KEY, Some(&text)));
        assert_eq!(decoded.undecodable[0].flaw, Flaw::Incomplete, "{declared} {value}");
        assert_eq!(decoded.undecodable[0].record, Some((0, id(1))));
        assert!(decoded.tables[0].changes.is_empty() && decoded.tables[0].records.is_empty());
        // In a column that the plan does not move it does not matter.
        let text = envelope("u", "null", &row, &at(1, 4, 0)).replace("\"small\"", "\"x\"");
        let only_id = table("items", &["id"], &[("id", T::Int, ColumnTraits::default())]);
        let decoder = decoder_of(&[only_id], F::Debezium, options, Versions::Source, None);
        assert_eq!(changes(&decoder, &message(KEY, Some(&text))).len(), 1);
    }
}

#[test]
fn a_column_that_lacks_makes_the_row_incomplete() {
    let text = envelope("c", "null", r#"{"id":1,"name":"a"}"#, &at(1, 4, 0));
    let decoded = decode(&mysql(), &message(KEY, Some(&text)));
    assert_eq!(decoded.undecodable[0].flaw, Flaw::Incomplete);
    assert!(decoded.undecodable[0].version.is_some());
}

#[test]
fn two_tables_that_share_a_topic_are_told_apart_by_their_names() {
    let other = || ColumnTraits::mysql("bigint(20)");
    let tables = [items(), table("it-ems", &["id"], &[("id", T::Int, other())])];
    let decoder = decoder_of(&tables, F::Debezium, "", Versions::Source, None);
    let text = envelope("c", "null", ROW, &at(1, 4, 0));
    let of_other = text.replace(r#""table":"items""#, r#""table":"it-ems""#);
    let decoded = decoder.decode(&[message(KEY, Some(&text)), message(KEY, Some(&of_other))]);
    assert_eq!(decoded.tables.iter().map(|t| t.changes.len()).collect::<Vec<_>>(), [1, 1]);
    // The plan may name the only one.
    let only = decoder_of(&tables, F::Debezium, "", Versions::Source, Some("items"));
    assert_eq!(decode(&only, &message(KEY, Some(&of_other))).foreign, 1);
    // Or the only database.
    let mut topic = TopicFormat { database: Some("shop".to_owned()), ..topic() };
    let of = |topic: &TopicFormat| Decoder::with_topics(&tables, vec![topic.clone()], 0).unwrap();
    assert_eq!(changes(&of(&topic), &message(KEY, Some(&text))).len(), 1);
    topic.database = Some("elsewhere".to_owned());
    assert_eq!(decode(&of(&topic), &message(KEY, Some(&text))).foreign, 1);
}

#[test]
fn the_source_epoch_leads_every_version() {
    let topic = topic();
    let of = |epoch| Decoder::with_topics(&[items()], vec![topic.clone()], epoch).unwrap();
    let early = version(&of(1), &envelope("c", "null", ROW, &at(9, 900, 0)));
    let after_failover = version(&of(2), &envelope("c", "null", ROW, &at(1, 4, 0)));
    assert!(early < after_failover);
}

#[test]
fn topics_of_the_producers_own_are_skipped_by_name() {
    let mut messages = ["__debezium-heartbeat.shop", "shop.transaction", "elsewhere"]
        .map(|topic| {
            let mut message = message(KEY, Some("{}"));
            message.topic = topic.into();
            message
        })
        .to_vec();
    messages.push(message(KEY, Some(&envelope("c", "null", ROW, &at(1, 4, 0)))));
    let decoded = mysql().decode(&messages);
    assert_eq!(decoded.ignored.of(Ignored::Heartbeat), 1);
    assert_eq!(decoded.ignored.of(Ignored::Transaction), 1);
    assert_eq!((decoded.foreign, decoded.tables[0].changes.len()), (1, 1));
}

//! What a message holds is its owner's: no cell of a row gets into an error, and so into a log, a
//! list of dead letters or a header, whatever is wrong with the message.

use crate::formats::items::{decode, decoder_of, items, message};
use migration::decode::{Decoder, FormatName as F, Versions};
use migration::error::Chain;
use serde_json::{Value, json};

/// The digits that every cell holds.
const CELL: &str = "4111111111111111";

fn row() -> Value {
    json!({"id": 4_111_111_111_111_111_i64, "name": format!("card {CELL}"), "price": CELL})
}

/// A good message of each format, with the options that read it.
fn good() -> Vec<(F, &'static str, Value)> {
    let source = json!({"connector": "mysql", "db": "shop", "table": "items", "snapshot": "false",
        "file": "bin.000001", "pos": 4, "row": 0, "ts_ms": 5, "gtid": null});
    let envelope = json!({"op": "u", "before": row(), "after": row(), "source": source,
        "transaction": {"id": "a"}, "ts_ms": 9});
    let schema = json!({"type": "struct", "fields": [
        {"field": "after", "fields": [{"field": "id", "type": "int64"},
            {"field": "price", "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal",
             "parameters": {"scale": "2"}}]}]});
    let mut flattened = row();
    flattened["__op"] = "u".into();
    flattened["__deleted"] = "false".into();
    let canal = json!({"database": "shop", "table": "items", "isDdl": false, "type": "UPDATE",
        "es": 5, "gtid": "", "data": [row()], "old": [row()], "_tidb": {"commitTs": 7}});
    let maxwell = json!({"database": "shop", "table": "items", "type": "update", "ts": 5, "xid": 5,
        "xoffset": 1, "position": "bin.000002:100", "data": row(), "old": row()});
    let fields = "row_field = \"row\"\nbefore_field = \"before\"\nmade_at_ms_field = \"at\"\n\
                  op = { field = \"what\", upsert = [\"made\"], delete = [\"gone\"] }";
    let plain = json!({"what": "made", "row": row(), "before": row(), "at": 5});
    vec![
        (F::Debezium, "", envelope.clone()),
        (F::DebeziumSchema, "", json!({"schema": schema, "payload": envelope})),
        (F::DebeziumFlattened, "", flattened.clone()),
        (F::DebeziumFlattenedSchema, "", json!({"schema": schema, "payload": flattened})),
        (F::DebeziumOutbox, "", Value::from(row().to_string())),
        (F::DebeziumOutbox, "in_string = false", row()),
        (F::DebeziumOutbox, "payload_field = \"payload\"", json!({"payload": row().to_string()})),
        (F::Canal, "", canal),
        (F::Maxwell, "", maxwell),
        (F::Plain, "", row()),
        (F::Plain, "key = \"json\"", row()),
        (F::Plain, "key = \"text\"", row()),
        (F::Plain, fields, plain),
    ]
}

/// Every pointer into a value, its own first.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, inner)| places(inner, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            let inner = items.iter().enumerate();
            inner.for_each(|(index, inner)| places(inner, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// What may stand where something else should: of every type, and the thing itself encoded again.
fn wrongs(there: &Value) -> Vec<String> {
    let text = there.to_string();
    let cell = format!("\"card {CELL}\"");
    vec![
        "null".to_owned(),
        "true".to_owned(),
        CELL.to_owned(),
        format!("-{CELL}.25"),
        cell.clone(),
        format!("[{cell}]"),
        format!("{{\"a\":{cell},\"a\":{cell}}}"),
        Value::from(text.as_str()).to_string(),
        text.trim_end_matches(['}', ']', '"']).to_owned(),
    ]
}

/// Asserts that no error of a message shows a cell. Returns how many errors there were.
fn shows_nothing(decoder: &Decoder, key: Option<&str>, value: &str) -> usize {
    let decoded = decode(decoder, &message(key, Some(value)));
    let errors = decoded.undecodable.iter().map(|found| &found.error);
    let errors = errors.chain(decoded.stop.as_ref().map(|stop| &stop.error));
    let said = errors.map(|error| {
        let (chain, debug) = (Chain(error).to_string(), format!("{error:?}"));
        assert!(!chain.contains(CELL) && !debug.contains(CELL), "{debug}\nof {value}");
    });
    said.count()
}

#[test]
fn no_cell_is_in_an_error_whatever_of_a_message_is_encoded_twice_or_of_another_type() {
    const HOLE: &str = "\"here\"";
    for (format, options, good) in good() {
        let mut errors = 0;
        for versions in [Versions::Queue, Versions::Source] {
            // The others tell no order, or not with these options.
            let tells_order = matches!(format, F::Debezium | F::DebeziumSchema | F::Maxwell);
            if versions == Versions::Source && !tells_order {
                continue;
            }
            let decoder = decoder_of(&[items()], format, options, versions, Some("items"));
            let mut all = Vec::new();
            places(&good, "", &mut all);
            for place in all {
                let mut holed = good.clone();
                let there = std::mem::replace(holed.pointer_mut(&place).unwrap(), "here".into());
                for wrong in wrongs(&there) {
                    let value = holed.to_string().replacen(HOLE, &wrong, 1);
                    errors += shows_nothing(&decoder, Some(r#"{"id":1}"#), &value);
                }
            }
            let keys = [r#"{"id":1}"#, r#"{"schema":{},"payload":{"id":1}}"#];
            for key in keys.into_iter().flat_map(|key| wrongs(&serde_json::from_str(key).unwrap()))
            {
                errors += shows_nothing(&decoder, Some(&key), &good.to_string());
            }
        }
        assert!(errors > 3, "{format:?} {options}: hardly anything was wrong");
    }
}

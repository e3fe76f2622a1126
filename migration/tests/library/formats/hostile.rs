//! Bytes that nobody means well: every one ends in a dead letter, none in a panic, and none takes
//! memory or stack without bound.

use crate::formats::items::{TOPIC, decode, decoder_of, items, message, with_header};
use crate::formats::{capture, mariadb};
use migration::decode::{Decoder, FormatName as F, Versions, guess};
use migration::queue::Message;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use std::sync::OnceLock;

const ALL: [F; 8] = [
    F::Debezium,
    F::DebeziumSchema,
    F::DebeziumFlattened,
    F::DebeziumFlattenedSchema,
    F::DebeziumOutbox,
    F::Canal,
    F::Maxwell,
    F::Plain,
];

/// Every format, for topics of a small table, of a wide one, and of both.
fn decoders() -> &'static [Decoder] {
    static ALL_DECODERS: OnceLock<Vec<Decoder>> = OnceLock::new();
    ALL_DECODERS.get_or_init(|| {
        let tables = [items(), mariadb::all_types()];
        let of = |only: Option<&str>| {
            ALL.map(|name| decoder_of(&tables, name, "", Versions::Queue, only))
        };
        [Some("items"), Some("all_types"), None].into_iter().flat_map(of).collect()
    })
}

/// A message is a change, or ignored, or foreign, or a dead letter, or a stop: never nothing.
fn is_accounted_for(decoder: &Decoder, message: &Message) {
    let decoded = decode(decoder, message);
    let changes: usize = decoded.tables.iter().map(|table| table.changes.len()).sum();
    let accounted = changes
        + decoded.compacted
        + decoded.undecodable.len()
        + decoded.foreign
        + decoded.ignored.total()
        + usize::from(decoded.stop.is_some());
    assert!(accounted > 0, "{decoded:?}");
    for table in &decoded.tables {
        let sets = table.changes.iter().filter(|c| c.effect == migration::protocol::Effect::Set);
        assert!(sets.count() <= table.records.len());
    }
    let (key, payload) = (message.key.as_deref(), message.payload.as_deref());
    let _ = guess(key, payload, &message.headers, &message.topic);
}

/// Names that formats and tables look for.
const NAMES: &str = "op before after source payload schema id name price table type data old \
                     database isDdl _tidb commitTs position xoffset file pos row sequence snapshot \
                     fields field parameters scale __op __deleted dec1 n b10 g en tm ts uu";

/// Texts that mean something to one of them.
const TEXTS: [&str; 21] = [
    "c",
    "u",
    "d",
    "r",
    "t",
    "insert",
    "update",
    "delete",
    "INSERT",
    "UPDATE",
    "items",
    "all_types",
    "AeJA",
    "bin.000001",
    "bin.1:4",
    "true",
    "2026-02-28",
    "-838:59:59",
    "__debezium_unavailable_value",
    "[\"1\",\"2\"]",
    "0000-00-00",
];

/// JSON of every kind.
fn json() -> impl Strategy<Value = String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        (-1e300..1e300).prop_map(|value: f64| format!("{value:e}")),
        prop::sample::select(TEXTS.to_vec()).prop_map(quoted),
        ".{0,8}".prop_map(move |text| quoted(&text)),
    ];
    let names: Vec<&str> = NAMES.split_whitespace().collect();
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let array = prop::collection::vec(inner.clone(), 0..4);
        let member = (prop::sample::select(names.clone()), inner);
        let object = prop::collection::vec(member, 0..8).prop_map(|members| {
            let member = |(name, value)| format!("\"{name}\":{value}");
            let members: Vec<String> = members.into_iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![array.prop_map(|all| format!("[{}]", all.join(","))), object]
    })
}

proptest! {
    // Each case goes through all the decoders.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_a_decoder_panic(
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
    ) {
        let message = Message { key, payload: value, ..capture::at(TOPIC, 7) };
        decoders().iter().for_each(|decoder| is_accounted_for(decoder, &message));
    }

    #[test]
    fn no_json_makes_a_decoder_panic(key in prop::option::of(json()), value in json()) {
        let message = message(key.as_deref(), Some(&value));
        let message = with_header(message, "__debezium.oldkey", "{}");
        decoders().iter().for_each(|decoder| is_accounted_for(decoder, &message));
    }

    #[test]
    fn no_cut_or_flip_of_a_real_message_makes_a_decoder_panic(
        pick in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        flip in any::<u8>(),
    ) {
        let all = real();
        let mut message = all[pick.index(all.len())].clone();
        message.topic = TOPIC.into();
        let bytes = message.payload.as_mut().unwrap();
        let at = at.index(bytes.len());
        if flip == 0 {
            bytes.truncate(at);
        } else {
            bytes[at] ^= flip;
        }
        decoders().iter().for_each(|decoder| is_accounted_for(decoder, &message));
    }
}

fn real() -> &'static [Message] {
    static ALL: OnceLock<Vec<Message>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<Message> = ["m_sch", "m_raw", "p_raw", "p_flat", "outbox"]
            .iter()
            .flat_map(|name| capture::messages(&format!("{name}.jsonl.gz")))
            .collect();
        all.extend(capture::values("maxwell.jsonl.gz", TOPIC));
        all.retain(|message| message.payload.as_ref().is_some_and(|bytes| !bytes.is_empty()));
        all
    })
}

#[test]
fn depth_without_end_is_a_dead_letter() {
    let (open, close) = ("[".repeat(50_000), "]".repeat(50_000));
    let objects = "{\"a\":".repeat(50_000) + "1" + &"}".repeat(50_000);
    for deep in [open.clone(), open + &close, objects] {
        for value in [
            deep.clone(),
            format!(r#"{{"op":"c","source":{deep}}}"#),
            format!(r#"{{"op":"c","after":{{"id":1,"name":{deep},"price":null}}}}"#),
            format!(r#"{{"op":"c","after":{deep}}}"#),
            format!(r#"{{"schema":{deep},"payload":{{"op":"c","after":{{"id":1}}}}}}"#),
            format!(r#"{{"type":"insert","table":"items","data":{{"id":{deep}}}}}"#),
            format!(
                r#"{{"type":"INSERT","table":"items","isDdl":false,"data":[{{"id":{deep}}}]}}"#
            ),
        ] {
            let message = message(Some(&value), Some(&value));
            for decoder in &decoders()[..ALL.len()] {
                let decoded = decode(decoder, &message);
                assert!(decoded.tables.iter().all(|table| table.changes.is_empty()));
                is_accounted_for(decoder, &message);
            }
        }
    }
}

#[test]
fn a_number_cannot_fill_the_memory() {
    let plain = decoder_of(&[items()], F::Plain, "", Versions::Queue, Some("items"));
    for price in ["1e999999999", "\"1e999999999\"", "1e-999999999", "1e99999999999999999999"] {
        let text = format!(r#"{{"id":1,"name":"a","price":{price}}}"#);
        assert_eq!(decode(&plain, &message(None, Some(&text))).undecodable.len(), 1, "{price}");
    }
    let debezium = decoder_of(&[items()], F::Debezium, "", Versions::Queue, Some("items"));
    for scale in ["999999999", "-999999999", "9223372036854775807", "-9223372036854775808"] {
        let price = format!(r#"{{"scale":{scale},"value":"AQ=="}}"#);
        let text = format!(r#"{{"op":"c","after":{{"id":1,"name":"a","price":{price}}}}}"#);
        assert_eq!(decode(&debezium, &message(None, Some(&text))).undecodable.len(), 1, "{scale}");
    }
}

#[test]
fn text_that_is_no_unicode_is_a_dead_letter_with_its_place() {
    for decoder in decoders() {
        for (key, value) in [
            (None, &b"{\"id\":1,\"name\":\"\xff\"}"[..]),
            (Some(&b"\xff"[..]), &b"{}"[..]),
            (None, &br#"{"op":"c","after":{"id":1,"name":"\ud800","price":null}}"#[..]),
        ] {
            let message = Message {
                key: key.map(<[u8]>::to_vec),
                payload: Some(value.to_vec()),
                ..capture::at(TOPIC, 7)
            };
            is_accounted_for(decoder, &message);
            let decoded = decode(decoder, &message);
            assert!(decoded.tables.iter().all(|table| table.changes.is_empty()));
            let located = |found: &migration::decode::Undecodable| {
                found.error.to_string().contains("offset 7")
            };
            assert!(decoded.undecodable.iter().all(located));
        }
    }
}

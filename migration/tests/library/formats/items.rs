//! A small table, and messages about it written by hand.

use crate::formats::capture::{at, table};
use migration::decode::{
    Change, Changes, ColumnTraits, Decoder, Format, FormatName, FormatOptions, SourceTable,
    TopicFormat, Truncates, Versions,
};
use migration::error::Chain;
use migration::key::Key;
use migration::protocol::Effect;
use migration::queue::Message;
use migration::value::{ColumnType as T, Value as V};

/// The topic of the messages.
pub(crate) const TOPIC: &str = "shop.items";

/// `items(id bigint primary key, name varchar, price decimal(10,2))`.
pub(crate) fn items() -> SourceTable {
    let columns = [
        ("id", T::Int, ColumnTraits::mysql("bigint(20)")),
        ("name", T::Text, ColumnTraits::mysql("varchar(20)")),
        ("price", T::Decimal, ColumnTraits::mysql("decimal(10,2)")),
    ];
    table("items", &["id"], &columns)
}

/// A decoder of one topic with this format.
pub(crate) fn decoder(name: FormatName, options: &str, versions: Versions) -> Decoder {
    decoder_of(&[items()], name, options, versions, None)
}

pub(crate) fn decoder_of(
    tables: &[SourceTable],
    name: FormatName,
    options: &str,
    versions: Versions,
    only: Option<&str>,
) -> Decoder {
    let options: FormatOptions = toml::from_str(options).unwrap();
    let topic = TopicFormat {
        topic: TOPIC.to_owned(),
        format: Format::resolve(name, &options).unwrap(),
        versions,
        truncates: Truncates::Stop,
        table: only.map(str::to_owned),
        database: None,
    };
    Decoder::with_topics(tables, vec![topic], 0).unwrap()
}

/// A message of the topic; the queue gives it version 7.
pub(crate) fn message(key: Option<&str>, value: Option<&str>) -> Message {
    Message {
        key: key.map(|key| key.as_bytes().to_vec()),
        payload: value.map(|value| value.as_bytes().to_vec()),
        ..at(TOPIC, 7)
    }
}

/// The message with a header.
pub(crate) fn with_header(mut message: Message, name: &str, value: &str) -> Message {
    message.headers.push((name.to_owned().into(), value.as_bytes().to_vec()));
    message
}

pub(crate) fn decode(decoder: &Decoder, message: &Message) -> Changes {
    decoder.decode(std::slice::from_ref(message))
}

/// The changes that a message decodes to, of the first table.
pub(crate) fn changes(decoder: &Decoder, message: &Message) -> Vec<Change> {
    let decoded = decode(decoder, message);
    assert!(decoded.undecodable.is_empty(), "{:?}", decoded.undecodable);
    decoded.tables.into_iter().next().unwrap().changes
}

/// The row that a message sets.
pub(crate) fn row(decoder: &Decoder, message: &Message) -> Vec<String> {
    let decoded = decode(decoder, message);
    assert!(decoded.undecodable.is_empty(), "{:?}", decoded.undecodable);
    let table = &decoded.tables[0];
    let [change] = table.changes.as_slice() else { panic!("{decoded:?}") };
    assert_eq!(change.effect, Effect::Set);
    table.records.row(change.row).values().map(|value| format!("{value:?}")).collect()
}

/// Why the only change of a message cannot be decoded, with the hint; and whether its key is known.
pub(crate) fn refused(decoder: &Decoder, message: &Message) -> (String, bool) {
    let decoded = decode(decoder, message);
    let [found] = decoded.undecodable.as_slice() else { panic!("{decoded:?}") };
    assert!(decoded.tables.iter().all(|table| table.changes.is_empty()), "{decoded:?}");
    let hint = found.error.next_step().unwrap_or_default();
    (format!("{} ({hint})", Chain(&found.error)), found.record.is_some())
}

pub(crate) fn id(number: i128) -> Key {
    Key::new([V::Int(number)]).unwrap()
}

/// What changes do to which keys, in words.
pub(crate) fn effects(changes: &[Change]) -> Vec<(Effect, Key, u32)> {
    changes.iter().map(|change| (change.effect, change.key.clone(), change.index)).collect()
}

//! Reads captures, and decodes them message by message.

use flate2::read::GzDecoder;
use migration::batch::{Batch, Column, Schema};
use migration::clock::Timestamp;
use migration::decode::{
    Changes, ColumnTraits, Decoder, Format, FormatName, FormatOptions, SourceTable, TopicFormat,
    Truncates, Versions,
};
use migration::key::Key;
use migration::layout::Layout;
use migration::plan::{ColumnPlan, IntoPlan, TablePlan};
use migration::position::{Position, Version};
use migration::protocol::Effect;
use migration::queue::Message;
use migration::store::TableDescription;
use migration::value::{ColumnType, Value};
use serde::Deserialize;
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

#[derive(Deserialize)]
struct Line {
    topic: String,
    offset: i64,
    timestamp: i64,
    headers: Vec<(String, Option<String>)>,
    key: Option<String>,
    value: Option<String>,
}

fn lines(name: &str) -> impl Iterator<Item = String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages").join(name);
    let file = File::open(path).unwrap();
    BufReader::new(GzDecoder::new(file)).lines().map(|line| line.unwrap())
}

/// The messages of a capture whose lines hold topic, key, value and headers.
pub(crate) fn messages(name: &str) -> Vec<Message> {
    let message = |line: String| {
        let line: Line = serde_json::from_str(&line).unwrap();
        let header = |(name, value): (String, Option<String>)| {
            (Cow::Owned(name), value.unwrap_or_default().into_bytes())
        };
        Message {
            key: line.key.map(String::into_bytes),
            headers: line.headers.into_iter().map(header).collect(),
            payload: line.value.map(String::into_bytes),
            made_at: Timestamp(line.timestamp * 1_000),
            ..at(&line.topic, line.offset)
        }
    };
    lines(name).map(message).collect()
}

/// The messages of a capture whose lines are the values alone.
pub(crate) fn values(name: &str, topic: &str) -> Vec<Message> {
    let message = |(offset, line): (usize, String)| Message {
        payload: Some(line.into_bytes()),
        ..at(topic, i64::try_from(offset).unwrap())
    };
    lines(name).enumerate().map(message).collect()
}

pub(crate) fn at(topic: &str, offset: i64) -> Message {
    Message {
        position: Position::new(&offset.to_be_bytes()).unwrap(),
        next: Position::new(&(offset + 1).to_be_bytes()).unwrap(),
        version: Some(Version::new(&offset.to_be_bytes()).unwrap()),
        made_at: Timestamp(0),
        key: None,
        headers: Vec::new(),
        topic: topic.into(),
        payload: None,
        offset,
    }
}

/// A source table: columns by name, type and what the database declares.
pub(crate) fn table(
    name: &str,
    key: &[&str],
    columns: &[(&str, ColumnType, ColumnTraits)],
) -> SourceTable {
    let column = |&(name, column_type, _): &(&str, ColumnType, ColumnTraits)| Column {
        name: name.to_owned(),
        column_type,
        nullable: !key.contains(&name),
    };
    let columns_of = |table: &str| Schema {
        table: table.to_owned(),
        columns: columns.iter().map(column).collect(),
        key: key.iter().map(|key| columns.iter().position(|c| c.0 == *key).unwrap()).collect(),
    };
    let described = |table: &str| TableDescription {
        schema: columns_of(table),
        lengths_max: vec![None; columns.len()],
        other_unique_keys: Vec::new(),
        key_never_reused: false,
        unknown_types: Vec::new(),
    };
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let plan = TablePlan {
        name: name.to_owned(),
        key: names(key),
        entity: names(key),
        types: Vec::new(),
        into: vec![IntoPlan {
            name: format!("new_{name}"),
            key: names(key),
            shard: None,
            columns: columns
                .iter()
                .map(|&(name, ..)| ColumnPlan {
                    name: name.to_owned(),
                    from: name.to_owned(),
                    column_type: None,
                    loses: None,
                })
                .collect(),
        }],
    };
    let target = described(&format!("new_{name}"));
    let layout = Layout::resolve(&plan, &described(name), &[target], 1).unwrap();
    let traits = columns.iter().map(|(.., traits)| traits.clone()).collect();
    SourceTable { layout: Arc::new(layout), traits }
}

/// A topic of one format, whose messages name their tables.
pub(crate) fn topic(name: &str, format: FormatName, options: &str) -> TopicFormat {
    let options: FormatOptions = toml::from_str(options).unwrap();
    TopicFormat {
        topic: name.to_owned(),
        format: Format::resolve(format, &options).unwrap(),
        versions: Versions::Source,
        truncates: Truncates::Stop,
        table: None,
        database: None,
    }
}

/// One change, in words.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) effect: Effect,
    pub(crate) key: Key,
    pub(crate) index: u32,
    pub(crate) version: Version,
    pub(crate) records: Option<RowOf>,
}

/// The only row of a batch.
#[derive(Debug)]
pub(crate) struct RowOf(Batch);

impl PartialEq for RowOf {
    fn eq(&self, other: &Self) -> bool {
        self.0.row(0).bytes() == other.0.row(0).bytes()
    }
}

impl RowOf {
    /// Columns that differ from what is expected; those that are not named are null.
    pub(crate) fn differences(&self, expected: &[(&str, Value<'_>)]) -> Vec<String> {
        let schema = self.0.schema();
        for (name, _) in expected {
            assert!(schema.column(name).is_some(), "no column {name}");
        }
        let mut differences = Vec::new();
        for (place, column) in schema.columns.iter().enumerate() {
            let wanted = expected.iter().find(|(name, _)| *name == column.name);
            let wanted = wanted.map_or(Value::Null, |&(_, value)| value);
            let mut bytes = Vec::new();
            wanted.encode(&mut bytes).unwrap();
            if self.0.row(0).encoded(place) != bytes {
                let found = self.0.row(0).value(place);
                differences.push(format!("{}: {found:?}, not {wanted:?}", column.name));
            }
        }
        differences
    }
}

/// What one message says, if it is exactly one change.
pub(crate) fn step(changes: Changes) -> Step {
    assert!(changes.undecodable.is_empty(), "{:?}", changes.undecodable);
    let table = changes.tables.into_iter().find(|table| !table.changes.is_empty());
    let table = table.unwrap_or_else(|| panic!("no change, {:?}", changes.ignored));
    let [change] = table.changes.as_slice() else { panic!("not one change") };
    let records = (change.effect == Effect::Set).then_some(RowOf(table.records));
    Step {
        effect: change.effect,
        key: change.key.clone(),
        index: change.index,
        version: change.version,
        records,
    }
}

/// The changes of each message of a topic, in order; messages without one are left out.
pub(crate) fn steps(decoder: &Decoder, messages: &[Message], topic: &str) -> Vec<Step> {
    let of_topic = messages.iter().filter(|message| &*message.topic == topic);
    let mut steps = Vec::new();
    for message in of_topic {
        let changes = decoder.decode(std::slice::from_ref(message));
        if changes.ignored.total() == 0 && changes.foreign == 0 && changes.stop.is_none() {
            steps.push(step(changes));
        }
    }
    steps
}

/// The row that a step sets.
pub(crate) fn row(step: &Step) -> &RowOf {
    step.records.as_ref().unwrap()
}

/// Why the only change of each message cannot be decoded.
pub(crate) fn failures(decoder: &Decoder, messages: &[Message]) -> Vec<String> {
    let mut failures = Vec::new();
    for message in messages {
        let changes = decoder.decode(std::slice::from_ref(message));
        let chain = |found: &migration::decode::Undecodable| {
            assert!(found.record.is_some(), "{:?}", found.error);
            migration::error::Chain(&found.error).to_string()
        };
        failures.extend(changes.undecodable.iter().map(chain));
    }
    failures
}

/// Microseconds of a moment.
pub(crate) fn micros(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

/// Days of a day.
pub(crate) fn days(text: &str) -> i32 {
    i32::try_from(micros(&format!("{text}T00:00:00Z")).div_euclid(86_400_000_000)).unwrap()
}

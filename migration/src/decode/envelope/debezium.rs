//! Debezium's envelope.

use super::connect::unwrap;
use super::{Envelope, not_json, problem};
use crate::clock::Timestamp;
use crate::decode::evidence::{Evidence, Snapshot, file_number};
use crate::decode::fields::Text;
use crate::decode::format::DebeziumFormat;
use crate::decode::message::{Before, ChangeMessage, Ignored, KeyFields, Op, Read, TableName};
use crate::error::Result;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    op: Option<Text<'a>>,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<Source<'a>>,
    #[serde(borrow)]
    transaction: Option<Transaction<'a>>,
    // What else comes through such topics is told by what it has in place of an operation.
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    ddl: Option<&'a RawValue>,
    #[serde(borrow, rename = "tableChanges")]
    table_changes: Option<&'a RawValue>,
    #[serde(borrow)]
    ts_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    connector: Option<Text<'a>>,
    #[serde(borrow)]
    ts_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    snapshot: Option<&'a RawValue>,
    #[serde(borrow)]
    db: Option<Text<'a>>,
    #[serde(borrow)]
    schema: Option<Text<'a>>,
    #[serde(borrow)]
    table: Option<Text<'a>>,
    #[serde(borrow)]
    gtid: Option<Text<'a>>,
    #[serde(borrow)]
    file: Option<Text<'a>>,
    #[serde(borrow)]
    pos: Option<&'a RawValue>,
    #[serde(borrow)]
    row: Option<&'a RawValue>,
    #[serde(borrow)]
    sequence: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Transaction<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

/// The header of the second half of a key change.
const OLD_KEY: &str = "__debezium.oldkey";

pub(super) fn read(
    format: &DebeziumFormat,
    envelope: &Envelope<'_>,
    each: &mut dyn FnMut(Read<'_>),
) -> Result<()> {
    let Some(value) = envelope.value else {
        // The delete was told by the message before.
        each(Read::Ignored(Ignored::Tombstone));
        return Ok(());
    };
    let unwrapped = unwrap(value, format.schema)?;
    let Some(text) = unwrapped.payload else {
        each(Read::Ignored(Ignored::Tombstone));
        return Ok(());
    };
    let payload: Payload<'_> = serde_json::from_str(text).map_err(not_json)?;
    let Some(op) = &payload.op else {
        each(Read::Ignored(without_operation(&payload)?));
        return Ok(());
    };
    let table = payload.source.as_ref().map(table).unwrap_or_default();
    let op = match &*op.0 {
        "c" | "u" | "r" => Op::Upsert,
        "d" => Op::Delete,
        "t" => {
            each(Read::Truncate(table));
            return Ok(());
        }
        "m" => {
            each(Read::Ignored(Ignored::LogMessage));
            return Ok(());
        }
        other => Op::Unknown(Cow::Borrowed(other)),
    };
    let mut change = ChangeMessage::new(op).of(table);
    change.may_change_key = payload.op.as_ref().is_some_and(|op| op.0 == "u");
    change.index = second_half(envelope);
    change.key = key(envelope, format.schema)?;
    change.after = payload.after.map(RawValue::get);
    change.schema = unwrapped.schema;
    if let Some(source) = &payload.source {
        let is_read = payload.op.as_ref().is_some_and(|op| op.0 == "r");
        change.snapshot = snapshot(source.snapshot.map(RawValue::get), is_read);
        change.evidence = evidence(source);
        change.made_at = source.ts_ms.and_then(millis);
        change.is_source_time = true;
        change.before = before(format, source, payload.before);
    }
    let transaction = payload.transaction.and_then(|transaction| transaction.id);
    let gtid = payload.source.and_then(|source| source.gtid);
    change.transaction = transaction.or(gtid).map(|text| text.0);
    if change.op == Op::Upsert && change.after.is_none() {
        return Err(problem("it has no row after the change"));
    }
    each(Read::Change(change));
    Ok(())
}

fn without_operation(payload: &Payload<'_>) -> Result<Ignored> {
    if payload.status.is_some() {
        Ok(Ignored::Transaction)
    } else if payload.ddl.is_some() || payload.table_changes.is_some() {
        Ok(Ignored::SchemaChange)
    } else if payload.payload.is_some() {
        Err(problem("it carries a schema")
            .hint("if the converter has schemas.enable=true, write format = \"debezium-schema\""))
    } else if payload.ts_ms.is_some() && payload.after.is_none() {
        Ok(Ignored::Heartbeat)
    } else {
        Err(problem("it has no operation").hint(
            "if the connector unwraps its rows (ExtractNewRecordState), write format = \
             \"debezium-flattened\"",
        ))
    }
}

fn table<'a>(source: &Source<'a>) -> TableName<'a> {
    let text = |text: &Option<Text<'a>>| text.as_ref().map(|text| text.0.clone());
    TableName {
        database: text(&source.db),
        schema: text(&source.schema),
        table: text(&source.table),
    }
}

fn before<'a>(
    format: &DebeziumFormat,
    source: &Source<'_>,
    before: Option<&'a RawValue>,
) -> Before<'a> {
    // With the default replica identity, what is no key arrives as null or zero.
    let is_postgres = source.connector.as_ref().is_some_and(|name| name.0 == "postgresql");
    match before.map(RawValue::get) {
        None => Before::None,
        Some(row) if is_postgres && !format.full_before => Before::Identity(row),
        Some(row) => Before::Whole(row),
    }
}

/// The key of a message of Debezium.
pub(super) fn key<'a>(envelope: &Envelope<'a>, has_schema: bool) -> Result<KeyFields<'a>> {
    let Some(key) = envelope.key else { return Ok(KeyFields::None) };
    Ok(unwrap(key, has_schema)?.payload.map_or(KeyFields::None, KeyFields::Object))
}

/// A change of a key comes as two messages of one position: the index of this one.
pub(super) fn second_half(envelope: &Envelope<'_>) -> u32 {
    u32::from(envelope.header(OLD_KEY).is_some())
}

/// What `source.snapshot` says: true and false come as such and as text.
pub(super) fn snapshot(raw: Option<&str>, is_read: bool) -> Snapshot {
    match raw.map(|raw| raw.trim_matches('"')) {
        Some("incremental") => Snapshot::Incremental,
        None | Some("false" | "null") if !is_read => Snapshot::No,
        None | Some("false" | "null") => Snapshot::Untold,
        _ => Snapshot::Whole,
    }
}

fn evidence(source: &Source<'_>) -> Option<Evidence> {
    if let Some(sequence) = source.sequence {
        return log_sequence(sequence.get());
    }
    let file = file_number(&source.file.as_ref()?.0)?;
    Some(binlog(file, source.pos.map(RawValue::get)?, source.row.map(RawValue::get))).flatten()
}

/// The evidence of a binlog position.
pub(super) fn binlog(file: u64, position: &str, row: Option<&str>) -> Option<Evidence> {
    let row = row.map_or(Some(0), number)?;
    Some(Evidence::Binlog { file, position: number(position)?, row })
}

/// PostgreSQL's `sequence`: text that holds an array of two positions, the first of which is null
/// until the producer has seen a commit.
///
/// Without one the row's own position stands in. It lies below the commit of its transaction, and
/// so below the first element of every later one. It may be above that of an earlier transaction
/// without being so in truth only for a row that waited for that very transaction to end, in the
/// first transaction after the producer started.
pub(super) fn log_sequence(raw: &str) -> Option<Evidence> {
    let (first, second) = raw.split_once(',')?;
    let digits = |part: &str| {
        let number = part.trim_matches(|c: char| !c.is_ascii_digit());
        number.parse::<u64>().ok()
    };
    let lsn = digits(second)?;
    Some(Evidence::Wal { commit: digits(first).unwrap_or(lsn), lsn })
}

/// A number, which some producers write as text.
pub(super) fn number(raw: &str) -> Option<u64> {
    raw.trim_matches('"').parse().ok()
}

fn millis(raw: &RawValue) -> Option<Timestamp> {
    let millis = i64::try_from(number(raw.get())?).ok()?;
    millis.checked_mul(1_000).map(Timestamp)
}

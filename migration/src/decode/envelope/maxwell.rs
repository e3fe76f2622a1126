//! Maxwell's JSON.
//!
//! Rows of one transaction are numbered by `xoffset`, all but the last, which has `commit` in its
//! place. Statements that empty a table are not sent.

use super::debezium::number;
use super::{Envelope, not_json, problem};
use crate::clock::Timestamp;
use crate::decode::evidence::{Evidence, LAST_ROW, Snapshot, file_number};
use crate::decode::fields::Text;
use crate::decode::message::{Before, ChangeMessage, Ignored, Op, Read, TableName};
use crate::error::Result;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    database: Option<Text<'a>>,
    #[serde(borrow)]
    table: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
    #[serde(borrow)]
    xid: Option<&'a RawValue>,
    #[serde(borrow)]
    xoffset: Option<&'a RawValue>,
    #[serde(borrow)]
    position: Option<Text<'a>>,
    #[serde(borrow)]
    gtid: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    old: Option<&'a RawValue>,
}

pub(super) fn read(envelope: &Envelope<'_>, each: &mut dyn FnMut(Read<'_>)) -> Result<()> {
    let Some(value) = envelope.value else {
        each(Read::Ignored(Ignored::Tombstone));
        return Ok(());
    };
    let row: Row<'_> = serde_json::from_str(value).map_err(not_json)?;
    let op = match &*row.kind.0 {
        "insert" | "update" | "bootstrap-insert" => Op::Upsert,
        "delete" => Op::Delete,
        "bootstrap-start" | "bootstrap-complete" => {
            each(Read::Ignored(Ignored::SnapshotMark));
            return Ok(());
        }
        "heartbeat" => {
            each(Read::Ignored(Ignored::Heartbeat));
            return Ok(());
        }
        kind if kind.starts_with("table-") || kind.starts_with("database-") => {
            each(Read::Ignored(Ignored::SchemaChange));
            return Ok(());
        }
        other => Op::Unknown(Cow::Borrowed(other)),
    };
    let data = row.data.map(RawValue::get).ok_or_else(|| problem("it has no data"))?;
    let mut change = ChangeMessage::new(op);
    match change.op {
        Op::Upsert => change.after = Some(data),
        _ => change.before = Before::Whole(data),
    }
    match (&*row.kind.0, row.old) {
        ("update", Some(old)) => change.before = Before::Changed(old.get()),
        ("update", None) => change.may_change_key = true,
        // Read while changes go on.
        ("bootstrap-insert", _) => change.snapshot = Snapshot::Incremental,
        _ => {}
    }
    change.evidence = evidence(&row);
    let seconds = row.ts.and_then(|ts| number(ts.get())).and_then(|ts| i64::try_from(ts).ok());
    change.made_at = seconds.and_then(|ts| ts.checked_mul(1_000_000)).map(Timestamp);
    change.is_source_time = true;
    let xid = row.xid.map(|xid| Cow::Borrowed(xid.get()));
    change.transaction = row.gtid.map(|gtid| gtid.0).or(xid);
    let name = |text: Option<Text<'_>>| text.map(|text| text.0.into_owned().into());
    let change =
        change.of(TableName { database: name(row.database), schema: None, table: name(row.table) });
    each(Read::Change(change));
    Ok(())
}

/// `position` is `file:position`. Rows of one position are in the order of their `xoffset`.
fn evidence(row: &Row<'_>) -> Option<Evidence> {
    let (file, position) = row.position.as_ref()?.0.rsplit_once(':')?;
    let row = row.xoffset.map_or(Some(LAST_ROW), |offset| number(offset.get()))?;
    Some(Evidence::Binlog { file: file_number(file)?, position: position.parse().ok()?, row })
}

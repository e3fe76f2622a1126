//! Canal's flat messages, and TiCDC's `canal-json`.
//!
//! One message holds many rows. `old` names the columns that changed, and more: those that changed
//! in an earlier row of the message are named on. Old versions of Canal leave out entries of rows
//! that did not change, and from there on the entries are out of step with the rows.

use super::debezium::number;
use super::{Envelope, not_json, problem};
use crate::clock::Timestamp;
use crate::decode::evidence::Evidence;
use crate::decode::fields::Text;
use crate::decode::message::{Before, ChangeMessage, Ignored, Op, Read, TableName, shown};
use crate::error::Result;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Flat<'a> {
    #[serde(borrow)]
    database: Option<Text<'a>>,
    #[serde(borrow)]
    table: Option<Text<'a>>,
    #[serde(rename = "isDdl")]
    is_ddl: Option<bool>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    es: Option<&'a RawValue>,
    #[serde(borrow)]
    gtid: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    old: Option<Vec<Option<&'a RawValue>>>,
    #[serde(borrow, rename = "_tidb")]
    tidb: Option<Extension<'a>>,
}

/// What TiCDC adds.
#[derive(Deserialize)]
struct Extension<'a> {
    #[serde(borrow, rename = "commitTs")]
    commit_ts: Option<&'a RawValue>,
    #[serde(rename = "onlyHandleKey")]
    only_handle_key: Option<bool>,
    #[serde(borrow, rename = "claimCheckLocation")]
    claim_check: Option<&'a RawValue>,
}

pub(super) fn read(envelope: &Envelope<'_>, each: &mut dyn FnMut(Read<'_>)) -> Result<()> {
    let Some(value) = envelope.value else {
        each(Read::Ignored(Ignored::Tombstone));
        return Ok(());
    };
    let flat: Flat<'_> = serde_json::from_str(value).map_err(not_json)?;
    let table = TableName {
        database: flat.database.as_ref().map(|text| text.0.clone()),
        schema: None,
        table: flat.table.as_ref().map(|text| text.0.clone()),
    };
    if flat.kind.0 == "TIDB_WATERMARK" {
        each(Read::Ignored(Ignored::Watermark));
        return Ok(());
    }
    if flat.is_ddl == Some(true) {
        each(match &*flat.kind.0 {
            "TRUNCATE" => Read::Truncate(table),
            _ => Read::Ignored(Ignored::SchemaChange),
        });
        return Ok(());
    }
    let rows = flat.data.as_deref().unwrap_or_default();
    if rows.is_empty() {
        return Err(problem("it has no rows").with("type", shown(&flat.kind.0)));
    }
    for (place, row) in rows.iter().enumerate() {
        let index = u32::try_from(place).ok().and_then(|place| place.checked_mul(2));
        let Some(index) = index else { return Err(problem("it has too many rows")) };
        let mut change = row_change(&flat, place, row.get()).of(table.clone());
        change.index = index;
        each(Read::Change(change));
    }
    Ok(())
}

fn row_change<'a>(flat: &'a Flat<'a>, place: usize, row: &'a str) -> ChangeMessage<'a> {
    let op = match &*flat.kind.0 {
        "INSERT" | "UPDATE" => Op::Upsert,
        "DELETE" => Op::Delete,
        other => Op::Unknown(Cow::Borrowed(other)),
    };
    let mut change = ChangeMessage::new(op);
    match change.op {
        Op::Upsert => change.after = Some(row),
        _ => change.before = Before::Whole(row),
    }
    if flat.kind.0 == "UPDATE" {
        let old = flat.old.as_deref().unwrap_or_default();
        let rows = flat.data.as_ref().map_or(0, Vec::len);
        change.before = match old.get(place) {
            // Nothing changed in any row, or the producer splits changes of keys itself.
            _ if old.is_empty() => Before::None,
            Some(Some(old)) if flat.old.as_ref().map_or(0, Vec::len) == rows => {
                Before::Changed(old.get())
            }
            Some(None) if old.len() == rows => Before::None,
            _ => Before::Unaligned(old),
        };
    }
    let tidb = flat.tidb.as_ref();
    let commit_ts = tidb.and_then(|tidb| number(tidb.commit_ts?.get()));
    change.evidence = commit_ts.map(Evidence::CommitTs);
    let millis = flat.es.and_then(|es| i64::try_from(number(es.get())?).ok());
    change.made_at = millis.and_then(|millis| millis.checked_mul(1_000)).map(Timestamp);
    change.transaction = flat.gtid.as_ref().map(|gtid| gtid.0.clone()).filter(|g| !g.is_empty());
    if tidb.is_some_and(|tidb| tidb.only_handle_key == Some(true) || tidb.claim_check.is_some()) {
        change.incomplete = Some("the producer left the row out, because it was too large");
    }
    change
}

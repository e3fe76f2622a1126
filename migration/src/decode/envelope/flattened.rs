//! Debezium's rows without their envelope: what `ExtractNewRecordState` leaves.
//!
//! What the envelope told is only there where the connector was told to add it: fields or headers
//! whose names begin with the prefix. A null value is a delete in one mode, nothing in another and
//! a mistake in a third. Truncates never get here.

use super::connect::unwrap;
use super::debezium::{binlog, key, log_sequence, number, second_half, snapshot};
use super::{Envelope, not_json, problem};
use crate::clock::Timestamp;
use crate::decode::evidence::{Evidence, Snapshot, file_number};
use crate::decode::fields::members;
use crate::decode::format::{DeleteMode, FlattenedFormat};
use crate::decode::message::{Before, ChangeMessage, Ignored, Op, Read, TableName};
use crate::error::Result;
use std::borrow::Cow;

/// Added fields that are looked for, without their prefix. Those of the source may be named with
/// it or without.
const ADDED: [&str; 13] = [
    "op",
    "deleted",
    "table",
    "db",
    "schema",
    "snapshot",
    "sequence",
    "file",
    "pos",
    "row",
    "ts_ms",
    "transaction_id",
    "gtid",
];

/// The added fields and headers of one message, as JSON or as bare text.
struct Added<'a> {
    fields: [Option<&'a str>; ADDED.len()],
    of_source: [Option<&'a str>; ADDED.len()],
    envelope: Envelope<'a>,
    prefix: &'a str,
}

impl<'a> Added<'a> {
    fn read(prefix: &'a str, envelope: &Envelope<'a>, row: Option<&'a str>) -> Result<Self> {
        let names = ADDED.map(|name| format!("{prefix}{name}"));
        let source_names = ADDED.map(|name| format!("{prefix}source_{name}"));
        let find = |names: &[String; ADDED.len()]| {
            let names = names.each_ref().map(|name| Some(name.as_str()));
            row.map_or(Ok([None; ADDED.len()]), |row| members(row, names)).map_err(not_json)
        };
        Ok(Self {
            fields: find(&names)?,
            of_source: find(&source_names)?,
            envelope: *envelope,
            prefix,
        })
    }

    /// JSON, or the bare text of a header; `None` where it lacks or is null.
    fn raw(&self, name: &str) -> Option<&'a str> {
        let place = ADDED.iter().position(|known| *known == name)?;
        self.of_source[place]
            .or(self.fields[place])
            .or_else(|| self.header(&format!("source_{name}")))
            .or_else(|| self.header(name))
            .filter(|raw| *raw != "null" && !raw.is_empty())
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        let value = self.envelope.header(&format!("{}{name}", self.prefix))?;
        std::str::from_utf8(value).ok()
    }

    /// Whether there is a `source.ts_ms`: the envelope's own is when the connector came to it.
    fn has_source_time(&self) -> bool {
        let place = ADDED.iter().position(|known| *known == "ts_ms");
        let field = place.and_then(|place| self.of_source[place]);
        field.or_else(|| self.header("source_ts_ms")).is_some()
    }

    fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>> {
        match self.raw(name) {
            Some(raw) if raw.starts_with('"') => crate::decode::value::text(raw).map(Some),
            other => Ok(other.map(Cow::Borrowed)),
        }
    }

    fn evidence(&self) -> Result<Option<Evidence>> {
        if let Some(sequence) = self.raw("sequence") {
            return Ok(log_sequence(sequence));
        }
        let Some(file) = self.text("file")?.and_then(|name| file_number(&name)) else {
            return Ok(None);
        };
        let position = self.raw("pos");
        Ok(position.and_then(|position| binlog(file, position, self.raw("row"))))
    }
}

pub(super) fn read(
    format: &FlattenedFormat,
    envelope: &Envelope<'_>,
    each: &mut dyn FnMut(Read<'_>),
) -> Result<()> {
    let unwrapped = match envelope.value {
        Some(value) => Some(unwrap(value, format.values.schema)?),
        None => None,
    };
    let row = unwrapped.and_then(|unwrapped| unwrapped.payload);
    let added = Added::read(&format.prefix, envelope, row)?;
    let op = match (row, format.deletes) {
        (None, DeleteMode::Tombstone | DeleteMode::DeleteToTombstone) => Op::Delete,
        (None, DeleteMode::RewriteWithTombstone) => {
            each(Read::Ignored(Ignored::Tombstone));
            return Ok(());
        }
        (None, DeleteMode::Rewrite | DeleteMode::Drop) => {
            return Err(problem("it has a null value, which this delete mode does not make")
                .hint("state delete.tombstone.handling.mode of the connector as `deletes`"));
        }
        (Some(_), _) => operation(&added)?,
    };
    let is_read = added.text("op")?.is_some_and(|op| op == "r");
    let mut change = ChangeMessage::new(op).of(TableName {
        database: added.text("db")?,
        schema: added.text("schema")?,
        table: added.text("table")?,
    });
    change.index = second_half(envelope);
    change.key = key(envelope, format.values.schema)?;
    change.snapshot =
        if row.is_some() { snapshot(added.raw("snapshot"), is_read) } else { Snapshot::No };
    change.evidence = added.evidence()?;
    change.made_at = added
        .raw("ts_ms")
        .and_then(number)
        .and_then(|millis| i64::try_from(millis).ok()?.checked_mul(1_000))
        .map(Timestamp);
    change.is_source_time = added.has_source_time();
    change.transaction = match added.text("transaction_id")? {
        None => added.text("gtid")?,
        found => found,
    };
    change.schema = unwrapped.and_then(|unwrapped| unwrapped.schema);
    match (&change.op, row) {
        (Op::Delete, Some(row)) if format.values.full_before => change.before = Before::Whole(row),
        (Op::Delete, Some(row)) => change.before = Before::Identity(row),
        (_, row) => {
            change.may_change_key = !is_insert(&added)?;
            change.after = row;
        }
    }
    each(Read::Change(change));
    Ok(())
}

fn operation<'a>(added: &Added<'a>) -> Result<Op<'a>> {
    let is_deleted = added.text("deleted")?.is_some_and(|deleted| deleted == "true");
    Ok(match added.text("op")?.as_deref() {
        Some("d") => Op::Delete,
        _ if is_deleted => Op::Delete,
        None | Some("c" | "u" | "r") => Op::Upsert,
        Some(other) => Op::Unknown(Cow::Owned(other.to_owned())),
    })
}

fn is_insert(added: &Added<'_>) -> Result<bool> {
    Ok(added.text("op")?.is_some_and(|op| op == "c" || op == "r"))
}

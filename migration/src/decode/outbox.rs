//! The outbox's messages: `op` is `upsert` or `delete`, the payload a JSON object with the whole
//! row, or for a delete at least its key columns.

use super::{Decoded, json};
use crate::batch::{Batch, Schema};
use crate::error::{Error, ErrorKind};
use crate::key::{self, Key};
use crate::layout::Layout;
use crate::protocol::Effect;
use crate::queue::Message;
use serde_json::value::RawValue;

/// Why a message cannot be decoded, and the record's key where it could be read.
pub(super) type Failure = (Error, Option<Key>);

/// Decodes one message and, for an upsert, appends its row to `records`.
pub(super) fn decode(
    layout: &Layout,
    message: &Message,
    records: &mut Batch,
) -> Result<Decoded, Failure> {
    let schema = layout.source();
    let no_key = |error| (error, None);
    let payload = message.payload.as_deref();
    let payload = payload.ok_or_else(|| no_key(refused(message, "it has no payload")))?;
    let columns = json::columns(schema, payload)
        .map_err(|error| no_key(refused(message, "its payload is not a row").because(error)))?;
    let key = key_of(schema, &columns)
        .map_err(|error| no_key(refused(message, "its key cannot be read").because(error)))?;
    let effect = match effect(message) {
        Ok(effect) => effect,
        Err(error) => return Err((error, Some(key))),
    };
    if effect == Effect::Set
        && let Err(error) = push_row(schema, &columns, records)
    {
        records.discard_partial();
        let error = refused(message, "its row cannot be read").because(error);
        return Err((error, Some(key)));
    }
    Ok(Decoded { key, effect })
}

fn effect(message: &Message) -> Result<Effect, Error> {
    let op = message.headers.iter().find(|(name, _)| name == "op").map(|(_, op)| op.as_slice());
    match op {
        Some(b"upsert") => Ok(Effect::Set),
        Some(b"delete") => Ok(Effect::Delete),
        Some(other) => {
            let shown = String::from_utf8_lossy(other.get(..32).unwrap_or(other)).into_owned();
            Err(refused(message, "its op is neither upsert nor delete").with("op", shown))
        }
        None => Err(refused(message, "it has no op")),
    }
}

fn key_of(schema: &Schema, columns: &[Option<&RawValue>]) -> crate::error::Result<Key> {
    let mut bytes = Vec::with_capacity(32);
    for &place in &schema.key {
        let column = &schema.columns[place];
        let raw = columns[place].ok_or_else(|| {
            Error::new(ErrorKind::Unreadable, "read key: a column is missing")
                .with("column", &column.name)
        })?;
        json::value(raw.get(), column.column_type, |value| key::push(value, &mut bytes))
            .map_err(|error| error.with("column", &column.name))?;
    }
    Ok(Key::from_bytes(bytes))
}

fn push_row(
    schema: &Schema,
    columns: &[Option<&RawValue>],
    records: &mut Batch,
) -> crate::error::Result<()> {
    for (column, raw) in schema.columns.iter().zip(columns) {
        let raw = raw.ok_or_else(|| {
            Error::new(ErrorKind::Unreadable, "read row: a column is missing")
                .with("column", &column.name)
                .hint("an upsert carries the whole row, null included")
        })?;
        json::value(raw.get(), column.column_type, |value| records.push(value))
            .map_err(|error| error.with("column", &column.name))?;
    }
    Ok(())
}

/// An error about a message: where it is, never what it holds.
pub(super) fn refused(message: &Message, problem: &str) -> Error {
    Error::new(ErrorKind::Unreadable, "decode change")
        .with("table", &message.topic)
        .with("offset", message.offset)
        .with("problem", problem)
}

//! The outbox's messages: `op` is `upsert` or `delete`, the payload a JSON object with the whole
//! row, or for a delete at least its key columns.

use super::{Envelope, problem};
use crate::decode::message::{Before, ChangeMessage, Op, Read, TableName};
use crate::error::Result;

/// Most bytes of an unknown operation that an error shows.
const SHOWN: usize = 32;

pub(super) fn read(envelope: &Envelope<'_>, each: &mut dyn FnMut(Read<'_>)) -> Result<()> {
    let row = envelope.value.ok_or_else(|| problem("it has no payload"))?;
    let op = match envelope.header("op") {
        Some(b"upsert") => Op::Upsert,
        Some(b"delete") => Op::Delete,
        Some(other) => Op::Unknown(String::from_utf8_lossy(other.get(..SHOWN).unwrap_or(other))),
        None => Op::Unknown("(none)".into()),
    };
    let mut change = ChangeMessage::new(op).of(TableName::default());
    match change.op {
        Op::Upsert => change.after = Some(row),
        _ => change.before = Before::Whole(row),
    }
    each(Read::Change(change));
    Ok(())
}

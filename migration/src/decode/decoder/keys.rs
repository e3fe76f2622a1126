//! The keys of a change: of its record, and of the record that it was before.

use crate::decode::message::{Before, ChangeMessage, Op};
use crate::decode::record::{Fields, Reader};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use serde_json::value::RawValue;

/// What a change holds of its record, split into columns.
pub(super) struct Parts<'a> {
    /// After the change.
    after: Fields<'a>,
    /// Beside the row.
    beside: Fields<'a>,
    /// Before the change; read for a delete at once, for an upsert only where it matters.
    before: Fields<'a>,
}

impl<'a> Parts<'a> {
    pub(super) fn read(reader: &Reader<'_>, change: &ChangeMessage<'a>) -> Result<Self> {
        let is_upsert = change.op == Op::Upsert;
        let before = match change.before {
            Before::Whole(row) if !is_upsert => reader.fields(row)?,
            // With the key beside the row there is no need to trust it.
            Before::Identity(row) if !is_upsert && reader.codec.full_before => {
                reader.fields(row)?
            }
            _ => Vec::new(),
        };
        // What the key of an upsert was before matters only if it may have changed.
        let needs_beside = !is_upsert || change.may_change_key || change.key_completes_row;
        Ok(Self {
            after: change.after.map_or(Ok(Vec::new()), |row| reader.fields(row))?,
            beside: if needs_beside { reader.key_fields(change.key)? } else { Vec::new() },
            before,
        })
    }

    /// The key of the record.
    pub(super) fn key(&self, reader: &Reader<'_>, op: &Op<'_>) -> Result<Key> {
        match op {
            Op::Upsert => reader.key(&self.row()),
            Op::Delete | Op::Unknown(_) => {
                reader.key(&[&self.beside, &self.before, &self.after]).map_err(|error| {
                    error.hint(
                        "on PostgreSQL, a key that is not the primary key needs REPLICA IDENTITY \
                         FULL, and full_before = true in the plan",
                    )
                })
            }
        }
    }

    /// Where the columns of the row are.
    pub(super) fn row(&self) -> [&Fields<'a>; 2] {
        [&self.after, &self.beside]
    }

    /// The key that the record had before an upsert, if the message tells and it could be another.
    pub(super) fn old_key(
        &self,
        reader: &Reader<'_>,
        change: &ChangeMessage<'_>,
    ) -> Result<Option<Key>> {
        // Producers with a key beside the row send a change of it as a delete and an insert.
        if change.may_change_key && reader.covers_key(&self.beside) {
            return Ok(None);
        }
        match change.before {
            Before::Whole(row) => reader.key(&[&reader.fields(row)?]).map(Some),
            Before::Identity(row) if reader.codec.full_before => {
                reader.key(&[&reader.fields(row)?]).map(Some)
            }
            Before::Changed(row) => {
                let changed = reader.fields(row)?;
                if !reader.touches_key(&changed) {
                    return Ok(None);
                }
                reader.key(&[&changed, &self.after]).map(Some)
            }
            Before::Unaligned(entries) => {
                let touches = |entry: &&RawValue| {
                    reader.fields(entry.get()).map(|changed| reader.touches_key(&changed))
                };
                for entry in entries.iter().flatten() {
                    if touches(entry)? {
                        return Err(untold("which row had which key before is not told"));
                    }
                }
                Ok(None)
            }
            Before::None | Before::Identity(_) if change.may_change_key => {
                Err(untold("the key before the update is not told").hint(
                    "let the plan's key be the one that the producer sends, or have it send whole \
                     rows (PostgreSQL: REPLICA IDENTITY FULL, and full_before = true in the plan)",
                ))
            }
            Before::None | Before::Identity(_) => Ok(None),
        }
    }
}

fn untold(problem: &str) -> Error {
    Error::new(ErrorKind::Unreadable, "read key before").with("problem", problem)
}

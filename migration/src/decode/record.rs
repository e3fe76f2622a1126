//! The second step of decoding: fields of a row as typed values of the source table.

use super::codec::Codec;
use super::fields::columns;
use super::json_error::JsonError;
use super::message::KeyFields;
use super::outcome::Flaw;
use super::value::value;
use super::wire::Wire;
use crate::batch::{Batch, Schema};
use crate::error::{Error, ErrorKind, Result};
use crate::key::{self, Key};
use crate::value::{ColumnType, Value};
use std::borrow::Cow;

/// The JSON text of a row's columns, by their place in the schema.
pub(super) type Fields<'a> = Vec<Option<Cow<'a, str>>>;

/// How rows of one table are read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'c> {
    pub(super) schema: &'c Schema,
    pub(super) codec: &'c Codec,
    /// Those of the codec, or of the schema that came with the row.
    pub(super) wires: &'c [Wire],
}

impl Reader<'_> {
    /// The columns of a JSON object.
    pub(super) fn fields<'a>(&self, object: &'a str) -> Result<Fields<'a>> {
        let found = columns(self.schema, object)
            .map_err(|error| Error::new(ErrorKind::Unreadable, "read row").because(error))?;
        Ok(found.into_iter().map(|raw| raw.map(Cow::Borrowed)).collect())
    }

    /// The columns that stand beside the row.
    pub(super) fn key_fields<'a>(&self, key: KeyFields<'a>) -> Result<Fields<'a>> {
        let only = |raw: Cow<'a, str>| match self.schema.key.as_slice() {
            [column] => {
                let mut fields = vec![None; self.schema.columns.len()];
                fields[*column] = Some(raw);
                Ok(fields)
            }
            _ => Err(Error::new(ErrorKind::Unreadable, "read key: it is one value")
                .with("columns", self.schema.key.len())),
        };
        match key {
            KeyFields::None => Ok(Vec::new()),
            KeyFields::Object(object) => self.fields(object),
            KeyFields::Scalar(raw) => {
                let raw =
                    serde_json::from_str::<&serde_json::value::RawValue>(raw).map_err(|error| {
                        Error::new(ErrorKind::Unreadable, "read key")
                            .because(JsonError::from(error))
                    })?;
                only(Cow::Borrowed(raw.get()))
            }
            KeyFields::Bare(text) => only(self.bare(text)?),
        }
    }

    /// Bare text as the JSON of the only key column.
    fn bare<'a>(&self, text: &'a str) -> Result<Cow<'a, str>> {
        let number = |place: &usize| {
            let column_type = self.schema.columns[*place].column_type;
            matches!(column_type, ColumnType::Int | ColumnType::Unsigned)
        };
        if self.schema.key.first().is_some_and(number) {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            return if is_number {
                Ok(Cow::Borrowed(text))
            } else {
                Err(Error::new(ErrorKind::Unreadable, "read key: it is no number"))
            };
        }
        Ok(Cow::Owned(serde_json::Value::from(text).to_string()))
    }

    /// The record's key, each column from the first of `sources` that has it.
    pub(super) fn key(&self, sources: &[&Fields<'_>]) -> Result<Key> {
        let mut bytes = Vec::with_capacity(32);
        for &place in &self.schema.key {
            let column = &self.schema.columns[place];
            let raw = sources.iter().find_map(|fields| fields.get(place)?.as_deref());
            let raw = raw.ok_or_else(|| {
                Error::new(ErrorKind::Unreadable, "read key: a column is missing")
                    .with("column", &column.name)
            })?;
            value(raw, &self.wires[place], |value| {
                // A signed and an unsigned five are one five, but a key of the table fits it.
                if value.fits(column.column_type) {
                    key::push(value, &mut bytes)
                } else {
                    Err(Error::new(ErrorKind::Unreadable, "read key: it does not fit the column")
                        .with("found", value.kind()))
                }
            })
            .map_err(|error| error.with("column", &column.name))?;
        }
        Ok(Key::from_bytes(bytes))
    }

    /// Whether `fields` hold every column of the key.
    pub(super) fn covers_key(&self, fields: &Fields<'_>) -> bool {
        self.schema.key.iter().all(|&place| has(fields, place))
    }

    /// Whether `fields` hold some column of the key.
    pub(super) fn touches_key(&self, fields: &Fields<'_>) -> bool {
        self.schema.key.iter().any(|&place| has(fields, place))
    }

    /// Appends a row to `records`, each column from the first of `sources` that has it. On an error
    /// nothing is appended.
    pub(super) fn push(
        &self,
        sources: &[&Fields<'_>],
        records: &mut Batch,
    ) -> std::result::Result<(), (Flaw, Error)> {
        let pushed = self.push_columns(sources, records);
        if pushed.is_err() {
            records.discard_partial();
        }
        pushed
    }

    fn push_columns(
        &self,
        sources: &[&Fields<'_>],
        records: &mut Batch,
    ) -> std::result::Result<(), (Flaw, Error)> {
        let columns = self.schema.columns.iter().zip(self.wires);
        for (place, (column, wire)) in columns.enumerate() {
            let raw = sources.iter().find_map(|fields| fields.get(place)?.as_deref());
            let result = match raw {
                Some(raw) if self.codec.unavailable.as_ref().is_some_and(|u| u.is(raw)) => {
                    Err((Flaw::Incomplete, incomplete("a value is not in the source's log")))
                }
                Some(raw) => value(raw, wire, |value| records.push(value))
                    .map_err(|error| (Flaw::Unreadable, error)),
                None if self.codec.nulls_left_out => {
                    records.push(Value::Null).map_err(|error| (Flaw::Unreadable, error))
                }
                None => Err((Flaw::Incomplete, incomplete("a column is missing"))),
            };
            result.map_err(|(flaw, error)| (flaw, error.with("column", &column.name)))?;
        }
        Ok(())
    }
}

fn has(fields: &Fields<'_>, place: usize) -> bool {
    fields.get(place).is_some_and(Option::is_some)
}

/// Why a row is not whole.
pub(super) fn incomplete(problem: &str) -> Error {
    Error::new(ErrorKind::Unreadable, format!("read row: {problem}"))
        .hint("an upsert carries the whole row, null included; replay reads it from the source")
}

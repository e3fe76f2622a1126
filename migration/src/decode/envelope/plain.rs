//! JSON as an application writes it, read as the plan says.

use super::debezium::number;
use super::{Envelope, not_json, problem};
use crate::clock::Timestamp;
use crate::decode::evidence::Evidence;
use crate::decode::fields::members;
use crate::decode::format::{KeyFrom, NullValue, Operation, Place, PlainFormat};
use crate::decode::message::{
    Before, ChangeMessage, Ignored, KeyFields, NO_WORD, Op, Read, TableName,
};
use crate::decode::value::text;
use crate::error::Result;
use std::borrow::Cow;

/// The members of a value that the plan names: operation, table, row, row before, version, time.
type Found<'a> = [Option<&'a str>; 6];

/// Reads `value`, which may be a part of the message's own.
pub(super) fn read(
    format: &PlainFormat,
    envelope: &Envelope<'_>,
    value: Option<&str>,
    each: &mut dyn FnMut(Read<'_>),
) -> Result<()> {
    let key = key(format.key, envelope)?;
    let Some(value) = value else { return null_value(format, envelope, key, each) };
    let outer;
    let value = if format.in_string && format.row_field.is_none() {
        outer = unquoted(value)?;
        &*outer
    } else {
        value
    };
    let found = find(format, value)?;
    let table = table_name(&format.table, envelope, found[1])?;
    let op = match operation(format, envelope, found[0])? {
        Ok(Operation::Upsert) => Op::Upsert,
        Ok(Operation::Delete) => Op::Delete,
        Ok(Operation::Truncate) => {
            each(Read::Truncate(table));
            return Ok(());
        }
        Ok(Operation::Ignore) => {
            each(Read::Ignored(Ignored::Event));
            return Ok(());
        }
        Err(word) => Op::Unknown(word),
    };
    let (inner, inner_before);
    let row = match (&format.row_field, found[2]) {
        (None, _) => Some(value),
        (Some(_), Some(raw)) if format.in_string && raw != "null" => {
            inner = unquoted(raw)?;
            Some(&*inner)
        }
        (Some(_), found) => found.filter(|raw| *raw != "null"),
    };
    let before = match found[3].filter(|raw| *raw != "null") {
        Some(raw) if format.in_string => {
            inner_before = unquoted(raw)?;
            Some(&*inner_before)
        }
        found => found,
    };
    let mut change = ChangeMessage::new(op).of(table);
    change.key = key;
    change.key_completes_row = true;
    change.before = match (&change.op, before) {
        (_, Some(before)) => Before::Whole(before),
        (Op::Upsert, None) => Before::None,
        (_, None) => row.map_or(Before::None, Before::Whole),
    };
    if change.op == Op::Upsert {
        change.after = Some(row.ok_or_else(|| problem("it has no row"))?);
    }
    change.evidence = found[4].and_then(number).map(Evidence::RowVersion);
    let millis = found[5].and_then(number).and_then(|millis| i64::try_from(millis).ok());
    change.made_at = millis.and_then(|millis| millis.checked_mul(1_000)).map(Timestamp);
    each(Read::Change(change));
    Ok(())
}

fn null_value(
    format: &PlainFormat,
    envelope: &Envelope<'_>,
    key: KeyFields<'_>,
    each: &mut dyn FnMut(Read<'_>),
) -> Result<()> {
    match format.null_value {
        NullValue::Refuse => {
            return Err(problem("it has a null value")
                .hint("say what that means: null_value = \"delete\" or \"ignore\""));
        }
        NullValue::Ignore => each(Read::Ignored(Ignored::Tombstone)),
        NullValue::Delete => {
            let table = table_name(&format.table, envelope, None)?;
            let mut change = ChangeMessage::new(Op::Delete).of(table);
            change.key = key;
            each(Read::Change(change));
        }
    }
    Ok(())
}

fn find<'a>(format: &PlainFormat, value: &'a str) -> Result<Found<'a>> {
    let field = |place: Option<&'_ Place>| match place {
        Some(Place::Field(name)) => Some(name.clone()),
        _ => None,
    };
    let names = [
        field(format.operations.as_ref().map(|operations| &operations.place)),
        field(format.table.as_ref()),
        format.row_field.clone(),
        format.before_field.clone(),
        format.version.clone(),
        format.made_at_ms.clone(),
    ];
    if names.iter().all(Option::is_none) {
        return Ok([None; 6]);
    }
    members(value, names.each_ref().map(|name| name.as_deref())).map_err(not_json)
}

/// What the message does, or the word that the plan does not know.
fn operation<'a>(
    format: &PlainFormat,
    envelope: &Envelope<'a>,
    field: Option<&'a str>,
) -> Result<std::result::Result<Operation, Cow<'a, str>>> {
    let Some(operations) = &format.operations else { return Ok(Ok(Operation::Upsert)) };
    let Some(word) = word(&operations.place, envelope, field)? else {
        return Ok(Err(NO_WORD.into()));
    };
    Ok(operations.of(&word).ok_or(word))
}

/// A word in a field or a header; numbers and truth values count as the text they are.
fn word<'a>(
    place: &Place,
    envelope: &Envelope<'a>,
    field: Option<&'a str>,
) -> Result<Option<Cow<'a, str>>> {
    match place {
        Place::Field(_) => match field {
            Some(raw) if raw.starts_with('"') => text(raw).map(Some),
            Some(raw) if raw.starts_with(['{', '[']) => {
                Err(problem("a word is an object or an array"))
            }
            other => Ok(other.filter(|raw| *raw != "null").map(Cow::Borrowed)),
        },
        Place::Header(name) => match envelope.header(name).map(std::str::from_utf8) {
            Some(Err(error)) => Err(problem("a header is not UTF-8").because(error)),
            Some(Ok(text)) => Ok(Some(Cow::Borrowed(text))),
            None => Ok(None),
        },
    }
}

fn table_name<'a>(
    place: &Option<Place>,
    envelope: &Envelope<'a>,
    field: Option<&'a str>,
) -> Result<TableName<'a>> {
    let Some(place) = place else { return Ok(TableName::default()) };
    let table = word(place, envelope, field)?.ok_or_else(|| problem("it names no table"))?;
    // Names may be qualified: the last part is the table.
    Ok(match &table {
        Cow::Borrowed(name) => match name.rsplit_once('.') {
            Some((schema, table)) => TableName {
                schema: Some(Cow::Borrowed(schema)),
                table: Some(Cow::Borrowed(table)),
                ..TableName::default()
            },
            None => TableName { table: Some(table), ..TableName::default() },
        },
        Cow::Owned(_) => TableName { table: Some(table), ..TableName::default() },
    })
}

fn key<'a>(from: KeyFrom, envelope: &Envelope<'a>) -> Result<KeyFields<'a>> {
    match (from, envelope.key) {
        (KeyFrom::Row, _) => Ok(KeyFields::None),
        (KeyFrom::Json | KeyFrom::Text, None) => Err(problem("it has no key")),
        (KeyFrom::Json, Some(key)) if key.trim_start().starts_with('{') => {
            Ok(KeyFields::Object(key))
        }
        (KeyFrom::Json, Some(key)) => Ok(KeyFields::Scalar(key)),
        (KeyFrom::Text, Some(key)) => Ok(KeyFields::Bare(key)),
    }
}

/// JSON in a JSON string.
pub(super) fn unquoted(raw: &str) -> Result<Cow<'_, str>> {
    if raw.trim_start().starts_with('"') {
        return text(raw.trim());
    }
    Err(problem("its row is not in a string").hint("write in_string = false"))
}

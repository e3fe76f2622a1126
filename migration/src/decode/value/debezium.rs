//! Kafka Connect's JSON with Debezium's types. What is not listed here is written as JSON is.
//!
//! | column | on the wire |
//! |---|---|
//! | decimal | base64 of the unscaled integer; digits; a number; `{scale,value}` where scales vary |
//! | unsigned 64-bit | a signed number that wraps around; base64 where the producer is precise |
//! | bits | true and false for one bit, else base64 with the lowest byte first |
//! | enum (MySQL) | the member, with a backslash before each comma |
//! | float | a number, or `NaN`, `Infinity`, `-Infinity` |
//! | array, point (PostgreSQL) | a JSON array; `{x,y,..}` |
//! | geometry (MySQL) | `{wkb,srid,..}` |
//! | day, time | a number; ISO 8601, of which days and times may end in Z as well |
//!
//! An interval and a time with zone arrive changed, so they are refused.

use super::{Token, array, binary, bits, decimal, json, moment, problem, wrong};
use crate::decode::column::{ColumnKind, Dialect};
use crate::decode::format::{Binary, Decimals};
use crate::decode::wire::Wire;
use crate::error::Result;
use crate::value::{ColumnType, Value};
use serde_json::value::RawValue;
use std::borrow::Cow;

pub(super) fn value<T>(
    token: &Token<'_>,
    wire: &Wire,
    push: impl FnOnce(Value<'_>) -> Result<T>,
) -> Result<T> {
    let wrong = || wrong(token, wire);
    match (wire.column_type, token) {
        (_, token) if wire.traits.kind != ColumnKind::Plain => kind(token, wire, push),
        (ColumnType::Unsigned, Token::Number(digits)) => {
            let value = json::int(digits).ok_or_else(wrong)?;
            push(Value::Int(unwrapped(value)))
        }
        // The plan may take a decimal without fraction for an integer.
        (ColumnType::Int | ColumnType::Unsigned, Token::Text(_) | Token::Nested(_))
            if wire.traits.scale.is_some() || matches!(token, Token::Nested(_)) =>
        {
            push(Value::Int(json::int(&decimal_digits(token, wire)?).ok_or_else(wrong)?))
        }
        (ColumnType::Int | ColumnType::Unsigned, Token::Text(text)) => {
            let bytes = binary::decode(text, Binary::Base64).ok_or_else(wrong)?;
            push(Value::Int(decimal::small(&bytes).ok_or_else(wrong)?))
        }
        (ColumnType::Decimal, Token::Text(_) | Token::Nested(_)) => {
            push(Value::Decimal(&decimal_digits(token, wire)?))
        }
        (ColumnType::Text, _) if wire.traits.fraction.is_some() => {
            Err(problem(token, wire, "days and times are not made into text"))
        }
        // The plan may take a decimal for text: then it is the text of the decimal.
        (ColumnType::Text, Token::Nested(_)) => push(Value::Text(&decimal_digits(token, wire)?)),
        (ColumnType::Text, Token::Text(_)) if wire.traits.scale.is_some() => {
            push(Value::Text(&decimal_digits(token, wire)?))
        }
        (ColumnType::Float32, Token::Text(text)) => {
            push(Value::Float32(special(text).ok_or_else(wrong)?))
        }
        (ColumnType::Float64, Token::Text(text)) => {
            push(Value::Float64(special::<f32>(text).ok_or_else(wrong)?.into()))
        }
        (ColumnType::Date | ColumnType::Time | ColumnType::Timestamp, Token::Text(text)) => {
            let bare = text.strip_suffix('Z').unwrap_or(text);
            push(moment::text(bare, wire).map_err(|why| problem(token, wire, why))?)
        }
        (
            ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz,
            Token::Nested(_),
        ) => Err(problem(token, wire, "days and times that are objects are not read")
            .hint("set time.precision.mode of the connector to adaptive_time_microseconds")),
        _ => json::value(token, wire, push),
    }
}

/// Columns whose kind decides.
fn kind<T>(token: &Token<'_>, wire: &Wire, push: impl FnOnce(Value<'_>) -> Result<T>) -> Result<T> {
    let wrong = || wrong(token, wire);
    match (&wire.traits.kind, token) {
        (ColumnKind::Bits | ColumnKind::VaryingBits, Token::Bool(bit)) => {
            bits::value(&[u8::from(*bit)], wire.column_type, &wire.traits, push)
                .ok_or_else(wrong)?
        }
        (ColumnKind::Bits | ColumnKind::VaryingBits, Token::Text(text)) => {
            let bytes = binary::decode(text, Binary::Base64).ok_or_else(wrong)?;
            bits::value(&bytes, wire.column_type, &wire.traits, push).ok_or_else(wrong)?
        }
        (ColumnKind::Enum(_), Token::Text(text)) if wire.column_type == ColumnType::Text => {
            match wire.traits.dialect {
                Dialect::MySql => push(Value::Text(&member(text))),
                _ => push(Value::Text(text)),
            }
        }
        (ColumnKind::Array(element), Token::Nested(raw))
            if wire.column_type == ColumnType::Text =>
        {
            push(Value::Text(&array::literal(raw, *element).ok_or_else(wrong)?))
        }
        (ColumnKind::Point, Token::Nested(raw)) if wire.column_type == ColumnType::Text => {
            push(Value::Text(&array::point(raw).ok_or_else(wrong)?))
        }
        (ColumnKind::Geometry, Token::Nested(raw))
            if wire.column_type == ColumnType::Bytes && wire.traits.dialect == Dialect::MySql =>
        {
            push(Value::Bytes(&array::geometry(raw).ok_or_else(wrong)?))
        }
        (ColumnKind::Money, Token::Text(_)) if wire.column_type == ColumnType::Decimal => {
            push(Value::Decimal(&decimal_digits(token, wire)?))
        }
        (ColumnKind::TimeTz | ColumnKind::Interval, _) => {
            Err(problem(token, wire, "the producer writes another value than the database shows"))
        }
        (ColumnKind::Set(_) | ColumnKind::FixedBytes | ColumnKind::Plain, _) => {
            json::value(token, wire, push)
        }
        _ => Err(wrong()),
    }
}

/// A column without a sign never holds a negative number: that is one above 2^63, wrapped around.
fn unwrapped(value: i128) -> i128 {
    let wraps = (i128::from(i64::MIN)..0).contains(&value);
    if wraps { value + (1 << 64) } else { value }
}

/// The producer marks the commas within a member, to tell them from those between members.
fn member(text: &str) -> Cow<'_, str> {
    if text.contains("\\,") { Cow::Owned(text.replace("\\,", ",")) } else { Cow::Borrowed(text) }
}

fn special<F: From<f32>>(text: &str) -> Option<F> {
    match text {
        "NaN" => Some(f32::NAN.into()),
        "Infinity" => Some(f32::INFINITY.into()),
        "-Infinity" => Some(f32::NEG_INFINITY.into()),
        _ => None,
    }
}

/// A decimal whose scale comes with it.
#[derive(serde::Deserialize)]
struct Variable<'a> {
    scale: i64,
    #[serde(borrow)]
    value: &'a RawValue,
}

fn decimal_digits(token: &Token<'_>, wire: &Wire) -> Result<String> {
    let wrong = || wrong(token, wire);
    match token {
        Token::Nested(raw) => {
            let variable: Variable<'_> = serde_json::from_str(raw).map_err(|_| wrong())?;
            let text = super::text(variable.value.get())?;
            let bytes = binary::decode(&text, Binary::Base64).ok_or_else(wrong)?;
            decimal::of_unscaled(&bytes, variable.scale).ok_or_else(wrong)
        }
        Token::Text(text) if wire.decimals == Decimals::Precise => {
            let scale = wire.traits.scale.ok_or_else(|| {
                problem(token, wire, "neither the message nor the database tells its scale")
            })?;
            let bytes = binary::decode(text, Binary::Base64).ok_or_else(wrong)?;
            decimal::of_unscaled(&bytes, scale.into()).ok_or_else(wrong)
        }
        Token::Text(text) => {
            decimal::plain(text, wire.traits.scale).map(Cow::into_owned).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

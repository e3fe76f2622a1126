//! JSON as an application writes it.
//!
//! Integers are numbers; decimals are numbers or strings, with their digits as they stand; bytes
//! are text in the encoding that the plan names; days and times are numbers (days, or the plan's
//! unit) or ISO 8601 strings; a JSON column is either the document itself or a string that holds
//! its text.

use super::{Token, binary, decimal, document, moment, problem, wrong};
use crate::decode::wire::Wire;
use crate::error::Result;
use crate::value::{ColumnType, Value};

pub(super) fn value<T>(
    token: &Token<'_>,
    wire: &Wire,
    push: impl FnOnce(Value<'_>) -> Result<T>,
) -> Result<T> {
    let wrong = || wrong(token, wire);
    match (wire.column_type, token) {
        (ColumnType::Bool, Token::Bool(value)) => push(Value::Bool(*value)),
        (ColumnType::Bool, Token::Number("0")) => push(Value::Bool(false)),
        (ColumnType::Bool, Token::Number("1")) => push(Value::Bool(true)),
        (ColumnType::Int | ColumnType::Unsigned, Token::Number(digits)) => {
            push(Value::Int(int(digits).ok_or_else(wrong)?))
        }
        (ColumnType::Decimal, Token::Number(digits)) => {
            push(Value::Decimal(&decimal::plain(digits, wire.traits.scale).ok_or_else(wrong)?))
        }
        (ColumnType::Decimal, Token::Text(digits)) => {
            push(Value::Decimal(&decimal::plain(digits, wire.traits.scale).ok_or_else(wrong)?))
        }
        (ColumnType::Float32, Token::Number(digits)) => {
            push(Value::Float32(finite32(digits).ok_or_else(wrong)?))
        }
        (ColumnType::Float64, Token::Number(digits)) => {
            push(Value::Float64(finite64(digits).ok_or_else(wrong)?))
        }
        (ColumnType::Text, Token::Text(text)) => push(Value::Text(text)),
        (ColumnType::Bytes, Token::Text(text)) => {
            let bytes = binary::decode(text, wire.binary).ok_or_else(wrong)?;
            push(Value::Bytes(&binary::filled_up(bytes, &wire.traits)))
        }
        (ColumnType::Uuid, Token::Text(text)) => {
            push(Value::Uuid(uuid(text, wire).ok_or_else(wrong)?))
        }
        (ColumnType::Json, Token::Text(text)) => push(document(token, wire, text)?),
        (ColumnType::Json, Token::Number(raw) | Token::Nested(raw)) => {
            push(document(token, wire, raw)?)
        }
        (ColumnType::Json, Token::Bool(value)) => {
            push(Value::Json(if *value { "true" } else { "false" }))
        }
        (
            ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz,
            Token::Number(digits),
        ) => match moment::number(digits, wire) {
            Ok(value) => push(value),
            Err(why) => Err(problem(token, wire, why)),
        },
        (
            ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz,
            Token::Text(text),
        ) => match moment::text(text, wire) {
            Ok(value) => push(value),
            Err(why) => Err(problem(token, wire, why)),
        },
        _ => Err(wrong()),
    }
}

/// An identifier as text, or as the bytes that a column of bytes holds.
fn uuid(text: &str, wire: &Wire) -> Option<[u8; 16]> {
    if let Ok(uuid) = text.parse::<uuid::Uuid>() {
        return Some(uuid.into_bytes());
    }
    binary::filled_up(binary::decode(text, wire.binary)?, &wire.traits).try_into().ok()
}

/// An integer of any 64-bit type: what does not fit the column is refused when it is pushed.
pub(super) fn int(digits: &str) -> Option<i128> {
    // The usual length needs no 128-bit arithmetic.
    match digits.parse::<i64>() {
        Ok(value) => Some(value.into()),
        Err(_) => digits.parse().ok(),
    }
}

/// Rust reads a number that is too large as infinity, which it is not.
pub(super) fn finite32(digits: &str) -> Option<f32> {
    digits.parse().ok().filter(|value: &f32| value.is_finite())
}

/// As [`finite32`].
pub(super) fn finite64(digits: &str) -> Option<f64> {
    digits.parse().ok().filter(|value: &f64| value.is_finite())
}

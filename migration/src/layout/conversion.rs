//! Conversions between column types that lose nothing, each with its inverse; and those that lose
//! what the plan names, which have none.

use crate::error::{Error, ErrorKind, Result};
use crate::plan::Loss;
use crate::value::{ColumnType, Value};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// How a source value becomes a target value and back. Null stays null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// The same type, or signed to unsigned and back, checked value by value.
    Same,
    /// An integer as its decimal digits.
    IntToText,
    /// An integer as a decimal of scale zero.
    IntToDecimal,
    /// 0 and 1 as false and true.
    IntToBool,
    /// Microseconds since 1970 as a timestamp without zone.
    IntToTimestamp,
    /// Microseconds since the Unix epoch as a moment in time.
    IntToTimestampTz,
    /// JSON kept as the text it is.
    JsonToText,
    /// One of the above the other way round.
    Inverse(&'static Conversion),
    /// Text without its zero bytes.
    WithoutNul,
    /// A day or a moment in text as this type; a day that is none as null.
    WithoutZeroDates(ColumnType),
}

impl Conversion {
    /// The conversion between two types, if there is one that loses nothing.
    #[must_use]
    pub fn between(from: ColumnType, to: ColumnType) -> Option<Self> {
        use ColumnType as T;
        Some(match (from, to) {
            (from, to) if from == to => Self::Same,
            (T::Int, T::Unsigned) | (T::Unsigned, T::Int) => Self::Same,
            (T::Int | T::Unsigned, T::Text) => Self::IntToText,
            (T::Int | T::Unsigned, T::Decimal) => Self::IntToDecimal,
            (T::Int, T::Bool) => Self::IntToBool,
            (T::Int, T::Timestamp) => Self::IntToTimestamp,
            (T::Int, T::TimestampTz) => Self::IntToTimestampTz,
            (T::Json, T::Text) => Self::JsonToText,
            (T::Bool, T::Int) => Self::Inverse(&Self::IntToBool),
            (T::Timestamp, T::Int) => Self::Inverse(&Self::IntToTimestamp),
            (T::TimestampTz, T::Int) => Self::Inverse(&Self::IntToTimestampTz),
            _ => return None,
        })
    }

    /// The conversion that may lose this, if it can come about between the types.
    #[must_use]
    pub fn losing(loss: Loss, from: ColumnType, to: ColumnType) -> Option<Self> {
        use ColumnType as T;
        match (loss, from, to) {
            (Loss::Nul, T::Text, T::Text) => Some(Self::WithoutNul),
            (Loss::ZeroDate, T::Text, T::Date | T::Timestamp | T::TimestampTz) => {
                Some(Self::WithoutZeroDates(to))
            }
            _ => None,
        }
    }

    /// Converts a source value and hands the target value to `push`.
    ///
    /// # Errors
    /// `Unreadable` for a value that has no exact counterpart; errors of `push`.
    pub fn forward<T>(
        &self,
        value: Value<'_>,
        push: impl FnOnce(Value<'_>) -> Result<T>,
    ) -> Result<T> {
        match (self, value) {
            (_, Value::Null) | (Self::Same, _) => push(value),
            (Self::Inverse(inner), _) => inner.backward(value, push),
            (Self::IntToText, Value::Int(int)) => push(Value::Text(&int.to_string())),
            (Self::IntToDecimal, Value::Int(int)) => push(Value::Decimal(&int.to_string())),
            (Self::IntToBool, Value::Int(0)) => push(Value::Bool(false)),
            (Self::IntToBool, Value::Int(1)) => push(Value::Bool(true)),
            (Self::IntToTimestamp, Value::Int(int)) => push(Value::Timestamp(micros(int)?)),
            (Self::IntToTimestampTz, Value::Int(int)) => push(Value::TimestampTz(micros(int)?)),
            (Self::JsonToText, Value::Json(text)) => push(Value::Text(text)),
            (Self::WithoutNul, Value::Text(text)) if text.contains('\0') => {
                push(Value::Text(&text.replace('\0', "")))
            }
            (Self::WithoutNul, Value::Text(_)) => push(value),
            (Self::WithoutZeroDates(to), Value::Text(text)) => {
                push(without_zero_dates(text, *to).ok_or_else(|| no_counterpart(value))?)
            }
            _ => Err(no_counterpart(value)),
        }
    }

    /// Converts a target value and hands the source value to `push`: the inverse of
    /// [`Self::forward`].
    ///
    /// # Errors
    /// `Unreadable` for a value that `forward` cannot have made; errors of `push`.
    pub fn backward<T>(
        &self,
        value: Value<'_>,
        push: impl FnOnce(Value<'_>) -> Result<T>,
    ) -> Result<T> {
        match (self, value) {
            (_, Value::Null) | (Self::Same, _) => push(value),
            (Self::Inverse(inner), _) => inner.forward(value, push),
            (Self::IntToText, Value::Text(text)) | (Self::IntToDecimal, Value::Decimal(text)) => {
                let int: i128 = text.parse().map_err(|_| no_counterpart(value))?;
                // "+5" and "007" parse, but forward never writes them: they are not the same value.
                if int.to_string() == text {
                    push(Value::Int(int))
                } else {
                    Err(no_counterpart(value))
                }
            }
            (Self::IntToBool, Value::Bool(bool)) => push(Value::Int(bool.into())),
            (Self::IntToTimestamp, Value::Timestamp(micros))
            | (Self::IntToTimestampTz, Value::TimestampTz(micros)) => {
                push(Value::Int(micros.into()))
            }
            (Self::JsonToText, Value::Text(text)) => push(Value::Json(text)),
            _ => Err(no_counterpart(value)),
        }
    }
}

/// A day or a moment as MySQL prints it: null where there is no such day.
fn without_zero_dates(text: &str, to: ColumnType) -> Option<Value<'static>> {
    let (day, _) = text.split_once(' ').unwrap_or((text, ""));
    let is_day = day.len() == 10
        && day.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_day {
        return None;
    }
    let Ok(day) = day.parse::<Date>() else { return Some(Value::Null) };
    let moment: DateTime = if text.len() == 10 { day.at(0, 0, 0, 0) } else { text.parse().ok()? };
    let micros = TimeZone::UTC.to_timestamp(moment).ok()?.as_microsecond();
    match to {
        ColumnType::Timestamp => Some(Value::Timestamp(micros)),
        ColumnType::TimestampTz => Some(Value::TimestampTz(micros)),
        ColumnType::Date if micros.rem_euclid(MICROS_PER_DAY) == 0 => {
            i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok().map(Value::Date)
        }
        _ => None,
    }
}

fn micros(value: i128) -> Result<i64> {
    i64::try_from(value).map_err(|_| no_counterpart(Value::Int(value)))
}

fn no_counterpart(value: Value<'_>) -> Error {
    Error::new(ErrorKind::Unreadable, "convert value: it has no exact counterpart")
        .with("found", value.kind())
}

//! Conversions between column types that lose nothing, each with its inverse.

use crate::error::{Error, ErrorKind, Result};
use crate::value::{ColumnType, Value};

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

fn micros(value: i128) -> Result<i64> {
    i64::try_from(value).map_err(|_| no_counterpart(Value::Int(value)))
}

fn no_counterpart(value: Value<'_>) -> Error {
    Error::new(ErrorKind::Unreadable, "convert value: it has no exact counterpart")
        .with("found", value.kind())
}

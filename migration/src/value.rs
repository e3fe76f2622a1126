//! Typed values and their one canonical encoding, the same for every engine.
//!
//! Comparison and hashing work on these bytes, so two values are equal exactly when their
//! encodings are. The encoding is self-delimiting: no two different rows share their bytes.

use crate::error::{Error, ErrorKind, Result};
use std::fmt;

/// The type of a column, after the engine's own names for it have been left behind.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// Signed 64-bit integer.
    Int,
    /// Unsigned 64-bit integer.
    Unsigned,
    /// Exact decimal; the scale is part of the value.
    Decimal,
    /// IEEE 754 single precision.
    Float32,
    /// IEEE 754 double precision.
    Float64,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Bytes,
    /// Day, without time or zone.
    Date,
    /// Span of time in microseconds: may be negative or beyond a day.
    Time,
    /// Day and time without zone, in microseconds.
    Timestamp,
    /// Moment in time, in microseconds.
    TimestampTz,
    /// 128-bit identifier.
    Uuid,
    /// JSON document, kept as the text it came as.
    Json,
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Unsigned => "unsigned",
            Self::Decimal => "decimal",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamp_tz",
            Self::Uuid => "uuid",
            Self::Json => "json",
        })
    }
}

/// One value, borrowed from the batch (or message) that holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// Any signed or unsigned 64-bit integer: 5 is 5, whichever kind of column held it.
    Int(i128),
    /// Exact decimal as text: optional sign, digits, optional fraction.
    Decimal(&'a str),
    /// Single precision.
    Float32(f32),
    /// Double precision.
    Float64(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds.
    Time(i64),
    /// Microseconds since 1970-01-01T00:00:00, without zone.
    Timestamp(i64),
    /// Microseconds since the Unix epoch.
    TimestampTz(i64),
    /// Identifier.
    Uuid([u8; 16]),
    /// JSON text.
    Json(&'a str),
}

/// First byte of an encoded value. The order of the first eleven is relied on by [`crate::key`].
pub(crate) mod tag {
    pub(crate) const NULL: u8 = 0x00;
    pub(crate) const FALSE: u8 = 0x01;
    pub(crate) const TRUE: u8 = 0x02;
    pub(crate) const INT_NEGATIVE: u8 = 0x03;
    pub(crate) const INT: u8 = 0x04;
    pub(crate) const TEXT: u8 = 0x05;
    pub(crate) const BYTES: u8 = 0x06;
    pub(crate) const DATE: u8 = 0x07;
    pub(crate) const TIME: u8 = 0x08;
    pub(crate) const TIMESTAMP: u8 = 0x09;
    pub(crate) const TIMESTAMP_TZ: u8 = 0x0a;
    pub(crate) const UUID: u8 = 0x0b;
    pub(crate) const DECIMAL: u8 = 0x0c;
    pub(crate) const FLOAT32: u8 = 0x0d;
    pub(crate) const FLOAT64: u8 = 0x0e;
    pub(crate) const JSON: u8 = 0x0f;
}

/// The eight bytes of an integer, and whether it is negative; `None` outside the 64-bit types.
pub(crate) fn int_bytes(value: i128) -> Option<(u8, [u8; 8])> {
    match u64::try_from(value) {
        Ok(unsigned) => Some((tag::INT, unsigned.to_be_bytes())),
        Err(_) => i64::try_from(value).ok().map(|signed| (tag::INT_NEGATIVE, signed.to_be_bytes())),
    }
}

/// The integer behind [`tag::INT_NEGATIVE`]; `None` if it is one that [`int_bytes`] puts elsewhere.
pub(crate) fn negative(bytes: [u8; 8]) -> Option<i128> {
    let value = i64::from_be_bytes(bytes);
    (value < 0).then_some(value.into())
}

/// Every NaN is one NaN, and the two zeros are one zero.
fn the_one_f32(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value + 0.0 }
}

/// As [`the_one_f32`].
fn the_one_f64(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

impl<'a> Value<'a> {
    /// Appends the canonical encoding.
    ///
    /// # Errors
    /// `Unreadable` for an integer outside the 64-bit types or a value of 4 GiB or more.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        match *self {
            Self::Null => out.push(tag::NULL),
            Self::Bool(value) => out.push(if value { tag::TRUE } else { tag::FALSE }),
            Self::Int(value) => {
                let (tag, bytes) = int_bytes(value).ok_or_else(|| {
                    Error::new(ErrorKind::Unreadable, "integer does not fit 64 bits")
                })?;
                out.push(tag);
                out.extend_from_slice(&bytes);
            }
            Self::Float32(value) => {
                out.push(tag::FLOAT32);
                out.extend_from_slice(&the_one_f32(value).to_be_bytes());
            }
            Self::Float64(value) => {
                out.push(tag::FLOAT64);
                out.extend_from_slice(&the_one_f64(value).to_be_bytes());
            }
            Self::Decimal(text) => sized(tag::DECIMAL, text.as_bytes(), out)?,
            Self::Text(text) => sized(tag::TEXT, text.as_bytes(), out)?,
            Self::Json(text) => sized(tag::JSON, text.as_bytes(), out)?,
            Self::Bytes(bytes) => sized(tag::BYTES, bytes, out)?,
            Self::Date(days) => {
                out.push(tag::DATE);
                out.extend_from_slice(&days.to_be_bytes());
            }
            Self::Time(micros) => eight(tag::TIME, micros, out),
            Self::Timestamp(micros) => eight(tag::TIMESTAMP, micros, out),
            Self::TimestampTz(micros) => eight(tag::TIMESTAMP_TZ, micros, out),
            Self::Uuid(bytes) => {
                out.push(tag::UUID);
                out.extend_from_slice(&bytes);
            }
        }
        Ok(())
    }

    /// Reads one value back from exactly the bytes that [`Value::encode`] wrote.
    ///
    /// # Errors
    /// `Unreadable` if the bytes are anything else.
    pub fn decode(bytes: &'a [u8]) -> Result<Self> {
        Self::decode_some(bytes)
            .ok_or_else(|| Error::new(ErrorKind::Unreadable, "decode value: bytes are damaged"))
    }

    fn decode_some(bytes: &'a [u8]) -> Option<Self> {
        let (&first, body) = bytes.split_first()?;
        let array8 = || <[u8; 8]>::try_from(body).ok();
        Some(match first {
            tag::NULL if body.is_empty() => Self::Null,
            tag::FALSE if body.is_empty() => Self::Bool(false),
            tag::TRUE if body.is_empty() => Self::Bool(true),
            tag::INT_NEGATIVE => Self::Int(negative(array8()?)?),
            tag::INT => Self::Int(u64::from_be_bytes(array8()?).into()),
            tag::FLOAT32 => {
                let value = f32::from_be_bytes(body.try_into().ok()?);
                (value.to_bits() == the_one_f32(value).to_bits()).then_some(Self::Float32(value))?
            }
            tag::FLOAT64 => {
                let value = f64::from_be_bytes(array8()?);
                (value.to_bits() == the_one_f64(value).to_bits()).then_some(Self::Float64(value))?
            }
            tag::DECIMAL => Self::Decimal(text(body)?),
            tag::TEXT => Self::Text(text(body)?),
            tag::JSON => Self::Json(text(body)?),
            tag::BYTES => Self::Bytes(unsized_body(body)?),
            tag::DATE => Self::Date(i32::from_be_bytes(body.try_into().ok()?)),
            tag::TIME => Self::Time(i64::from_be_bytes(array8()?)),
            tag::TIMESTAMP => Self::Timestamp(i64::from_be_bytes(array8()?)),
            tag::TIMESTAMP_TZ => Self::TimestampTz(i64::from_be_bytes(array8()?)),
            tag::UUID => Self::Uuid(body.try_into().ok()?),
            _ => return None,
        })
    }

    /// Whether a column of `column_type` can hold this value as it is. Null fits every type.
    #[must_use]
    pub fn fits(&self, column_type: ColumnType) -> bool {
        match *self {
            Self::Null => true,
            Self::Bool(_) => column_type == ColumnType::Bool,
            Self::Int(value) => match column_type {
                ColumnType::Int => i64::try_from(value).is_ok(),
                ColumnType::Unsigned => u64::try_from(value).is_ok(),
                _ => false,
            },
            Self::Decimal(_) => column_type == ColumnType::Decimal,
            Self::Float32(_) => column_type == ColumnType::Float32,
            Self::Float64(_) => column_type == ColumnType::Float64,
            Self::Text(_) => column_type == ColumnType::Text,
            Self::Bytes(_) => column_type == ColumnType::Bytes,
            Self::Date(_) => column_type == ColumnType::Date,
            Self::Time(_) => column_type == ColumnType::Time,
            Self::Timestamp(_) => column_type == ColumnType::Timestamp,
            Self::TimestampTz(_) => column_type == ColumnType::TimestampTz,
            Self::Uuid(_) => column_type == ColumnType::Uuid,
            Self::Json(_) => column_type == ColumnType::Json,
        }
    }

    /// What the value is, for messages that must not show the value itself.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "integer",
            Self::Decimal(_) => "decimal",
            Self::Float32(_) | Self::Float64(_) => "float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::Timestamp(_) => "timestamp",
            Self::TimestampTz(_) => "timestamp with zone",
            Self::Uuid(_) => "uuid",
            Self::Json(_) => "json",
        }
    }
}

fn sized(tag: u8, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let length = u32::try_from(bytes.len())
        .map_err(|_| Error::new(ErrorKind::Unreadable, "value is 4 GiB or more"))?;
    out.push(tag);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

fn eight(tag: u8, value: i64, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&value.to_be_bytes());
}

fn unsized_body(body: &[u8]) -> Option<&[u8]> {
    let (length, bytes) = body.split_first_chunk::<4>()?;
    (usize::try_from(u32::from_be_bytes(*length)).ok()? == bytes.len()).then_some(bytes)
}

fn text(body: &[u8]) -> Option<&str> {
    std::str::from_utf8(unsized_body(body)?).ok()
}

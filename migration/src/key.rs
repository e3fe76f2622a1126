//! Canonical key bytes, whose byte order is the order a store scans its keys in.
//!
//! Everybody who needs the range, the lock or the guard of a record computes it from these bytes,
//! so they are made in this one place. Text and bytes are escaped and ended, which keeps the order
//! of composite keys (a zero byte becomes `00 ff`, the end is `00`).

use crate::error::{Error, ErrorKind, Result};
use crate::value::{ColumnType, Value, int_bytes, negative, tag};
use std::fmt;

/// A key of one or more columns, in order-preserving bytes.
///
/// A shorter tuple sorts before every key it is a prefix of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(Vec<u8>);

impl Key {
    /// Encodes the columns of one key.
    ///
    /// # Errors
    /// `Unreadable` for a null, or for a type that no key may have (see [`can_be_key`]).
    pub fn new<'a>(columns: impl IntoIterator<Item = Value<'a>>) -> Result<Self> {
        let mut bytes = Vec::with_capacity(32);
        for value in columns {
            push(value, &mut bytes)?;
        }
        Ok(Self(bytes))
    }

    /// Takes bytes that were a key before, as read back from a side table.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes in hexadecimal, for JSON.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads back what [`Self::to_hex`] wrote.
    ///
    /// # Errors
    /// `Unreadable` if it is not hexadecimal, or not a key.
    pub fn from_hex(hex: &str) -> Result<Self> {
        let digits: Option<Vec<u8>> =
            hex.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
        let key = digits
            .filter(|digits| digits.len() % 2 == 0)
            .map(|digits| Self(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
            .ok_or_else(|| Error::new(ErrorKind::Unreadable, "read key: not hexadecimal"))?;
        key.columns()?;
        Ok(key)
    }

    /// The columns, decoded.
    ///
    /// # Errors
    /// `Unreadable` if the bytes are not a key.
    pub fn columns(&self) -> Result<Vec<KeyColumn>> {
        let damaged = || Error::new(ErrorKind::Unreadable, "decode key: bytes are damaged");
        let mut rest = self.0.as_slice();
        let mut columns = Vec::new();
        while !rest.is_empty() {
            let (column, after) = pop(rest).ok_or_else(damaged)?;
            columns.push(column);
            rest = after;
        }
        Ok(columns)
    }

    /// The first `count` columns of this key, as a key of its own (the entity of a record).
    ///
    /// # Errors
    /// `Unreadable` if the bytes are not a key.
    pub fn prefix(&self, count: usize) -> Result<Self> {
        let columns = self.columns()?;
        Self::new(columns.iter().take(count).map(KeyColumn::value))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(columns) = self.columns() else {
            return f.write_str("(damaged key)");
        };
        for (i, column) in columns.iter().enumerate() {
            write!(f, "{}{column}", if i == 0 { "" } else { "/" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// One column of a decoded key.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyColumn {
    /// True or false.
    Bool(bool),
    /// Integer.
    Int(i128),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds.
    Time(i64),
    /// Microseconds without zone.
    Timestamp(i64),
    /// Microseconds since the Unix epoch.
    TimestampTz(i64),
    /// Identifier.
    Uuid([u8; 16]),
}

impl KeyColumn {
    /// The value, borrowed.
    #[must_use]
    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Date(days) => Value::Date(*days),
            Self::Time(micros) => Value::Time(*micros),
            Self::Timestamp(micros) => Value::Timestamp(*micros),
            Self::TimestampTz(micros) => Value::TimestampTz(*micros),
            Self::Uuid(bytes) => Value::Uuid(*bytes),
        }
    }
}

impl fmt::Display for KeyColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{}", text.escape_debug()),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Date(days) => write!(f, "day {days}"),
            Self::Time(micros) | Self::Timestamp(micros) | Self::TimestampTz(micros) => {
                write!(f, "{micros}us")
            }
            Self::Uuid(bytes) => write!(f, "{}", uuid::Uuid::from_bytes(*bytes)),
        }
    }
}

/// Whether a column of this type may be part of a key: the engines must agree on its order.
#[must_use]
pub fn can_be_key(column_type: ColumnType) -> bool {
    !matches!(
        column_type,
        ColumnType::Float32 | ColumnType::Float64 | ColumnType::Decimal | ColumnType::Json
    )
}

/// Appends one key column.
pub(crate) fn push(value: Value<'_>, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Bool(value) => out.push(if value { tag::TRUE } else { tag::FALSE }),
        Value::Int(value) => {
            let (tag, bytes) = int_bytes(value)
                .ok_or_else(|| Error::new(ErrorKind::Unreadable, "integer does not fit 64 bits"))?;
            out.push(tag);
            out.extend_from_slice(&bytes);
        }
        Value::Text(text) => escaped(tag::TEXT, text.as_bytes(), out),
        Value::Bytes(bytes) => escaped(tag::BYTES, bytes, out),
        Value::Date(days) => {
            out.push(tag::DATE);
            // The sign bit is flipped, so that negative days sort first.
            out.extend_from_slice(&(days.cast_unsigned() ^ (1 << 31)).to_be_bytes());
        }
        Value::Time(micros) => signed(tag::TIME, micros, out),
        Value::Timestamp(micros) => signed(tag::TIMESTAMP, micros, out),
        Value::TimestampTz(micros) => signed(tag::TIMESTAMP_TZ, micros, out),
        Value::Uuid(bytes) => {
            out.push(tag::UUID);
            out.extend_from_slice(&bytes);
        }
        Value::Null
        | Value::Decimal(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Json(_) => {
            return Err(Error::new(ErrorKind::Unreadable, "make key")
                .with("column", value.kind())
                .hint("a key column holds no null, decimal, float or json"));
        }
    }
    Ok(())
}

fn signed(tag: u8, value: i64, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&(value.cast_unsigned() ^ (1 << 63)).to_be_bytes());
}

fn escaped(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.push(0);
}

fn pop(bytes: &[u8]) -> Option<(KeyColumn, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let eight = || rest.split_first_chunk::<8>().map(|(b, after)| (u64::from_be_bytes(*b), after));
    let signed = || eight().map(|(raw, after)| ((raw ^ (1 << 63)).cast_signed(), after));
    Some(match first {
        tag::FALSE => (KeyColumn::Bool(false), rest),
        tag::TRUE => (KeyColumn::Bool(true), rest),
        tag::INT_NEGATIVE => {
            let (raw, after) = rest.split_first_chunk::<8>()?;
            (KeyColumn::Int(negative(*raw)?), after)
        }
        tag::INT => eight().map(|(raw, after)| (KeyColumn::Int(raw.into()), after))?,
        tag::TEXT => {
            let (bytes, after) = unescape(rest)?;
            (KeyColumn::Text(String::from_utf8(bytes).ok()?), after)
        }
        tag::BYTES => {
            let (bytes, after) = unescape(rest)?;
            (KeyColumn::Bytes(bytes), after)
        }
        tag::DATE => {
            let (raw, after) = rest.split_first_chunk::<4>()?;
            (KeyColumn::Date((u32::from_be_bytes(*raw) ^ (1 << 31)).cast_signed()), after)
        }
        tag::TIME => signed().map(|(micros, after)| (KeyColumn::Time(micros), after))?,
        tag::TIMESTAMP => signed().map(|(micros, after)| (KeyColumn::Timestamp(micros), after))?,
        tag::TIMESTAMP_TZ => {
            signed().map(|(micros, after)| (KeyColumn::TimestampTz(micros), after))?
        }
        tag::UUID => {
            let (raw, after) = rest.split_first_chunk::<16>()?;
            (KeyColumn::Uuid(*raw), after)
        }
        _ => return None,
    })
}

fn unescape(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    loop {
        let zero = bytes.iter().position(|&byte| byte == 0)?;
        out.extend_from_slice(&bytes[..zero]);
        match bytes.get(zero + 1) {
            Some(0xff) => {
                out.push(0);
                bytes = &bytes[zero + 2..];
            }
            _ => return Some((out, &bytes[zero + 1..])),
        }
    }
}

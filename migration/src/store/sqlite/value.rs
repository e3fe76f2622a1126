//! How values are stored: one form for each type, and nothing else is taken for it.
//!
//! | type | stored as |
//! |---|---|
//! | bool | INTEGER 0 or 1 |
//! | int, unsigned | INTEGER; an unsigned value of 2^63 or more does not fit |
//! | decimal | TEXT; an INTEGER is read as one too |
//! | float32, float64 | REAL; SQLite has no NaN |
//! | text, json | TEXT |
//! | bytes | BLOB |
//! | date, time, timestamp, timestamp_tz | TEXT, ISO 8601 with microseconds (see [`super::moment`]) |
//! | uuid | BLOB of 16 bytes where the column is declared BLOB or BINARY, else TEXT in lower case |

use super::moment;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{ColumnType, Value};
use sqlx::sqlite::{SqliteArguments, SqliteValueRef};
use sqlx::{Arguments, Decode, Sqlite, TypeInfo, ValueRef};

/// How one column stores its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage {
    /// The type.
    pub(super) column_type: ColumnType,
    /// Whether a uuid is 16 bytes.
    pub(super) uuid_as_bytes: bool,
    /// Whether values are compared and sorted: then only the canonical text will do.
    pub(super) is_key: bool,
    /// Whether text that looks like a number would be stored as one.
    pub(super) turns_numbers: bool,
}

/// Binds a value to the next parameter.
pub(super) fn bind(
    arguments: &mut SqliteArguments,
    value: Value<'_>,
    storage: Storage,
) -> Result<()> {
    match value {
        Value::Null => add(arguments, None::<i64>),
        Value::Bool(value) => add(arguments, i64::from(value)),
        Value::Int(value) => match i64::try_from(value) {
            Ok(value) => add(arguments, value),
            Err(_) => Err(does_not_fit("SQLite's integers end at 2^63 - 1")),
        },
        Value::Float32(value) if value.is_nan() => Err(does_not_fit("SQLite stores NaN as null")),
        Value::Float64(value) if value.is_nan() => Err(does_not_fit("SQLite stores NaN as null")),
        Value::Float32(value) => add(arguments, f64::from(value)),
        Value::Float64(value) => add(arguments, value),
        Value::Json(text) if storage.turns_numbers && looks_like_number(text) => {
            Err(does_not_fit("the column would turn this JSON into a number; declare it TEXT"))
        }
        Value::Decimal(text) | Value::Text(text) | Value::Json(text) => add(arguments, text),
        Value::Bytes(bytes) => add(arguments, bytes),
        Value::Date(days) => add(arguments, moment::date(days)?),
        Value::Time(micros) => add(arguments, moment::time(micros)),
        Value::Timestamp(micros) => add(arguments, moment::timestamp(micros)?),
        Value::TimestampTz(micros) => add(arguments, moment::timestamp_tz(micros)?),
        Value::Uuid(bytes) if storage.uuid_as_bytes => add(arguments, bytes.as_slice()),
        Value::Uuid(bytes) => add(arguments, uuid::Uuid::from_bytes(bytes).to_string()),
    }
}

/// Binds something that is not a column's value.
pub(super) fn add<'t, T>(arguments: &mut SqliteArguments, value: T) -> Result<()>
where
    T: sqlx::Encode<'t, Sqlite> + sqlx::Type<Sqlite>,
{
    Arguments::add(arguments, value)
        .map_err(|error| Error::new(ErrorKind::Failed, "bind value").because(error))
}

fn does_not_fit(problem: &'static str) -> Error {
    Error::new(ErrorKind::Unreadable, format!("store value: {problem}"))
}

/// What SQLite would store as a number in a column of numeric affinity: conservatively, whatever
/// begins like one.
fn looks_like_number(text: &str) -> bool {
    let digits = text.trim_start().trim_start_matches(['+', '-']);
    digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
}

/// Reads one stored value. `scratch` holds text that the value was stored without.
///
/// # Errors
/// What was found, if it is not of the column's type.
pub(super) fn value<'r>(
    raw: SqliteValueRef<'r>,
    storage: Storage,
    scratch: &'r mut String,
) -> Result<Value<'r>, &'static str> {
    let class = Class::of(&raw);
    Ok(match (storage.column_type, class) {
        (_, Class::Null) => Value::Null,
        (ColumnType::Text, Class::Text) => Value::Text(text(raw)?),
        (ColumnType::Int | ColumnType::Unsigned, Class::Integer) => Value::Int(get(raw)?.into()),
        (ColumnType::Bytes, Class::Blob) => Value::Bytes(bytes(raw)?),
        (ColumnType::Float64, Class::Real) => Value::Float64(real(raw)?),
        (ColumnType::Json, Class::Text) => Value::Json(text(raw)?),
        (ColumnType::Bool, Class::Integer) => match get(raw)? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return Err("an integer other than 0 and 1"),
        },
        (ColumnType::Float32, Class::Real) => {
            Value::Float32(single(real(raw)?).ok_or("a number beyond single precision")?)
        }
        (ColumnType::Decimal, Class::Integer) => {
            *scratch = get(raw)?.to_string();
            Value::Decimal(scratch)
        }
        (ColumnType::Uuid, Class::Blob) if storage.uuid_as_bytes => {
            let bytes = <[u8; 16]>::try_from(bytes(raw)?);
            Value::Uuid(bytes.map_err(|_| "a blob of another length")?)
        }
        (_, Class::Text) => from_text(text(raw)?, storage).ok_or("text of another form")?,
        (_, found) => return Err(found.name()),
    })
}

/// Types that are stored as text of a certain form.
fn from_text(text: &str, storage: Storage) -> Option<Value<'_>> {
    let strict = storage.is_key;
    match storage.column_type {
        ColumnType::Decimal => is_decimal(text).then_some(Value::Decimal(text)),
        ColumnType::Date => moment::parse_date(text).map(Value::Date),
        ColumnType::Time => moment::parse_time(text, strict).map(Value::Time),
        ColumnType::Timestamp => moment::parse_timestamp(text, strict).map(Value::Timestamp),
        ColumnType::TimestampTz => moment::parse_timestamp_tz(text, strict).map(Value::TimestampTz),
        ColumnType::Uuid if !storage.uuid_as_bytes => parse_uuid(text).map(Value::Uuid),
        _ => None,
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    all_digits(whole) && all_digits(fraction)
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let uuid = uuid::Uuid::try_parse(text).ok()?;
    // Upper case or braces would be another text for the same value, which a lookup misses.
    (uuid.to_string() == text).then(|| uuid.into_bytes())
}

fn single(value: f64) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "compared with the original next")]
    let single = value as f32;
    (f64::from(single).to_bits() == value.to_bits()).then_some(single)
}

fn text(raw: SqliteValueRef<'_>) -> Result<&str, &'static str> {
    Decode::<Sqlite>::decode(raw).map_err(|_| "text that is not UTF-8")
}

pub(super) fn bytes(raw: SqliteValueRef<'_>) -> Result<&[u8], &'static str> {
    Decode::<Sqlite>::decode(raw).map_err(|_| "a blob that cannot be read")
}

fn get(raw: SqliteValueRef<'_>) -> Result<i64, &'static str> {
    Decode::<Sqlite>::decode(raw).map_err(|_| "an integer that cannot be read")
}

fn real(raw: SqliteValueRef<'_>) -> Result<f64, &'static str> {
    Decode::<Sqlite>::decode(raw).map_err(|_| "a number that cannot be read")
}

/// SQLite's storage classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Null,
    Integer,
    Real,
    Text,
    Blob,
}

impl Class {
    /// The class of this very value; the column's declared type has no say.
    pub(super) fn of(raw: &SqliteValueRef<'_>) -> Self {
        if raw.is_null() {
            return Self::Null;
        }
        match raw.type_info().name() {
            "INTEGER" => Self::Integer,
            "REAL" => Self::Real,
            "TEXT" => Self::Text,
            _ => Self::Blob,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Text => "text",
            Self::Blob => "blob",
        }
    }
}

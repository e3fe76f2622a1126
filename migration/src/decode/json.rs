//! JSON objects as rows, read without building anything in between.

use crate::batch::Schema;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{ColumnType, Value};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

mod moment;

/// The text of each column of `schema` in a JSON object; `None` where it lacks. Other members are
/// passed over.
pub(super) fn columns<'a>(
    schema: &Schema,
    payload: &'a [u8],
) -> serde_json::Result<Vec<Option<&'a RawValue>>> {
    let mut deserializer = serde_json::Deserializer::from_slice(payload);
    let columns = Columns { schema }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(columns)
}

struct Columns<'s> {
    schema: &'s Schema,
}

impl<'de> DeserializeSeed<'de> for Columns<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Columns<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with the columns of the row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut columns = vec![None; self.schema.columns.len()];
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            let Some(place) = self.schema.column(&name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if columns[place].is_some() {
                return Err(A::Error::custom("a column is there twice"));
            }
            columns[place] = Some(map.next_value::<&RawValue>()?);
        }
        Ok(columns)
    }
}

/// A member's name, borrowed unless it has escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads the JSON text of one value as a type and hands it to `push`.
///
/// Integers are numbers; decimals are numbers or strings, with their digits as they stand; bytes
/// are base64; days and times are numbers (days or microseconds) or ISO 8601 strings; a JSON column
/// is either the document itself or a string that holds its text.
///
/// # Errors
/// `Unreadable` if the value is not of the type; errors of `push`.
pub(super) fn value<T>(
    raw: &str,
    column_type: ColumnType,
    push: impl FnOnce(Value<'_>) -> Result<T>,
) -> Result<T> {
    if raw == "null" {
        return push(Value::Null);
    }
    let text = if raw.starts_with('"') { Some(text_of(raw)?) } else { None };
    let is_number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let wrong = || {
        Error::new(ErrorKind::Unreadable, "read JSON value")
            .with("type", column_type)
            .with("found", kind(raw))
    };
    match (column_type, text.as_deref()) {
        (ColumnType::Bool, None) => match raw {
            "true" | "1" => push(Value::Bool(true)),
            "false" | "0" => push(Value::Bool(false)),
            _ => Err(wrong()),
        },
        (ColumnType::Int | ColumnType::Unsigned, None) => {
            push(Value::Int(raw.parse().map_err(|_| wrong())?))
        }
        (ColumnType::Decimal, None) if is_number => push(Value::Decimal(raw)),
        (ColumnType::Decimal, Some(digits)) => push(Value::Decimal(digits)),
        (ColumnType::Float32, None) if is_number => {
            push(Value::Float32(raw.parse().map_err(|_| wrong())?))
        }
        (ColumnType::Float64, None) if is_number => {
            push(Value::Float64(raw.parse().map_err(|_| wrong())?))
        }
        (ColumnType::Text, Some(text)) => push(Value::Text(text)),
        (ColumnType::Bytes, Some(text)) => push(Value::Bytes(&base64(text).ok_or_else(wrong)?)),
        (ColumnType::Uuid, Some(text)) => {
            push(Value::Uuid(text.parse::<uuid::Uuid>().map_err(|_| wrong())?.into_bytes()))
        }
        (ColumnType::Json, Some(text)) => push(Value::Json(text)),
        (ColumnType::Json, None) => push(Value::Json(raw)),
        (
            ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz,
            text,
        ) => push(moment::value(column_type, raw, text).ok_or_else(wrong)?),
        _ => Err(wrong()),
    }
}

fn text_of(raw: &str) -> Result<Cow<'_, str>> {
    let name: Name<'_> = serde_json::from_str(raw)
        .map_err(|error| Error::new(ErrorKind::Unreadable, "read JSON string").because(error))?;
    Ok(name.0)
}

fn kind(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'"') => "string",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "bool",
        _ => "number",
    }
}

/// Standard base64 with padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=').as_bytes();
    if bytes.len() - digits.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    for part in digits.chunks(4) {
        let mut sum = 0_u32;
        for place in 0..4 {
            let six = part.get(place).map_or(Some(0), |&byte| digit(byte))?;
            sum = (sum << 6) | u32::from(six);
        }
        let [_, three @ ..] = sum.to_be_bytes();
        let count = part.len() - 1;
        // The bits that do not fill a byte are zero in a well-formed text.
        if three[count..].iter().any(|&byte| byte != 0) {
            return None;
        }
        out.extend_from_slice(&three[..count]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{base64, value};
    use crate::value::{ColumnType, Value};

    fn reads(raw: &str, column_type: ColumnType, expected: Value<'_>) {
        value(raw, column_type, |found| {
            assert_eq!(found, expected, "{raw}");
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn every_type_is_read_as_it_stands() {
        reads("null", ColumnType::Int, Value::Null);
        reads("true", ColumnType::Bool, Value::Bool(true));
        reads("-9223372036854775808", ColumnType::Int, Value::Int(i64::MIN.into()));
        reads("18446744073709551615", ColumnType::Unsigned, Value::Int(u64::MAX.into()));
        reads("1.10", ColumnType::Decimal, Value::Decimal("1.10"));
        reads(
            "\"12345678901234567890.1\"",
            ColumnType::Decimal,
            Value::Decimal("12345678901234567890.1"),
        );
        reads("0.1", ColumnType::Float64, Value::Float64(0.1));
        reads(r#""a\u0000\"b""#, ColumnType::Text, Value::Text("a\0\"b"));
        reads("\"AAH/\"", ColumnType::Bytes, Value::Bytes(&[0, 1, 255]));
        reads(r#"{"a": 1}"#, ColumnType::Json, Value::Json(r#"{"a": 1}"#));
        reads("\"1970-01-02\"", ColumnType::Date, Value::Date(1));
        reads("\"-25:00:00.5\"", ColumnType::Time, Value::Time(-90_000_500_000));
        reads("\"1970-01-01 00:00:01.000002\"", ColumnType::Timestamp, Value::Timestamp(1_000_002));
        reads("\"1970-01-01T01:00:00+01:00\"", ColumnType::TimestampTz, Value::TimestampTz(0));
        reads("7", ColumnType::Timestamp, Value::Timestamp(7));
    }

    #[test]
    fn what_is_of_another_type_is_not_bent_into_it() {
        for (raw, column_type) in [
            ("1.0", ColumnType::Int),
            ("\"1\"", ColumnType::Int),
            ("1", ColumnType::Text),
            ("2", ColumnType::Bool),
            ("\"x\"", ColumnType::Float64),
            ("\"AA\"", ColumnType::Bytes),
            ("\"1970-13-01\"", ColumnType::Date),
            ("\"1970-01-01T00:00:00\"", ColumnType::TimestampTz),
            ("\"1970-01-01T00:00:00Z\"", ColumnType::Timestamp),
            ("[]", ColumnType::Text),
        ] {
            assert!(value(raw, column_type, |_| Ok(())).is_err(), "{raw} as {column_type}");
        }
    }

    #[test]
    fn base64_is_read_strictly() {
        assert_eq!(base64(""), Some(Vec::new()));
        assert_eq!(base64("AQ=="), Some(vec![1]));
        for wrong in ["A", "A===", "AQ=", "A Q=", "AR==", "===="] {
            assert_eq!(base64(wrong), None, "{wrong}");
        }
    }
}

//! How values are stored: what each column type takes, and what it would change.
//!
//! | column | type | refused when written |
//! |---|---|---|
//! | TINYINT .. BIGINT, UNSIGNED too | int, unsigned, bool as 0 and 1 | |
//! | BIT(1), BIT(n) | bool, unsigned | |
//! | DECIMAL(p,s) | decimal | other than `s` digits after the point |
//! | FLOAT, DOUBLE | float32, float64 | NaN, infinities; FLOAT(m,d), which rounds |
//! | CHAR, VARCHAR, TEXT | text, json; uuid in lower case | blanks at the end that CHAR would drop |
//! | JSON (of MariaDB: LONGTEXT) | json, text | |
//! | ENUM, SET | text | what is no label, or members in another order |
//! | BINARY, VARBINARY, BLOB | bytes, uuid | other lengths in BINARY, which it would fill up |
//! | DATE, DATETIME, TIMESTAMP, TIME | the same, or text as the server prints it | digits that the column drops |
//! | YEAR | int | what is no year but a shorthand for one |
//! | UUID | uuid | |
//!
//! Zero and partial dates (`0000-00-00`, `2024-00-00`) are no days. They are refused when they are
//! read, unless the plan takes the column as text.

use super::moment::{self, Moment};
use super::shape::{Native, Order, TextColumn};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{ColumnType, Value};
use sqlx::mysql::{MySqlArguments, MySqlTypeInfo, MySqlValueRef};
use sqlx::{Arguments, Decode, MySql, Type, TypeInfo};
use std::fmt::Write as _;

/// How one column stores its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    /// The type.
    pub(super) column_type: ColumnType,
    /// The column, as the server declares it.
    pub(super) native: &'a Native,
    /// Whether it is part of the key.
    pub(super) is_key: bool,
}

/// What a value is bound for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is stored, and must be read back as it is.
    Store,
    /// It names a record.
    Lookup,
    /// It is an end of an interval.
    Bound,
}

/// Binds a value to the next parameter. `scratch` is for its text.
pub(super) fn bind(
    arguments: &mut MySqlArguments,
    value: Value<'_>,
    storage: Storage<'_>,
    purpose: Purpose,
    scratch: &mut String,
) -> Result<()> {
    if purpose != Purpose::Bound {
        check(value, storage, purpose).map_err(does_not_fit)?;
    }
    scratch.clear();
    match value {
        Value::Null => return add(arguments, None::<i64>),
        Value::Bool(value) => return add(arguments, i64::from(value)),
        Value::Int(value) => {
            return match (i64::try_from(value), u64::try_from(value)) {
                (Ok(value), _) => add(arguments, value),
                (_, Ok(value)) => add(arguments, value),
                _ => Err(does_not_fit("an integer of more than 64 bits")),
            };
        }
        Value::Float32(value) => return add(arguments, value),
        Value::Float64(value) => return add(arguments, value),
        Value::Bytes(bytes) => return add(arguments, bytes),
        Value::Decimal(text) | Value::Text(text) | Value::Json(text) => {
            return add(arguments, text);
        }
        Value::Uuid(bytes) => {
            if matches!(storage.native, Native::Bytes { .. }) {
                return add(arguments, bytes.as_slice());
            }
            write!(scratch, "{}", uuid::Uuid::from_bytes(bytes)).unwrap_or_default();
        }
        Value::Date(days) => match Moment::on(days) {
            Some(day) => day.write_date(scratch),
            None => return Err(does_not_fit(NO_YEAR)),
        },
        Value::Timestamp(micros) | Value::TimestampTz(micros) => match Moment::at(micros) {
            Some(moment) => moment.write(6, scratch),
            None => return Err(does_not_fit(NO_YEAR)),
        },
        Value::Time(micros) => moment::write_time(micros, 6, scratch),
    }
    add(arguments, scratch.as_str())
}

const NO_YEAR: &str = "a year outside 0000 to 9999";

/// Binds something that is not a column's value.
pub(super) fn add<'t, T>(arguments: &mut MySqlArguments, value: T) -> Result<()>
where
    T: sqlx::Encode<'t, MySql> + Type<MySql>,
{
    Arguments::add(arguments, value)
        .map_err(|error| Error::new(ErrorKind::Failed, "bind value").because(error))
}

fn does_not_fit(problem: &'static str) -> Error {
    Error::new(ErrorKind::Unreadable, format!("store value: {problem}"))
}

/// Whether the column keeps the value as it is. The server itself refuses what is too long or out
/// of range; what it changes without an error is found here.
fn check(value: Value<'_>, storage: Storage<'_>, purpose: Purpose) -> Result<(), &'static str> {
    if let (Native::Text(TextColumn { order: Order::PadSpace, .. }), true, Value::Text(text)) =
        (storage.native, storage.is_key, value)
        && text.ends_with(' ')
    {
        return Err(PADDED);
    }
    if purpose == Purpose::Lookup {
        return Ok(());
    }
    let is_right = match (storage.native, value) {
        (_, Value::Null)
        | (Native::Int | Native::Bit, Value::Int(_) | Value::Bool(_))
        | (Native::Uuid, Value::Uuid(_))
        | (Native::Bytes { fixed: None | Some(16) }, Value::Uuid(_))
        | (Native::Text(_), Value::Uuid(_)) => true,
        (Native::Float, Value::Float32(value)) => value.is_finite(),
        (Native::Float, Value::Float64(value)) => single(value).is_some_and(f32::is_finite),
        (Native::Double, Value::Float64(value)) => value.is_finite(),
        (Native::Decimal { scale }, Value::Decimal(text)) => is_decimal(text, *scale),
        (Native::Year, Value::Int(value)) => value == 0 || (1901..=2155).contains(&value),
        (Native::Text(column), Value::Text(text) | Value::Json(text)) => column.keeps_blanks(text),
        (Native::Enum(labels), Value::Text(text)) => labels.iter().any(|label| label == text),
        (Native::Set(labels), Value::Text(text)) => is_set(labels, text),
        (Native::Bytes { fixed }, Value::Bytes(bytes)) => {
            fixed.is_none_or(|length| length == bytes.len())
        }
        (Native::Date, Value::Date(_)) => true,
        (Native::Date, Value::Text(text)) => moment::is_date(text),
        (
            Native::Datetime { digits } | Native::Timestamp { digits },
            Value::Timestamp(micros) | Value::TimestampTz(micros),
        )
        | (Native::Time { digits }, Value::Time(micros)) => moment::keeps(*digits, micros),
        (Native::Datetime { digits } | Native::Timestamp { digits }, Value::Text(text)) => {
            moment::is_moment(text, *digits)
        }
        (Native::Time { digits }, Value::Text(text)) => moment::is_time(text, *digits),
        _ => false,
    };
    if is_right { Ok(()) } else { Err(storage.native.changes()) }
}

const PADDED: &str = "a key that ends with a blank, which the column's collation (PAD SPACE) takes \
                      for the key without it";

/// Digits as DECIMAL prints them: no plus, no leading zero, no negative zero, and as many after the
/// point as the column has.
fn is_decimal(text: &str, scale: usize) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    !whole.is_empty()
        && all_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && all_digits(fraction)
        && fraction.len() == scale
        && digits.contains('.') == (scale > 0)
        && !(is_zero && digits != text)
}

/// Members in the order of their declaration, each once.
fn is_set(labels: &[String], text: &str) -> bool {
    let mut rest = labels.iter();
    text.is_empty() || text.split(',').all(|member| rest.any(|label| label == member))
}

fn single(value: f64) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "compared with the original next")]
    let single = value as f32;
    (f64::from(single).to_bits() == value.to_bits()).then_some(single)
}

/// What a value looks like on the wire. Taken from the very answer that holds it, so that a table
/// that was changed a moment ago is not misread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Integer { is_unsigned: bool },
    Float,
    Double,
    Decimal,
    Moment,
    Time,
    Bit,
    Bytes,
}

impl Wire {
    pub(super) fn of(info: &MySqlTypeInfo) -> Self {
        match info.name() {
            "FLOAT" => Self::Float,
            "DOUBLE" => Self::Double,
            "DECIMAL" => Self::Decimal,
            "DATE" | "DATETIME" | "TIMESTAMP" => Self::Moment,
            "TIME" => Self::Time,
            "BIT" => Self::Bit,
            "YEAR" => Self::Integer { is_unsigned: true },
            "BOOLEAN" => Self::Integer { is_unsigned: <u8 as Type<MySql>>::compatible(info) },
            name if name.contains("INT") => {
                Self::Integer { is_unsigned: <u8 as Type<MySql>>::compatible(info) }
            }
            _ => Self::Bytes,
        }
    }
}

/// Reads one value of a prepared statement's answer. `scratch` holds text that it came without.
///
/// # Errors
/// What was found, if it is not of the column's type.
pub(super) fn value<'r>(
    raw: MySqlValueRef<'r>,
    wire: Wire,
    storage: Storage<'_>,
    scratch: &'r mut String,
) -> Result<Value<'r>, &'static str> {
    // Only null has no bytes: a zero date has, though the driver calls it null.
    let Some(bytes) = bytes(raw) else { return Ok(Value::Null) };
    scratch.clear();
    match (wire, storage.native, storage.column_type) {
        (Wire::Integer { is_unsigned }, Native::Int | Native::Year, column_type) => {
            let value = integer(bytes, is_unsigned).ok_or("an integer of another size")?;
            whole(value, column_type)
        }
        (Wire::Bit, Native::Bit, column_type) => {
            let value = bytes.iter().try_fold(0_i128, |value, byte| {
                value.checked_mul(256).map(|value| value + i128::from(*byte))
            });
            whole(value.ok_or("more than 64 bits")?, column_type)
        }
        (Wire::Float, Native::Float, column_type) => {
            let value =
                f32::from_le_bytes(bytes.try_into().map_err(|_| "a float of another size")?);
            match column_type {
                ColumnType::Float32 => Ok(Value::Float32(value)),
                _ => Ok(Value::Float64(f64::from(value))),
            }
        }
        (Wire::Double, Native::Double, _) => {
            let bytes = bytes.try_into().map_err(|_| "a double of another size")?;
            Ok(Value::Float64(f64::from_le_bytes(bytes)))
        }
        (Wire::Decimal, Native::Decimal { .. }, _) => decimal(text(bytes)?, scratch),
        (Wire::Moment, Native::Date | Native::Datetime { .. } | Native::Timestamp { .. }, _) => {
            let moment = Moment::from_wire(bytes).ok_or("a moment of another form")?;
            from_moment(moment, storage, scratch)
        }
        (Wire::Time, Native::Time { digits }, column_type) => {
            let micros = moment::time_from_wire(bytes).ok_or("a time of another form")?;
            if column_type == ColumnType::Time {
                return Ok(Value::Time(micros));
            }
            moment::write_time(micros, *digits, scratch);
            Ok(Value::Text(scratch))
        }
        (Wire::Bytes, native, column_type) => {
            from_bytes(bytes, native, column_type, storage.is_key)
        }
        _ => Err("a value of another type: the column was changed"),
    }
}

fn whole<'r>(value: i128, column_type: ColumnType) -> Result<Value<'r>, &'static str> {
    match (column_type, value) {
        (ColumnType::Bool, 0) => Ok(Value::Bool(false)),
        (ColumnType::Bool, 1) => Ok(Value::Bool(true)),
        (ColumnType::Bool, _) => Err("an integer other than 0 and 1"),
        _ => Ok(Value::Int(value)),
    }
}

fn integer(bytes: &[u8], is_unsigned: bool) -> Option<i128> {
    Some(match (bytes, is_unsigned) {
        (&[a], true) => a.into(),
        (&[a], false) => i8::from_le_bytes([a]).into(),
        (&[a, b], true) => u16::from_le_bytes([a, b]).into(),
        (&[a, b], false) => i16::from_le_bytes([a, b]).into(),
        (&[a, b, c, d], true) => u32::from_le_bytes([a, b, c, d]).into(),
        (&[a, b, c, d], false) => i32::from_le_bytes([a, b, c, d]).into(),
        (_, true) => u64::from_le_bytes(bytes.try_into().ok()?).into(),
        (_, false) => i64::from_le_bytes(bytes.try_into().ok()?).into(),
    })
}

/// ZEROFILL prints leading zeros, which say nothing.
fn decimal<'r>(text: &'r str, scratch: &'r mut String) -> Result<Value<'r>, &'static str> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let zeros = digits.bytes().take_while(|&byte| byte == b'0').count();
    let whole_ends = digits.find('.').unwrap_or(digits.len());
    let kept = &digits[zeros.min(whole_ends.saturating_sub(1))..];
    if kept.len() == digits.len() {
        return Ok(Value::Decimal(text));
    }
    scratch.push_str(sign);
    scratch.push_str(kept);
    Ok(Value::Decimal(scratch))
}

fn from_moment<'r>(
    moment: Moment,
    storage: Storage<'_>,
    scratch: &'r mut String,
) -> Result<Value<'r>, &'static str> {
    const NO_DAY: &str = "a zero, partial or invalid date";
    match (storage.column_type, storage.native) {
        (ColumnType::Date, _) => Ok(Value::Date(moment.days().ok_or(NO_DAY)?)),
        (ColumnType::Timestamp, _) => Ok(Value::Timestamp(moment.since_epoch().ok_or(NO_DAY)?)),
        (ColumnType::TimestampTz, _) => Ok(Value::TimestampTz(moment.since_epoch().ok_or(NO_DAY)?)),
        (_, Native::Datetime { digits } | Native::Timestamp { digits }) => {
            moment.write(*digits, scratch);
            Ok(Value::Text(scratch))
        }
        _ => {
            moment.write_date(scratch);
            Ok(Value::Text(scratch))
        }
    }
}

fn from_bytes<'r>(
    bytes: &'r [u8],
    native: &Native,
    column_type: ColumnType,
    is_key: bool,
) -> Result<Value<'r>, &'static str> {
    Ok(match (native, column_type) {
        (Native::Text(column), ColumnType::Text) => {
            let text = text(bytes)?;
            if is_key && column.order == Order::PadSpace && text.ends_with(' ') {
                return Err(PADDED);
            }
            Value::Text(text)
        }
        (Native::Enum(_) | Native::Set(_) | Native::Json, ColumnType::Text) => {
            Value::Text(text(bytes)?)
        }
        (Native::Text(_) | Native::Json, ColumnType::Json) => Value::Json(text(bytes)?),
        (Native::Bytes { .. }, ColumnType::Bytes) => Value::Bytes(bytes),
        (Native::Bytes { .. }, ColumnType::Uuid) => {
            Value::Uuid(bytes.try_into().map_err(|_| "bytes that are no uuid")?)
        }
        (Native::Text(_) | Native::Uuid, ColumnType::Uuid) => {
            let text = text(bytes)?;
            let uuid = uuid::Uuid::try_parse(text).map_err(|_| "text that is no uuid")?;
            // Upper case or braces would be another text for the same value, which a lookup misses.
            if uuid.to_string() != text {
                return Err("a uuid in another form than lower case with hyphens");
            }
            Value::Uuid(uuid.into_bytes())
        }
        _ => return Err("a value of another type: the column was changed"),
    })
}

fn text(bytes: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(bytes).map_err(|_| "text that is not UTF-8")
}

/// The bytes of a value as they came, or `None` for null.
pub(super) fn bytes(raw: MySqlValueRef<'_>) -> Option<&[u8]> {
    <&[u8] as Decode<MySql>>::decode(raw).ok()
}

#[cfg(test)]
mod tests {
    use super::{decimal, integer, is_decimal, is_set};
    use crate::value::Value;

    #[test]
    fn a_decimal_is_stored_only_as_the_column_prints_it() {
        for (text, scale) in
            [("0.00", 2), ("-1.50", 2), ("7", 0), ("123456789012345678901234567890.5", 1)]
        {
            assert!(is_decimal(text, scale), "{text}");
        }
        for (text, scale) in [
            ("1.5", 2),
            ("1.500", 2),
            ("+1", 0),
            ("01", 0),
            ("-0.00", 2),
            (".5", 1),
            ("1.", 0),
            ("", 0),
            ("1e3", 0),
        ] {
            assert!(!is_decimal(text, scale), "{text}");
        }
    }

    #[test]
    fn zeros_that_fill_a_decimal_up_are_dropped() {
        for (printed, expected) in [
            ("000012.50", "12.50"),
            ("0000.50", "0.50"),
            ("0", "0"),
            ("-1.5", "-1.5"),
            ("0000", "0"),
        ] {
            let mut scratch = String::new();
            assert_eq!(decimal(printed, &mut scratch), Ok(Value::Decimal(expected)));
        }
    }

    #[test]
    fn a_set_has_its_members_in_their_order_and_once() {
        let labels = ["a", "b", "c"].map(str::to_owned);
        for text in ["", "a", "a,c", "a,b,c"] {
            assert!(is_set(&labels, text), "{text}");
        }
        for text in ["b,a", "a,a", "d", "a,", "A", "3"] {
            assert!(!is_set(&labels, text), "{text}");
        }
    }

    #[test]
    fn integers_keep_their_sign_in_every_size() {
        assert_eq!(integer(&[0xff], false), Some(-1));
        assert_eq!(integer(&[0xff], true), Some(255));
        assert_eq!(integer(&[0xff; 8], true), Some(u64::MAX.into()));
        assert_eq!(integer(&[0xff; 4], false), Some(-1));
        assert_eq!(integer(&[0xff; 3], true), None);
    }
}

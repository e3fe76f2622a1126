//! Values of every type in the JSON that applications write.

use super::value;
use crate::decode::wire::Wire;
use crate::value::{ColumnType, Value};

fn reads(raw: &str, column_type: ColumnType, expected: Value<'_>) {
    value(raw, &Wire::json(column_type), |found| {
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
    reads("1.5e2", ColumnType::Decimal, Value::Decimal("150"));
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
    let deep = "[".repeat(1_000) + &"]".repeat(1_000);
    for (raw, column_type) in [
        ("1.0", ColumnType::Int),
        ("\"1\"", ColumnType::Int),
        ("1", ColumnType::Text),
        ("2", ColumnType::Bool),
        ("\"x\"", ColumnType::Float64),
        ("1e400", ColumnType::Float64),
        ("\"NaN\"", ColumnType::Decimal),
        ("\"AA\"", ColumnType::Bytes),
        ("\"1970-13-01\"", ColumnType::Date),
        ("\"0000-00-00\"", ColumnType::Date),
        ("\"infinity\"", ColumnType::Timestamp),
        ("\"1970-01-01\"", ColumnType::Timestamp),
        ("\"1970-01-01T00:00:00\"", ColumnType::TimestampTz),
        ("\"1970-01-01T00:00:00Z\"", ColumnType::Timestamp),
        ("[]", ColumnType::Text),
        (&deep, ColumnType::Json),
    ] {
        assert!(value(raw, &Wire::json(column_type), |_| Ok(())).is_err(), "{raw}");
    }
}

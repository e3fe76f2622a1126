//! How the messages of one topic become changes of one source table: resolved once, before the
//! first message.

use super::column::{ColumnKind, ColumnTraits, Dialect};
use super::format::{Binary, Decimals, Format, PlainFormat, TimePrecision, TimeUnit};
use super::value;
use super::wire::{Habits, Unit, Wire};
use crate::batch::{Column, Schema};
use crate::value::ColumnType;

/// A source table's side of a topic.
#[derive(Debug)]
pub(super) struct Codec {
    /// One per column of the source schema.
    pub(super) wires: Vec<Wire>,
    /// What stands for a value that is not there.
    pub(super) unavailable: Option<Unavailable>,
    /// Whether columns that lack are null.
    pub(super) nulls_left_out: bool,
    /// Whether every column of a row before a change can be trusted.
    pub(super) full_before: bool,
}

impl Codec {
    /// The codec of an outbox table.
    pub(super) fn outbox(schema: &Schema) -> Self {
        let wire = |column: &Column| Wire::json(column.column_type);
        Self {
            wires: schema.columns.iter().map(wire).collect(),
            unavailable: None,
            nulls_left_out: false,
            full_before: true,
        }
    }

    /// The codec of a topic. `traits` has one entry per column of `schema`.
    pub(super) fn new(format: &Format, schema: &Schema, traits: &[ColumnTraits]) -> Self {
        let wires = schema.columns.iter().zip(traits);
        let wires = wires.map(|(column, traits)| wire(format, column.column_type, traits));
        let (unavailable, nulls_left_out) = match format {
            Format::Debezium(format) => {
                (Some(Unavailable::new(&format.unavailable_value, format.binary)), false)
            }
            Format::DebeziumFlattened(format) => {
                let values = &format.values;
                (Some(Unavailable::new(&values.unavailable_value, values.binary)), false)
            }
            Format::DebeziumOutbox(format) => (None, format.payload.nulls_left_out),
            Format::Maxwell(format) => (None, format.nulls_left_out),
            Format::Plain(format) => (None, format.nulls_left_out),
            Format::Canal(_) => (None, false),
        };
        let is_mysql = traits.iter().any(|traits| traits.dialect == Dialect::MySql);
        Self { wires: wires.collect(), unavailable, nulls_left_out, full_before: is_mysql }
    }
}

fn wire(format: &Format, column_type: ColumnType, traits: &ColumnTraits) -> Wire {
    let base = Wire { traits: traits.clone(), ..Wire::json(column_type) };
    match format {
        Format::Debezium(format) => debezium(base, format),
        Format::DebeziumFlattened(format) => debezium(base, &format.values),
        Format::DebeziumOutbox(format) => plain(base, &format.payload),
        Format::Plain(format) => plain(base, format),
        Format::Maxwell(format) => {
            Wire { habits: Habits::Maxwell, utc_offset: format.utc_offset, ..base }
        }
        Format::Canal(format) => Wire {
            habits: Habits::Canal,
            utc_offset: format.utc_offset,
            binary: Binary::Latin1,
            ..base
        },
    }
}

fn debezium(base: Wire, format: &super::format::DebeziumFormat) -> Wire {
    Wire {
        habits: Habits::Debezium,
        decimals: format.decimals,
        binary: format.binary,
        unit: unit(format.time_precision, &base),
        ..base
    }
}

fn plain(mut base: Wire, format: &PlainFormat) -> Wire {
    let unit = match format.time_unit {
        TimeUnit::Seconds => Unit::Seconds,
        TimeUnit::Milliseconds => Unit::Millis,
        TimeUnit::Microseconds => Unit::Micros,
        TimeUnit::Nanoseconds => Unit::Nanos,
    };
    // The form of decimals and bits is the application's, not that of the database's log.
    if base.traits.kind != ColumnKind::FixedBytes {
        base.traits.kind = ColumnKind::Plain;
    }
    Wire { binary: format.binary, unit, decimals: Decimals::String, ..base }
}

/// What Debezium's numbers stand for in a column of time, where no schema comes with them.
fn unit(mode: Option<TimePrecision>, wire: &Wire) -> Unit {
    let mode = mode.or(match wire.traits.dialect {
        Dialect::MySql => Some(TimePrecision::AdaptiveTimeMicroseconds),
        Dialect::Postgres => Some(TimePrecision::Adaptive),
        Dialect::Other => None,
    });
    let by_digits = match wire.traits.fraction {
        Some(0..=3) => Unit::Millis,
        Some(_) => Unit::Micros,
        None => Unit::Unknown,
    };
    match (mode, wire.column_type) {
        // Moments come as text.
        (None, _) | (_, ColumnType::TimestampTz) => Unit::Unknown,
        (Some(TimePrecision::AdaptiveTimeMicroseconds), ColumnType::Time) => Unit::Micros,
        (Some(TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds), _) => by_digits,
        (Some(TimePrecision::Connect), _) => Unit::Millis,
        (Some(TimePrecision::Microseconds), _) => Unit::Micros,
        (Some(TimePrecision::Nanoseconds), _) => Unit::Nanos,
        (Some(TimePrecision::Isostring), _) => Unit::Unknown,
    }
}

/// What Debezium writes for a value that PostgreSQL did not put into its log because it did not
/// change: a text, or the bytes of that text in whatever form the column has.
#[derive(Debug)]
pub(super) struct Unavailable {
    /// As a JSON string.
    text: String,
    /// Its bytes as a JSON string.
    bytes: String,
    /// Its bytes as a JSON array.
    numbers: String,
}

impl Unavailable {
    fn new(value: &str, binary: Binary) -> Self {
        // The connector takes the bytes in hexadecimal too.
        let from_hex = value.strip_prefix("hex:").and_then(value::from_hex);
        let bytes = from_hex.unwrap_or_else(|| value.as_bytes().to_vec());
        let text = String::from_utf8_lossy(&bytes);
        let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
        Self {
            text: serde_json::Value::from(&*text).to_string(),
            bytes: format!("\"{}\"", value::encode(&bytes, binary)),
            numbers: format!("[{}]", numbers.join(",")),
        }
    }

    /// Whether `raw`, a JSON value, stands for one that is not there.
    pub(super) fn is(&self, raw: &str) -> bool {
        match raw.as_bytes().first() {
            Some(b'"') => raw == self.text || raw == self.bytes,
            Some(b'[' | b'{') => {
                raw == self.numbers || raw.contains(&self.text) || raw.contains(&self.bytes)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Unavailable;
    use crate::decode::format::Binary;

    #[test]
    fn what_is_not_there_is_known_in_every_form() {
        let unavailable = Unavailable::new("__debezium_unavailable_value", Binary::Base64);
        let numbers = format!(
            "[{}]",
            "__debezium_unavailable_value"
                .bytes()
                .map(|b| b.to_string())
                .collect::<Vec<_>>()
                .join(",")
        );
        for raw in [
            "\"__debezium_unavailable_value\"",
            "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"",
            "[\"__debezium_unavailable_value\"]",
            "{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}",
            &numbers,
        ] {
            assert!(unavailable.is(raw), "{raw}");
        }
        for raw in ["\"\"", "\"__debezium_unavailable_value \"", "[]", "null", "1"] {
            assert!(!unavailable.is(raw), "{raw}");
        }
        let hex = Unavailable::new("hex:c0ff", Binary::Hex);
        assert!(hex.is("\"c0ff\""));
    }
}

//! How one column is written in the messages of one topic.

use super::column::ColumnTraits;
use super::format::{Binary, Decimals};
use crate::value::ColumnType;

/// Whose habits a value follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habits {
    /// JSON as an application writes it.
    Json,
    /// Kafka Connect's JSON converter with Debezium's types.
    Debezium,
    /// Maxwell.
    Maxwell,
    /// Canal and TiCDC: every value is a string.
    Canal,
}

/// What a number stands for where a time is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    #[default]
    Micros,
    /// Nanoseconds.
    Nanos,
    /// It is not known: the message has no schema, and the column's precision is not known.
    Unknown,
}

/// How one column is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wire {
    pub(super) habits: Habits,
    pub(super) column_type: ColumnType,
    pub(super) traits: ColumnTraits,
    pub(super) decimals: Decimals,
    pub(super) binary: Binary,
    pub(super) unit: Unit,
    /// Seconds east of UTC of a moment that is written without a zone.
    pub(super) utc_offset: i32,
}

impl Wire {
    /// JSON as an application writes it: base64, microseconds, UTC.
    pub(super) fn json(column_type: ColumnType) -> Self {
        Self {
            habits: Habits::Json,
            column_type,
            traits: ColumnTraits::default(),
            decimals: Decimals::String,
            binary: Binary::Base64,
            unit: Unit::Micros,
            utc_offset: 0,
        }
    }
}

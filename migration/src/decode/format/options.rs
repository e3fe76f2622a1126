//! The options of a format, as they are written in the plan: every one may be left out, and one
//! that the format does not have is refused.

use super::plain::{KeyFrom, NullValue, Operations, Place, PlainFormat, TimeUnit};
use super::{Binary, DebeziumFormat, Decimals, DeleteMode, FormatName, TimePrecision};
use crate::error::{Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// Options of a topic's format.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FormatOptions {
    /// Debezium: how decimals are written, its `decimal.handling.mode`.
    pub decimals: Option<Decimals>,
    /// Debezium, plain, outbox: how bytes are written, Debezium's `binary.handling.mode`.
    pub binary: Option<Binary>,
    /// Debezium: how times are written, its `time.precision.mode`. Left out: its default for the
    /// source's kind of database.
    pub time_precision: Option<TimePrecision>,
    /// Debezium: its `unavailable.value.placeholder`.
    pub unavailable_value: Option<String>,
    /// Debezium on PostgreSQL: whether the tables have `REPLICA IDENTITY FULL`.
    pub full_before: Option<bool>,
    /// Flattened: its `add.fields.prefix` and `add.headers.prefix`.
    pub prefix: Option<String>,
    /// Flattened: its `delete.tombstone.handling.mode`.
    pub deletes: Option<DeleteMode>,
    /// Canal, Maxwell: the offset from UTC in which `TIMESTAMP` columns are written, such as
    /// `+08:00`.
    pub utc_offset: Option<String>,
    /// Maxwell, plain, outbox: columns that are null are left out.
    pub nulls_left_out: Option<bool>,
    /// Outbox: the field that holds the payload, where columns were added to the envelope.
    pub payload_field: Option<String>,
    /// Plain, outbox: the row (the payload) is JSON in a string. Left out: yes for the outbox, as
    /// the router writes it without `table.expand.json.payload`.
    pub in_string: Option<bool>,
    /// Plain, outbox: the field with the table's name.
    pub table_field: Option<String>,
    /// Plain, outbox: the header with the table's name.
    pub table_header: Option<String>,
    /// Plain, outbox: which words mean which operation. Left out: every value is a row to write.
    pub op: Option<RawOperations>,
    /// Plain, outbox: the field that holds the row. Left out: the value is the row.
    pub row_field: Option<String>,
    /// Plain, outbox: the field that holds the row before, so that a change of its key is seen.
    pub before_field: Option<String>,
    /// Plain, outbox: where the key columns are.
    pub key: Option<KeyFrom>,
    /// Plain, outbox: what a null value means.
    pub null_value: Option<NullValue>,
    /// Plain, outbox: the field with an integer that grows with every commit of its record. No
    /// clock: two changes may have one time, and clocks go back.
    pub version_field: Option<String>,
    /// Plain, outbox: the field with the time of the change, in milliseconds.
    pub made_at_ms_field: Option<String>,
    /// Plain, outbox: what a number stands for where a time is expected.
    pub time_unit: Option<TimeUnit>,
}

/// Which words mean which operation, and where they stand: in a field or in a header.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Operations")]
pub struct RawOperations {
    /// The field with the word.
    pub field: Option<String>,
    /// The header with the word.
    pub header: Option<String>,
    /// Words for a row to write.
    pub upsert: Vec<String>,
    /// Words for a row to delete.
    pub delete: Vec<String>,
    /// Words for a table whose rows are all deleted: the run stops there.
    pub truncate: Vec<String>,
    /// Words for nothing to do.
    pub ignore: Vec<String>,
}

impl FormatOptions {
    /// Refuses an option that the format does not have.
    pub(super) fn check(&self, name: FormatName) -> Result<()> {
        use FormatName as F;
        let is_flattened = matches!(name, F::DebeziumFlattened | F::DebeziumFlattenedSchema);
        let is_debezium = is_flattened || matches!(name, F::Debezium | F::DebeziumSchema);
        let is_plain = matches!(name, F::Plain | F::DebeziumOutbox);
        let is_local = matches!(name, F::Canal | F::Maxwell);
        for (option, is_set, is_known) in [
            ("decimals", self.decimals.is_some(), is_debezium),
            ("binary", self.binary.is_some(), is_debezium || is_plain),
            ("time_precision", self.time_precision.is_some(), is_debezium),
            ("unavailable_value", self.unavailable_value.is_some(), is_debezium),
            ("full_before", self.full_before.is_some(), is_debezium),
            ("prefix", self.prefix.is_some(), is_flattened),
            ("deletes", self.deletes.is_some(), is_flattened),
            ("utc_offset", self.utc_offset.is_some(), is_local),
            ("nulls_left_out", self.nulls_left_out.is_some(), is_plain || name == F::Maxwell),
            ("payload_field", self.payload_field.is_some(), name == F::DebeziumOutbox),
            ("in_string", self.in_string.is_some(), is_plain),
            ("table_field", self.table_field.is_some(), is_plain),
            ("table_header", self.table_header.is_some(), is_plain),
            ("op", self.op.is_some(), is_plain),
            ("row_field", self.row_field.is_some(), is_plain),
            ("before_field", self.before_field.is_some(), is_plain),
            ("key", self.key.is_some(), is_plain),
            ("null_value", self.null_value.is_some(), is_plain),
            ("version_field", self.version_field.is_some(), is_plain),
            ("made_at_ms_field", self.made_at_ms_field.is_some(), is_plain),
            ("time_unit", self.time_unit.is_some(), is_plain),
        ] {
            if is_set && !is_known {
                let problem = format!("the format {name} has no such option");
                return Err(wrong(option, &problem).hint("leave it out"));
            }
        }
        Ok(())
    }

    pub(super) fn debezium(&self, schema: bool) -> DebeziumFormat {
        let placeholder = || "__debezium_unavailable_value".to_owned();
        DebeziumFormat {
            schema,
            decimals: self.decimals.unwrap_or_default(),
            binary: self.binary.unwrap_or_default(),
            time_precision: self.time_precision,
            unavailable_value: self.unavailable_value.clone().unwrap_or_else(placeholder),
            full_before: self.full_before.unwrap_or(false),
        }
    }

    pub(super) fn deletes(&self) -> Result<DeleteMode> {
        match self.deletes.unwrap_or_default() {
            DeleteMode::Drop => Err(wrong(
                "deletes",
                "deletes never reach the topic, so deleted \
                 records would stay in the target for ever",
            )
            .hint(
                "set delete.tombstone.handling.mode of the connector's ExtractNewRecordState to \
                 rewrite, then deletes = \"rewrite\" here",
            )),
            mode => Ok(mode),
        }
    }

    /// Seconds east of UTC.
    pub(super) fn utc_offset(&self) -> Result<i32> {
        let Some(text) = &self.utc_offset else { return Ok(0) };
        let parse = || {
            let (sign, rest) = match text.split_at_checked(1)? {
                ("+", rest) => (1, rest),
                ("-", rest) => (-1, rest),
                _ => return None,
            };
            let (hours, minutes) = rest.split_once(':')?;
            let number = |part: &str, most: i32| {
                let two = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
                part.parse::<i32>().ok().filter(|&number| two && number <= most)
            };
            Some(sign * (number(hours, 14)? * 3600 + number(minutes, 59)? * 60))
        };
        parse().ok_or_else(|| {
            wrong("utc_offset", "it is no offset from UTC").hint("write it as \"+08:00\"")
        })
    }

    pub(super) fn plain(&self) -> Result<PlainFormat> {
        let key = self.key.unwrap_or_default();
        let null_value = self.null_value.unwrap_or_default();
        if null_value == NullValue::Delete && key == KeyFrom::Row {
            return Err(wrong("null_value", "a null value has no row that holds the key")
                .hint("say where the key is: key = \"json\" or key = \"text\""));
        }
        let table = place("table_field", &self.table_field, &self.table_header)?;
        Ok(PlainFormat {
            table,
            operations: self.op.as_ref().map(operations).transpose()?,
            row_field: self.row_field.clone(),
            before_field: self.before_field.clone(),
            key,
            null_value,
            version: self.version_field.clone(),
            made_at_ms: self.made_at_ms_field.clone(),
            binary: self.binary.unwrap_or_default(),
            time_unit: self.time_unit.unwrap_or_default(),
            nulls_left_out: self.nulls_left_out.unwrap_or(false),
            in_string: self.in_string.unwrap_or(false),
        })
    }
}

fn operations(raw: &RawOperations) -> Result<Operations> {
    let Some(place) = place("op", &raw.field, &raw.header)? else {
        return Err(wrong("op", "it does not say where the operation stands")
            .hint("write field = \"...\" or header = \"...\""));
    };
    let mut words: Vec<&String> =
        [&raw.upsert, &raw.delete, &raw.truncate, &raw.ignore].into_iter().flatten().collect();
    let count = words.len();
    words.sort_unstable();
    words.dedup();
    if words.len() < count {
        return Err(wrong("op", "a word stands for two operations"));
    }
    if raw.upsert.is_empty() && raw.delete.is_empty() {
        return Err(wrong("op", "no word stands for a change")
            .hint("write upsert = [\"created\", \"updated\"] and delete = [\"deleted\"]"));
    }
    Ok(Operations {
        place,
        upsert: raw.upsert.clone(),
        delete: raw.delete.clone(),
        truncate: raw.truncate.clone(),
        ignore: raw.ignore.clone(),
    })
}

fn place(
    option: &'static str,
    field: &Option<String>,
    header: &Option<String>,
) -> Result<Option<Place>> {
    match (field, header) {
        (Some(_), Some(_)) => Err(wrong(option, "it is said to stand in a field and in a header")),
        (Some(field), None) => Ok(Some(Place::Field(field.clone()))),
        (None, Some(header)) => Ok(Some(Place::Header(header.clone()))),
        (None, None) => Ok(None),
    }
}

fn wrong(option: &'static str, problem: &str) -> Error {
    Error::new(ErrorKind::Plan, "read format of topic")
        .with("option", option)
        .with("problem", problem)
}

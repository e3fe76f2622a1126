//! Kafka Connect's JSON with schema: `{"schema":..,"payload":..}`, and what the schema says of
//! columns.

use super::problem;
use crate::batch::Schema;
use crate::decode::column::ColumnKind;
use crate::decode::fields::{Text, members};
use crate::decode::format::Decimals;
use crate::decode::json_error::JsonError;
use crate::decode::wire::{Unit, Wire};
use crate::error::Result;
use serde::Deserialize;

/// A payload, with its schema where the format says that there is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unwrapped<'a> {
    pub(super) schema: Option<&'a str>,
    /// `None` for a null payload.
    pub(super) payload: Option<&'a str>,
}

/// Takes the payload out of its wrapping, if the format says that there is one.
pub(super) fn unwrap(text: &str, has_schema: bool) -> Result<Unwrapped<'_>> {
    if !has_schema {
        return Ok(Unwrapped { schema: None, payload: Some(text) });
    }
    let [schema, payload] =
        members(text, [Some("schema"), Some("payload")]).map_err(super::not_json)?;
    let (Some(schema), Some(payload)) = (schema, payload) else {
        return Err(problem("it carries no schema").hint(
            "if the converter has schemas.enable=false, leave -schema out of the topic's format",
        ));
    };
    let not_null = |raw: &&str| *raw != "null";
    Ok(Unwrapped { schema: Some(schema).filter(not_null), payload: Some(payload).filter(not_null) })
}

/// One field of a schema.
#[derive(Deserialize)]
struct Field<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    field: Option<Text<'a>>,
    #[serde(borrow)]
    parameters: Option<Parameters<'a>>,
    #[serde(borrow, default)]
    fields: Vec<Field<'a>>,
}

#[derive(Deserialize)]
struct Parameters<'a> {
    #[serde(borrow)]
    scale: Option<Text<'a>>,
    #[serde(borrow)]
    length: Option<Text<'a>>,
}

/// How the columns are written, by the schema that came with the row: `base` with what it says.
pub(in crate::decode) fn wires(schema: &Schema, base: &[Wire], text: &str) -> Result<Vec<Wire>> {
    let root: Field<'_> = serde_json::from_str(text)
        .map_err(|error| problem("its schema cannot be read").because(JsonError::from(error)))?;
    let is = |field: &Field<'_>, name: &str| field.field.as_ref().is_some_and(|f| f.0 == name);
    // The envelope's rows are two of its fields; a flattened row is the schema itself.
    let row = root.fields.iter().find(|field| is(field, "after") && !field.fields.is_empty());
    let row = row.unwrap_or(&root);
    let mut wires = base.to_vec();
    for (column, wire) in schema.columns.iter().zip(&mut wires) {
        if let Some(field) = row.fields.iter().find(|field| is(field, &column.name)) {
            refine(wire, field);
        }
    }
    Ok(wires)
}

fn refine(wire: &mut Wire, field: &Field<'_>) {
    let number = |text: &Option<Text<'_>>| text.as_ref().and_then(|text| text.0.parse().ok());
    let scale = field.parameters.as_ref().and_then(|parameters| number(&parameters.scale));
    let length = field.parameters.as_ref().and_then(|parameters| number(&parameters.length));
    match field.name.as_ref().map(|name| &*name.0) {
        Some("org.apache.kafka.connect.data.Decimal") => {
            wire.decimals = Decimals::Precise;
            wire.traits.scale = scale;
        }
        Some(
            "io.debezium.time.Time"
            | "io.debezium.time.Timestamp"
            | "org.apache.kafka.connect.data.Time"
            | "org.apache.kafka.connect.data.Timestamp",
        ) => wire.unit = Unit::Millis,
        Some("io.debezium.time.MicroTime" | "io.debezium.time.MicroTimestamp") => {
            wire.unit = Unit::Micros;
        }
        Some("io.debezium.time.NanoTime" | "io.debezium.time.NanoTimestamp") => {
            wire.unit = Unit::Nanos;
        }
        // The database tells more: whether their number varies.
        Some("io.debezium.data.Bits") if wire.traits.kind == ColumnKind::Plain => {
            wire.traits.kind = ColumnKind::Bits;
            wire.traits.length = length;
        }
        Some("io.debezium.time.ZonedTime") => wire.traits.kind = ColumnKind::TimeTz,
        Some("io.debezium.time.Interval" | "io.debezium.time.MicroDuration") => {
            wire.traits.kind = ColumnKind::Interval;
        }
        None if field.kind.as_ref().is_some_and(|kind| kind.0 == "string") => {
            wire.decimals = Decimals::String;
        }
        _ => {}
    }
}

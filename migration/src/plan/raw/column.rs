//! A target column as written: the source column's name, or a table with more to say.
//!
//! Read by hand, because serde's untagged enums lose the line of an error and what was expected.

use crate::plan::Loss;
use crate::value::ColumnType;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Where a target column's value comes from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Column")]
pub(crate) struct RawColumn {
    /// The source column.
    pub(crate) from: String,
    /// The type of the target column, where the database does not tell it.
    #[serde(rename = "type")]
    pub(crate) column_type: Option<ColumnType>,
    /// What its values may lose on the way. Without it a value that would lose something is
    /// refused.
    pub(crate) loses: Option<Loss>,
}

/// The columns of a target table, in the order they were written.
#[derive(Debug)]
pub(crate) struct RawColumns(pub(crate) Vec<(String, RawColumn)>);

struct Either(RawColumn);

impl<'de> Deserialize<'de> for Either {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherVisitor)
    }
}

struct EitherVisitor;

impl<'de> Visitor<'de> for EitherVisitor {
    type Value = Either;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a source column or { from, type, loses }")
    }

    fn visit_str<E: Error>(self, from: &str) -> Result<Either, E> {
        Ok(Either(RawColumn { from: from.to_owned(), column_type: None, loses: None }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Either, A::Error> {
        RawColumn::deserialize(MapAccessDeserializer::new(map)).map(Either)
    }
}

impl<'de> Deserialize<'de> for RawColumns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ColumnsVisitor)
    }
}

struct ColumnsVisitor;

impl<'de> Visitor<'de> for ColumnsVisitor {
    type Value = RawColumns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of target columns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawColumns, A::Error> {
        let mut columns = Vec::new();
        while let Some((name, Either(column))) = map.next_entry()? {
            columns.push((name, column));
        }
        Ok(RawColumns(columns))
    }
}

impl JsonSchema for RawColumns {
    fn schema_name() -> Cow<'static, str> {
        "Columns".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "anyOf": [{ "type": "string" }, generator.subschema_for::<RawColumn>()],
            },
        })
    }
}

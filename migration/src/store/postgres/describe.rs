//! From declared types to ours.

use super::shape::{Index, Shape};
use super::value::Wire;
use crate::batch::{Column, Schema};
use crate::store::TableDescription;
use crate::value::ColumnType;

/// Describes a table. A type that we know nothing of is left for the plan to state.
pub(super) fn describe(shape: &Shape) -> TableDescription {
    let mut columns = Vec::with_capacity(shape.columns.len());
    let mut lengths_max = Vec::with_capacity(shape.columns.len());
    let mut unknown_types = Vec::new();
    for column in &shape.columns {
        if column.wire.is_none() {
            unknown_types.push((column.name.clone(), column.declared.clone()));
        }
        lengths_max.push(column.length_max);
        columns.push(Column {
            name: column.name.clone(),
            column_type: column.wire.map_or(ColumnType::Text, column_type),
            nullable: !column.not_null,
        });
    }
    let place = |name: &Option<String>| {
        let name = name.as_deref();
        shape.columns.iter().position(|column| Some(column.name.as_str()) == name)
    };
    let primary = shape.indexes.iter().find(|index| index.is_primary && !index.is_partial);
    let key = primary.map_or_else(Vec::new, |index| {
        index.columns.iter().filter_map(|column| place(&column.name)).collect()
    });
    TableDescription {
        schema: Schema { table: shape.table.clone(), columns, key },
        lengths_max,
        other_unique_keys: other_unique_keys(&shape.indexes),
        // A sequence gives out a number once, unless somebody sets it back.
        key_never_reused: true,
        unknown_types,
    }
}

fn column_type(wire: Wire) -> ColumnType {
    match wire {
        Wire::Bool => ColumnType::Bool,
        Wire::Int2 | Wire::Int4 | Wire::Int8 => ColumnType::Int,
        Wire::Float4 => ColumnType::Float32,
        Wire::Float8 => ColumnType::Float64,
        Wire::Numeric => ColumnType::Decimal,
        Wire::Text => ColumnType::Text,
        Wire::Bytes => ColumnType::Bytes,
        Wire::Date => ColumnType::Date,
        Wire::Time => ColumnType::Time,
        Wire::Timestamp => ColumnType::Timestamp,
        Wire::TimestampTz => ColumnType::TimestampTz,
        Wire::Uuid => ColumnType::Uuid,
        Wire::Json | Wire::Jsonb => ColumnType::Json,
    }
}

/// An index over an expression or over a part of the table, or one that is checked only when a
/// transaction ends, cannot serve as a key; it is named so that it matches none, and so that people
/// know of it.
fn other_unique_keys(indexes: &[Index]) -> Vec<Vec<String>> {
    let others = indexes.iter().filter(|index| index.is_unique);
    others
        .filter(|index| !index.is_primary || index.is_partial)
        .map(|index| {
            let name = |name: &Option<String>| name.clone().unwrap_or("(expression)".to_owned());
            let partial = index.is_partial.then(|| "(partial)".to_owned());
            index.columns.iter().map(|column| name(&column.name)).chain(partial).collect()
        })
        .collect()
}

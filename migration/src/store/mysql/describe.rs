//! From declared types to ours.

use super::shape::{Native, Shape, ShapeColumn, TextColumn};
use crate::batch::{Column, Schema};
use crate::store::TableDescription;
use crate::value::ColumnType;

/// The name of the primary key, which no other index can have.
const PRIMARY: &str = "PRIMARY";

/// Describes a table.
pub(super) fn describe(shape: &Shape) -> TableDescription {
    let mut columns = Vec::with_capacity(shape.columns.len());
    let mut lengths_max = Vec::with_capacity(shape.columns.len());
    let mut unknown_types = Vec::new();
    for column in &shape.columns {
        let known = column_type(column);
        if known.is_none() {
            unknown_types.push((column.name.clone(), column.declared.clone()));
        }
        let column_type = known.unwrap_or(ColumnType::Text);
        let has_length = matches!(column_type, ColumnType::Text | ColumnType::Bytes);
        lengths_max.push(column.length_max.filter(|_| has_length));
        let (name, nullable) = (column.name.clone(), column.nullable);
        columns.push(Column { name, column_type, nullable });
    }
    let mut schema = Schema { table: shape.table.clone(), columns, key: Vec::new() };
    let mut other_unique_keys = Vec::new();
    for unique in &shape.unique {
        let names = unique.columns.iter().flatten();
        if unique.name == PRIMARY && unique.columns.iter().all(Option::is_some) {
            schema.key = names.filter_map(|name| schema.column(name)).collect();
        } else {
            // A part of a column or an expression cannot serve as a key; it is named so that it
            // matches none, and so that people know of it.
            let name = |column: &Option<String>| column.clone().unwrap_or("(part)".to_owned());
            other_unique_keys.push(unique.columns.iter().map(name).collect());
        }
    }
    TableDescription {
        schema,
        lengths_max,
        other_unique_keys,
        // InnoDB keeps the counter through restarts (MariaDB 10.2.4, MySQL 8.0).
        key_never_reused: shape.columns.iter().any(|column| column.is_auto_increment)
            && shape.engine.eq_ignore_ascii_case("InnoDB"),
        unknown_types,
    }
}

fn column_type(column: &ShapeColumn) -> Option<ColumnType> {
    Some(match &column.native {
        Native::Int if column.is_unsigned => ColumnType::Unsigned,
        // TINYINT(1) is what BOOLEAN becomes, but holds more than 0 and 1: the plan may say bool.
        Native::Int | Native::Year => ColumnType::Int,
        Native::Bit if column.declared.eq_ignore_ascii_case("bit(1)") => ColumnType::Bool,
        Native::Bit => ColumnType::Unsigned,
        Native::Float => ColumnType::Float32,
        Native::Double => ColumnType::Float64,
        Native::Decimal { .. } => ColumnType::Decimal,
        Native::Json | Native::Text(TextColumn { is_json: true, .. }) => ColumnType::Json,
        Native::Text(_) | Native::Enum(_) | Native::Set(_) => ColumnType::Text,
        Native::Bytes { .. } => ColumnType::Bytes,
        Native::Date => ColumnType::Date,
        Native::Datetime { .. } => ColumnType::Timestamp,
        Native::Timestamp { .. } => ColumnType::TimestampTz,
        Native::Time { .. } => ColumnType::Time,
        Native::Uuid => ColumnType::Uuid,
        Native::Other => return None,
    })
}

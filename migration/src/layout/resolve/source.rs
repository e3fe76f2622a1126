//! The source table as the layout sees it.

use super::{Unique, check_type, find, refused, unique_by};
use crate::batch::{Column, Schema};
use crate::error::Result;
use crate::key::can_be_key;
use crate::plan::TablePlan;
use crate::store::TableDescription;

/// The columns that the plan takes, in the database's order, and the key in the plan's.
///
/// Columns that no target takes are left out: what is not moved is not read, whatever its type.
pub(super) fn schema(
    table: &TablePlan,
    description: &TableDescription,
    notes: &mut Vec<String>,
) -> Result<Schema> {
    for column in &table.key {
        find(description, column, "the source table lacks a key column")?;
    }
    for (column, _) in &table.types {
        find(description, column, "the plan states a type for a column that is not there")?;
    }
    for mapped in table.into.iter().flat_map(|into| &into.columns) {
        find(description, &mapped.from, "the source table lacks a column")?;
    }
    check_unique(table, description, notes)?;
    let mut columns = Vec::new();
    let mut left = Vec::new();
    for column in &description.schema.columns {
        let mut taken = table.into.iter().flat_map(|into| &into.columns);
        if taken.any(|mapped| mapped.from == column.name) {
            let stated = table.types.iter().find(|(name, _)| *name == column.name);
            let stated = stated.map(|&(_, stated)| stated);
            let hint = format!("state it in the plan: types = {{ {} = \"int\" }}", column.name);
            check_type(description, &column.name, stated, &hint)?;
            let column_type = stated.unwrap_or(column.column_type);
            columns.push(Column { column_type, ..column.clone() });
        } else {
            left.push(column.name.as_str());
        }
    }
    if !left.is_empty() {
        notes.push(format!(
            "{}: no target takes {}, so it cannot be restored from the target",
            table.name,
            left.join(", ")
        ));
    }
    let mut schema = Schema { table: table.name.clone(), columns, key: Vec::new() };
    for name in &table.key {
        // Every key column is taken: the target's key is made of them.
        let column = find(description, name, "the source table lacks a key column")?;
        let column = &description.schema.columns[column].name;
        schema.key.extend(schema.column(column));
    }
    for &column in &schema.key {
        let column = &mut schema.columns[column];
        if !can_be_key(column.column_type) {
            return Err(refused("a column of this type cannot be part of a key", &table.name)
                .with("column", &column.name)
                .with("type", column.column_type)
                .hint(
                    "engines do not agree on its order; choose another unique key, or state the \
                     column's real type in the plan: types = { column = \"int\" }",
                ));
        }
        // Some databases let a primary key hold null. Such a record is refused when it is read.
        column.nullable = false;
    }
    Ok(schema)
}

fn check_unique(
    table: &TablePlan,
    description: &TableDescription,
    notes: &mut Vec<String>,
) -> Result<()> {
    let named = table.key.join(", ");
    match unique_by(description, &table.key) {
        Some(Unique::Primary) => {
            let primary = description.schema.key.iter();
            let primary: Vec<&String> =
                primary.map(|&column| &description.schema.columns[column].name).collect();
            if !table.key.iter().eq(primary.iter().copied()) {
                notes.push(format!(
                    "{}: the plan's key ({named}) is the primary key in another order, so a scan \
                     needs an index in that order or sorts the table for every batch",
                    table.name
                ));
            }
            Ok(())
        }
        Some(Unique::Other) => {
            for column in &table.key {
                let at = find(description, column, "the source table lacks a key column")?;
                if description.schema.columns[at].nullable {
                    return Err(refused("a key column allows null", &table.name)
                        .with("column", column)
                        .hint("make it NOT NULL, or use the primary key in the plan"));
                }
            }
            Ok(())
        }
        None if description.schema.key.is_empty() && description.other_unique_keys.is_empty() => {
            Err(refused("the source table has no primary key", &table.name).hint(format!(
                "add one, such as CREATE UNIQUE INDEX {}_key ON {} ({named}) over NOT NULL columns",
                table.name, table.name
            )))
        }
        None => {
            let primary = description.schema.key.iter();
            let primary: Vec<&str> =
                primary.map(|&column| description.schema.columns[column].name.as_str()).collect();
            Err(refused("the plan's key is not a unique key of the source table", &table.name)
                .with("key", format!("({named})"))
                .with("primary key", format!("({})", primary.join(", ")))
                .hint("name the primary key or a unique key as `key` in the plan"))
        }
    }
}

//! From a table of the plan and what the databases say about it to a layout.
//!
//! Whatever could go wrong for some record is found here, before the first one is moved.

mod source;
mod target;

use super::Layout;
use crate::batch::Schema;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{TablePlan, nearest};
use crate::store::TableDescription;
use crate::value::ColumnType;
use std::sync::Arc;

impl Layout {
    /// Resolves the layout of one source table. `targets` holds one description per target table
    /// of the plan, in plan order; the caller has made sure that all `instances` of the target
    /// describe them alike.
    ///
    /// # Errors
    /// `Refused`, with table and column and what to change in the database or in the plan.
    pub fn resolve(
        table: &TablePlan,
        source: &TableDescription,
        targets: &[TableDescription],
        instances: usize,
    ) -> Result<Self> {
        table.check(instances).map_err(|violation| {
            refused("the plan's table is not valid", &table.name)
                .with("field", violation.field)
                .with("must", violation.must)
                .with("found", violation.found)
        })?;
        if targets.len() != table.into.len() {
            return Err(refused("a target table is not described", &table.name)
                .with("described", targets.len())
                .with("planned", table.into.len()));
        }
        let mut notes = Vec::new();
        let schema = Arc::new(source::schema(table, source, &mut notes)?);
        let source_keys = Arc::new(key_schema(&schema));
        let mut layouts = Vec::with_capacity(targets.len());
        let mut collisions = Vec::new();
        for (into, description) in table.into.iter().zip(targets) {
            let resolver =
                target::Resolver { source: &schema, described: source, into, description };
            layouts.push(Arc::new(resolver.resolve(instances)?));
            collisions.extend(resolver.collisions());
        }
        Ok(Self {
            source: schema,
            source_keys,
            entity_columns: table.entity.len(),
            targets: layouts,
            notes,
            collisions,
        })
    }
}

/// The key columns alone, in key order.
fn key_schema(schema: &Schema) -> Schema {
    Schema {
        table: schema.table.clone(),
        columns: schema.key.iter().map(|&column| schema.columns[column].clone()).collect(),
        key: (0..schema.key.len()).collect(),
    }
}

fn refused(problem: &str, table: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("resolve layout: {problem}")).with("table", table)
}

/// The index of a column in a table's description.
fn find(description: &TableDescription, column: &str, problem: &str) -> Result<usize> {
    let schema = &description.schema;
    schema.column(column).ok_or_else(|| {
        let names = || schema.columns.iter().map(|column| column.name.as_str());
        let error = refused(problem, &schema.table).with("column", column);
        match nearest(column, names()) {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None => error.hint(format!("it has {}", names().collect::<Vec<_>>().join(", "))),
        }
    })
}

/// Refuses a column whose type neither the database nor the plan tells.
fn check_type(
    description: &TableDescription,
    column: &str,
    stated: Option<ColumnType>,
    hint: &str,
) -> Result<()> {
    let unknown = description.unknown_types.iter().find(|(name, _)| name == column);
    match (unknown, stated) {
        (Some((_, declared)), None) => {
            Err(refused("the database does not tell a column's type", &description.schema.table)
                .with("column", column)
                .with("declared", format!("{declared:?}"))
                .hint(hint))
        }
        _ => Ok(()),
    }
}

/// Whether these columns, in any order, are what the table keeps unique; `None` if not.
fn unique_by(description: &TableDescription, columns: &[String]) -> Option<Unique> {
    let schema = &description.schema;
    let same = |names: &[&str]| {
        names.len() == columns.len()
            && columns.iter().all(|column| names.contains(&column.as_str()))
    };
    let primary: Vec<&str> =
        schema.key.iter().map(|&column| schema.columns[column].name.as_str()).collect();
    if !primary.is_empty() && same(&primary) {
        return Some(Unique::Primary);
    }
    description
        .other_unique_keys
        .iter()
        .any(|key| same(&key.iter().map(String::as_str).collect::<Vec<_>>()))
        .then_some(Unique::Other)
}

/// Which key of a table it is that the plan names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unique {
    Primary,
    Other,
}

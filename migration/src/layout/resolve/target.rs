//! One target table: its columns, what each takes, and where a record goes.

use super::super::mapping::{Collision, Mapping};
use super::super::shard::TAKES;
use super::super::{Conversion, Sharding, TargetLayout};
use super::{check_type, find, key_schema, refused, unique_by};
use crate::batch::{Column, Schema};
use crate::error::Result;
use crate::key::can_be_key;
use crate::plan::{ColumnPlan, IntoPlan, Loss};
use crate::store::{EXPRESSION, TableDescription};
use crate::value::ColumnType;
use std::sync::Arc;

/// Digits and sign of the longest 64-bit integer.
const INTEGER_TEXT_MAX: u32 = 20;

/// Everything that one target table is resolved from.
pub(super) struct Resolver<'a> {
    pub(super) source: &'a Arc<Schema>,
    pub(super) described: &'a TableDescription,
    pub(super) into: &'a IntoPlan,
    pub(super) description: &'a TableDescription,
}

impl Resolver<'_> {
    pub(super) fn resolve(&self, instances: usize) -> Result<TargetLayout> {
        let mut schema =
            Schema { table: self.into.name.clone(), columns: Vec::new(), key: Vec::new() };
        let mut mapping = Vec::with_capacity(self.into.columns.len());
        for planned in &self.into.columns {
            let (column, mapped) = self.column(planned)?;
            schema.columns.push(column);
            mapping.push(mapped);
        }
        self.check_filled()?;
        self.check_unique()?;
        for name in &self.into.key {
            schema.key.extend(schema.column(name));
        }
        for &column in &schema.key {
            let column = &mut schema.columns[column];
            if !can_be_key(column.column_type) {
                return Err(self
                    .refused("a column of this type cannot be part of a key", &column.name)
                    .with("type", column.column_type)
                    .hint("engines do not agree on its order: give the column another type"));
            }
            column.nullable = false;
        }
        let source_key = self.source.key.iter().filter_map(|from| {
            schema.key.iter().copied().find(|&target| mapping[target].from == *from)
        });
        Ok(TargetLayout {
            source_key: source_key.collect(),
            sharding: self.sharding(&schema, instances)?,
            complete: self.is_complete(),
            key_schema: Arc::new(key_schema(&schema)),
            source: Arc::clone(self.source),
            schema: Arc::new(schema),
            mapping,
        })
    }

    fn column(&self, planned: &ColumnPlan) -> Result<(Column, Mapping)> {
        let at = find(self.description, &planned.name, "the target table lacks a column")?;
        let described = &self.description.schema.columns[at];
        let hint = format!(
            "state it in the plan: {} = {{ from = {:?}, type = \"int\" }}",
            planned.name, planned.from
        );
        check_type(self.description, &described.name, planned.column_type, &hint)?;
        let column_type = planned.column_type.unwrap_or(described.column_type);
        let column = Column { column_type, ..described.clone() };
        let Some(from) = self.source.column(&planned.from) else {
            return Err(self.refused("its source column is not there", &planned.name));
        };
        let source = &self.source.columns[from];
        if source.nullable && !column.nullable {
            return Err(self
                .refused(
                    "the source column allows null and the target column does not",
                    &column.name,
                )
                .with("from", &source.name)
                .hint("let the target column be null, or make the source column NOT NULL"));
        }
        if let Some(loss) = planned.loses {
            let conversion = self.losing(loss, source, &column)?;
            return Ok((column, Mapping { from, conversion }));
        }
        let Some(conversion) = Conversion::between(source.column_type, column_type) else {
            return Err(self
                .refused("no conversion between these types loses nothing", &column.name)
                .with("from", format!("{} ({})", source.name, source.column_type))
                .with("to", column_type)
                .hint(
                    "change the target column's type; where a database does not tell the real \
                     type, state it in the plan, in `types` or as { from, type }",
                ));
        };
        self.check_length(
            planned,
            source,
            self.description.lengths_max.get(at).copied().flatten(),
        )?;
        Ok((column, Mapping { from, conversion }))
    }

    /// What a column becomes that may lose something.
    fn losing(&self, loss: Loss, source: &Column, column: &Column) -> Result<Conversion> {
        let Some(conversion) = Conversion::losing(loss, source.column_type, column.column_type)
        else {
            return Err(self
                .refused("the loss that the plan names cannot come about here", &column.name)
                .with("from", format!("{} ({})", source.name, source.column_type))
                .with("to", column.column_type)
                .hint(
                    "`nul` is lost from text to text; `zero-date` from a column that `types` takes \
                     for text to a date or a timestamp",
                ));
        };
        if loss == Loss::ZeroDate && !column.nullable {
            return Err(self
                .refused(
                    "days that are none become null, which the column does not allow",
                    &column.name,
                )
                .hint("let the target column be null"));
        }
        Ok(conversion)
    }

    fn check_length(
        &self,
        planned: &ColumnPlan,
        source: &Column,
        target_max: Option<u32>,
    ) -> Result<()> {
        let Some(target_max) = target_max else { return Ok(()) };
        let source_max = match source.column_type {
            ColumnType::Text | ColumnType::Bytes | ColumnType::Json => self
                .described
                .schema
                .column(&planned.from)
                .and_then(|at| self.described.lengths_max.get(at).copied().flatten()),
            ColumnType::Int | ColumnType::Unsigned => Some(INTEGER_TEXT_MAX),
            _ => return Ok(()),
        };
        if source_max.is_some_and(|source_max| source_max <= target_max) {
            return Ok(());
        }
        let longest = source_max.map_or_else(|| "no bound".to_owned(), |max| max.to_string());
        Err(self
            .refused("the target column is narrower than the source column", &planned.name)
            .with("from", format!("{} (at most: {longest})", source.name))
            .with("to", format!("at most: {target_max}"))
            .hint("widen the target column"))
    }

    /// Columns that the plan does not fill stay as the database makes them, which must be null.
    fn check_filled(&self) -> Result<()> {
        let open = self.description.schema.columns.iter().find(|column| {
            !column.nullable && !self.into.columns.iter().any(|planned| planned.name == column.name)
        });
        match open {
            Some(column) => Err(self
                .refused("nothing fills a column that does not allow null", &column.name)
                .hint("map it in the plan, let it be null, or drop it")),
            None => Ok(()),
        }
    }

    fn check_unique(&self) -> Result<()> {
        if unique_by(self.description, &self.into.key).is_some() {
            return Ok(());
        }
        let named = self.into.key.join(", ");
        Err(refused("the plan's key is not unique in the target", &self.into.name)
            .with("key", format!("({named})"))
            .hint(format!(
                "make ({named}) the target's primary key, so that one record is one row"
            )))
    }

    /// The unique keys beside the plan's that two records could meet on.
    pub(super) fn collisions(&self) -> impl Iterator<Item = Collision> {
        let schema = &self.description.schema;
        let name = |&column: &usize| schema.columns[column].name.clone();
        let primary: Vec<String> = schema.key.iter().map(name).collect();
        let others = self.description.other_unique_keys.iter().cloned().map(|key| (key, false));
        std::iter::once((primary, true)).chain(others).filter(|(key, _)| self.can_collide(key)).map(
            |(key, is_primary)| {
                let table = self.into.name.clone();
                Collision { table, key: key.join(", "), is_primary }
            },
        )
    }

    /// Records of different keys differ in a unique key that holds the whole of theirs; one that
    /// the plan fills nothing of is the database's own affair.
    fn can_collide(&self, unique: &[String]) -> bool {
        let is_filled = |name: &String| {
            // What an index over an expression reads is not known.
            name == EXPRESSION || self.into.columns.iter().any(|planned| planned.name == *name)
        };
        unique.iter().any(is_filled) && !self.into.key.iter().all(|name| unique.contains(name))
    }

    fn sharding(&self, schema: &Schema, instances: usize) -> Result<Option<Sharding>> {
        let Some(shard) = &self.into.shard else { return Ok(None) };
        let place = self.into.key.iter().position(|column| *column == shard.by);
        let Some(key_column) = place else {
            return Err(self.refused("the shard column is not part of the key", &shard.by));
        };
        let column_type = schema.columns[schema.key[key_column]].column_type;
        let bounds = shard.bounds.clone();
        let sharding = Sharding { key_column, function: shard.function, bounds, instances };
        if !sharding.takes(column_type) {
            return Err(self
                .refused("the shard function does not take this type", &shard.by)
                .with("type", column_type)
                .hint(TAKES));
        }
        Ok(Some(sharding))
    }

    fn is_complete(&self) -> bool {
        self.described
            .schema
            .columns
            .iter()
            .all(|column| self.into.columns.iter().any(|planned| planned.from == column.name))
            && self.into.columns.iter().all(|planned| planned.loses.is_none())
    }

    fn refused(&self, problem: &str, column: &str) -> crate::error::Error {
        refused(problem, &self.into.name).with("column", column)
    }
}

//! The tall layout: one row per record, columns renamed, retyped and spread over shards.

use super::{Conversion, Sharding};
use crate::batch::{Batch, Column, Row, Schema};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use std::sync::Arc;

/// One source table and everything it becomes in the target.
#[derive(Debug, Clone)]
pub struct Layout {
    pub(super) source: Arc<Schema>,
    pub(super) source_keys: Arc<Schema>,
    pub(super) entity_columns: usize,
    pub(super) targets: Vec<Arc<TargetLayout>>,
    pub(super) notes: Vec<String>,
    pub(super) collisions: Vec<Collision>,
}

/// A unique key of a target table that two records can meet on while the migration is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Collision {
    pub(super) table: String,
    /// Its columns, for people.
    pub(super) key: String,
    pub(super) is_primary: bool,
}

impl Layout {
    /// The source table: the columns that some target table takes. A message may carry others.
    #[must_use]
    pub fn source(&self) -> &Arc<Schema> {
        &self.source
    }

    /// The source table's key columns alone, for deletes.
    #[must_use]
    pub fn source_keys(&self) -> &Arc<Schema> {
        &self.source_keys
    }

    /// The tables that its records become.
    #[must_use]
    pub fn targets(&self) -> &[Arc<TargetLayout>] {
        &self.targets
    }

    /// What an operator should know about this layout and nothing has to be done about.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Refuses a target in which two records that the source never held at once would meet on a
    /// unique key: the copy writes what the source holds now, ahead of the live writes that are
    /// still in the queue, so for a while the target holds records of several moments. Writing in
    /// queue order would not help: the change that frees a value may come after the record that
    /// took it.
    ///
    /// # Errors
    /// `Refused`, with the table and the key.
    pub fn refuse_collisions(&self) -> Result<()> {
        let Some(Collision { table, key, is_primary }) = self.collisions.first() else {
            return Ok(());
        };
        let way_out = if *is_primary {
            format!("name ({key}) as the table's key in the plan, or give the table another")
        } else {
            "drop it, and create it again when the switch is over and `dual-write` has stopped"
                .to_owned()
        };
        Err(Error::new(ErrorKind::Refused, "resolve layout: the target has another unique key")
            .with("table", table)
            .with("key", format!("({key})"))
            .hint(format!(
                "{way_out}: on the way two records may hold one value for a moment, and the live \
                 path would stop there"
            )))
    }

    /// How many columns of a record's key tell its entity.
    #[must_use]
    pub fn entity_columns(&self) -> usize {
        self.entity_columns
    }

    /// The entity that a record belongs to: the leading columns of its key.
    ///
    /// # Errors
    /// `Unreadable` if `key` is not a key.
    pub fn entity(&self, key: &Key) -> Result<Key> {
        key.prefix(self.entity_columns)
    }
}

/// A column of the target and where its value comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mapping {
    /// Index of the source column.
    pub(super) from: usize,
    pub(super) conversion: Conversion,
}

/// One target table: how source records become its records, and back.
#[derive(Debug, Clone)]
pub struct TargetLayout {
    pub(super) schema: Arc<Schema>,
    pub(super) key_schema: Arc<Schema>,
    pub(super) source: Arc<Schema>,
    /// One per target column.
    pub(super) mapping: Vec<Mapping>,
    pub(super) sharding: Option<Sharding>,
    /// For each source key column, the target column that holds it.
    pub(super) source_key: Vec<usize>,
    /// Whether it takes every column that the source table has.
    pub(super) complete: bool,
}

impl TargetLayout {
    /// The target table.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Its key columns alone, in key order.
    #[must_use]
    pub fn key_schema(&self) -> &Arc<Schema> {
        &self.key_schema
    }

    /// Turns source records into records of this table, one for one, in order.
    ///
    /// # Errors
    /// `Unreadable` for a value without an exact counterpart, with table, key and column.
    pub fn project(&self, rows: &Batch) -> Result<Batch> {
        if self.takes_as_is() {
            return Ok(rows.as_of(&self.schema));
        }
        let mut out = Batch::new(Arc::clone(&self.schema));
        for row in rows.rows() {
            self.project_row(&row, &mut out)?;
        }
        Ok(out)
    }

    /// Whether every source record is a record of this table as it is.
    fn takes_as_is(&self) -> bool {
        let columns = self.schema.columns.iter().zip(&self.source.columns);
        self.schema.columns.len() == self.source.columns.len()
            && columns.zip(&self.mapping).enumerate().all(|(place, ((column, source), mapping))| {
                mapping.from == place
                    && matches!(mapping.conversion, Conversion::Same)
                    && column.column_type == source.column_type
                    && (column.nullable || !source.nullable)
            })
    }

    /// Turns one source record into the next record of `out`, a batch of this table.
    ///
    /// # Errors
    /// As [`Self::project`]; `out` is unchanged then.
    pub fn project_row(&self, row: &Row<'_>, out: &mut Batch) -> Result<()> {
        for (column, mapping) in self.schema.columns.iter().zip(&self.mapping) {
            let pushed =
                mapping.conversion.forward(row.value(mapping.from), |value| out.push(value));
            if let Err(error) = pushed {
                out.discard_partial();
                return Err(self.located(error, column, &row.key()?));
            }
        }
        Ok(())
    }

    /// Turns a source key into the next record of `out`, a batch of this table's key schema.
    ///
    /// # Errors
    /// `Unreadable` if the key has no exact counterpart.
    pub fn project_key(&self, key: &Key, out: &mut Batch) -> Result<()> {
        let columns = key.columns()?;
        for &target in &self.schema.key {
            let mapping = &self.mapping[target];
            let place = self.source.key.iter().position(|&column| column == mapping.from);
            let pushed = place.and_then(|place| columns.get(place)).map_or_else(
                || Err(Error::new(crate::error::ErrorKind::Unreadable, "key is of another table")),
                |column| mapping.conversion.forward(column.value(), |value| out.push(value)),
            );
            if let Err(error) = pushed {
                out.discard_partial();
                return Err(self.located(error, &self.schema.columns[target], key));
            }
        }
        Ok(())
    }

    /// The inverse of [`Self::project`], for the source columns that this table holds: the others
    /// are null. Use [`Self::is_complete`] to know whether there are any.
    ///
    /// # Errors
    /// `Unreadable` for a record that `project` cannot have made.
    pub fn invert(&self, rows: &Batch) -> Result<Batch> {
        let mut out = Batch::new(Arc::clone(&self.source));
        for row in rows.rows() {
            for from in 0..self.source.columns.len() {
                let held = self.mapping.iter().position(|mapping| mapping.from == from);
                let pushed = match held {
                    Some(target) => self.mapping[target]
                        .conversion
                        .backward(row.value(target), |value| out.push(value)),
                    None => out.push(crate::value::Value::Null),
                };
                if let Err(error) = pushed {
                    out.discard_partial();
                    return Err(self.located(error, &self.source.columns[from], &row.key()?));
                }
            }
        }
        Ok(out)
    }

    /// Whether this table holds every column of the source, mapped by the plan or not, so that the
    /// way back loses nothing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The range key of a target record: the key of the source record it was made from.
    ///
    /// # Errors
    /// `Unreadable` for a record that `project` cannot have made.
    pub fn range_key(&self, row: &Row<'_>) -> Result<Key> {
        let mut bytes = Vec::with_capacity(32);
        for &target in &self.source_key {
            let column = &self.schema.columns[target];
            self.mapping[target]
                .conversion
                .backward(row.value(target), |value| crate::key::push(value, &mut bytes))
                .map_err(|error| {
                    error.with("table", &self.schema.table).with("column", &column.name)
                })?;
        }
        Ok(Key::from_bytes(bytes))
    }

    /// Whether the target's key order is the source's, so that an interval of one is the same
    /// interval of the other.
    #[must_use]
    pub fn is_aligned(&self) -> bool {
        self.schema.key == self.source_key
            && self
                .source_key
                .iter()
                .all(|&column| matches!(self.mapping[column].conversion, Conversion::Same))
    }

    /// The index of the instance that holds a record of this table.
    ///
    /// # Errors
    /// `Unreadable` if the shard column holds what the shard function cannot take.
    pub fn instance_of(&self, row: &Row<'_>) -> Result<usize> {
        self.sharding
            .as_ref()
            .map_or(Ok(0), |sharding| sharding.instance(row, self.schema.key[sharding.key_column]))
    }

    /// The index of the instance that holds a record, by its key (a row of the key schema).
    ///
    /// # Errors
    /// As [`Self::instance_of`].
    pub fn instance_of_key(&self, row: &Row<'_>) -> Result<usize> {
        self.sharding.as_ref().map_or(Ok(0), |sharding| sharding.instance(row, sharding.key_column))
    }

    fn located(&self, error: Error, column: &Column, key: &Key) -> Error {
        error.with("table", &self.schema.table).with("column", &column.name).with("key", key)
    }
}

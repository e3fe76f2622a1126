//! One table in memory: records in key order.

use crate::batch::{Batch, Row, Schema};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::store::{ReadLimit, TableDescription};
use crate::value::Value;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The encoded values of one record, in the table's column order.
pub(super) type Record = Vec<Vec<u8>>;

#[derive(Debug, Clone)]
pub(super) struct Table {
    description: TableDescription,
    records: BTreeMap<Key, Record>,
}

impl Table {
    pub(super) fn new(description: TableDescription) -> Self {
        Self { description, records: BTreeMap::new() }
    }

    pub(super) fn description(&self) -> &TableDescription {
        &self.description
    }

    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.records.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.records.contains_key(key)
    }

    /// Where the columns of `schema` lie in this table, which must have its key.
    pub(super) fn columns_of(&self, schema: &Schema) -> Result<Vec<usize>> {
        let own = &self.description.schema;
        let name = |schema: &Schema, column: &usize| schema.columns[*column].name.clone();
        let asked = schema.key.iter().map(|column| name(schema, column));
        if !asked.eq(own.key.iter().map(|column| name(own, column))) {
            return Err(Error::new(ErrorKind::Refused, "use table: its key is another")
                .with("table", &schema.table));
        }
        let place = |name: &str| {
            own.column(name).ok_or_else(|| {
                Error::new(ErrorKind::Refused, "use table: there is no such column")
                    .with("table", &schema.table)
                    .with("column", name)
            })
        };
        schema.columns.iter().map(|column| place(&column.name)).collect()
    }

    /// Writes a record, new or not. Returns its key and what was there.
    pub(super) fn put(
        &mut self,
        columns: &[usize],
        row: &Row<'_>,
    ) -> Result<(Key, Option<Record>)> {
        let key = row.key()?;
        let old = self.records.get(&key).cloned();
        let mut null = Vec::new();
        Value::Null.encode(&mut null)?;
        let count = self.description.schema.columns.len();
        let record = self.records.entry(key.clone()).or_insert_with(|| vec![null; count]);
        for (from, &to) in columns.iter().enumerate() {
            record[to] = row.encoded(from).to_vec();
        }
        Ok((key, old))
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Record> {
        self.records.remove(key)
    }

    /// Puts back what [`Self::put`] or [`Self::remove`] found.
    pub(super) fn put_back(&mut self, key: Key, old: Option<Record>) {
        match old {
            Some(record) => drop(self.records.insert(key, record)),
            None => drop(self.records.remove(&key)),
        }
    }

    pub(super) fn scan(
        &self,
        schema: &Arc<Schema>,
        (after, until): (Option<&Key>, Option<&Key>),
        limit: ReadLimit,
    ) -> Result<Batch> {
        let columns = self.columns_of(schema)?;
        let mut batch = Batch::new(Arc::clone(schema));
        if after.zip(until).is_some_and(|(after, until)| after >= until) {
            return Ok(batch);
        }
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let upper = until.map_or(Bound::Unbounded, Bound::Included);
        for record in self.records.range::<Key, _>((lower, upper)).map(|(_, record)| record) {
            push(&mut batch, &columns, record)?;
            if batch.len() >= limit.rows_max || batch.byte_count() >= limit.bytes_max {
                break;
            }
        }
        Ok(batch)
    }

    pub(super) fn read(&self, schema: &Arc<Schema>, keys: &[Key]) -> Result<Batch> {
        let columns = self.columns_of(schema)?;
        let mut batch = Batch::new(Arc::clone(schema));
        for record in keys.iter().filter_map(|key| self.records.get(key)) {
            push(&mut batch, &columns, record)?;
        }
        Ok(batch)
    }

    pub(super) fn split_points(&self, count: usize) -> Vec<Key> {
        let step = self.records.len() / count.max(1);
        let inner = 1..count;
        inner
            .filter(|_| step > 0)
            .filter_map(|part| self.records.keys().nth(part * step - 1).cloned())
            .collect()
    }
}

fn push(batch: &mut Batch, columns: &[usize], record: &Record) -> Result<()> {
    columns.iter().try_for_each(|&column| batch.push(Value::decode(&record[column])?))
}

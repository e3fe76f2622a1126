//! Batches of typed records: the unit that crosses every trait.
//!
//! A batch is one buffer of canonically encoded values and their ends; a record costs no
//! allocation of its own, and two records of one schema are equal exactly when their bytes are.

use crate::error::{Error, ErrorKind, Result};
use crate::key::{self, Key};
use crate::value::{ColumnType, Value};
use std::sync::Arc;

/// A column as both sides of a comparison agree to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name in the store.
    pub name: String,
    /// The type.
    pub column_type: ColumnType,
    /// Whether null is allowed.
    pub nullable: bool,
}

/// The shape of a table's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The table's name in the store.
    pub table: String,
    /// The columns, in the order a record holds them.
    pub columns: Vec<Column>,
    /// Indices of the key columns, in key order.
    pub key: Vec<usize>,
}

impl Schema {
    /// The index of the column called `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// Records of one schema, in one buffer.
#[derive(Debug, Clone)]
pub struct Batch {
    schema: Arc<Schema>,
    bytes: Vec<u8>,
    /// End of every value in `bytes`; a row is `columns.len()` of them.
    ends: Vec<usize>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self { schema, bytes: Vec::new(), ends: Vec::new() }
    }

    /// The shape of its records.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The same records as those of another table, whose columns hold the same values in the same
    /// order.
    #[must_use]
    pub fn as_of(&self, schema: &Arc<Schema>) -> Self {
        debug_assert_eq!(self.schema.columns.len(), schema.columns.len());
        let (bytes, ends) = (self.bytes.clone(), self.ends.clone());
        Self { schema: Arc::clone(schema), bytes, ends }
    }

    /// Number of whole records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len() / self.schema.columns.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size of the encoded records in bytes.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the next value of the record being written; a record is whole when every column of
    /// the schema has been pushed.
    ///
    /// # Errors
    /// `Unreadable` if the column cannot hold the value; the batch is unchanged.
    pub fn push(&mut self, value: Value<'_>) -> Result<()> {
        let column = &self.schema.columns[self.ends.len() % self.schema.columns.len()];
        let fits = value.fits(column.column_type) && (column.nullable || value != Value::Null);
        if !fits {
            let found = match (value, column.column_type) {
                (Value::Int(_), ColumnType::Int | ColumnType::Unsigned) => {
                    "an integer out of its range"
                }
                _ => value.kind(),
            };
            return Err(Error::new(ErrorKind::Unreadable, "read value")
                .with("table", &self.schema.table)
                .with("column", &column.name)
                .with("type", column.column_type)
                .with("found", found));
        }
        value.encode(&mut self.bytes)?;
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Takes back the values of a record that is not whole.
    pub fn discard_partial(&mut self) {
        let whole = self.len() * self.schema.columns.len();
        self.ends.truncate(whole);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Appends a record of another batch of the same schema.
    pub fn push_row(&mut self, row: Row<'_>) {
        debug_assert_eq!(self.schema.columns.len(), row.batch.schema.columns.len());
        for column in 0..row.batch.schema.columns.len() {
            self.bytes.extend_from_slice(row.encoded(column));
            self.ends.push(self.bytes.len());
        }
    }

    /// The record at `index`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn row(&self, index: usize) -> Row<'_> {
        assert!(index < self.len(), "row {index} of {}", self.len());
        Row { batch: self, first: index * self.schema.columns.len() }
    }

    /// All records in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }

    /// Forgets the records and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Keeps the first `count` records.
    pub fn truncate(&mut self, count: usize) {
        self.ends.truncate(count * self.schema.columns.len());
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    fn start(&self, value: usize) -> usize {
        if value == 0 { 0 } else { self.ends[value - 1] }
    }
}

/// One record of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    batch: &'a Batch,
    first: usize,
}

impl<'a> Row<'a> {
    /// The canonical encoding of the whole record.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        let last = self.first + self.batch.schema.columns.len() - 1;
        &self.batch.bytes[self.batch.start(self.first)..self.batch.ends[last]]
    }

    /// The canonical encoding of one column.
    #[must_use]
    pub fn encoded(&self, column: usize) -> &'a [u8] {
        let value = self.first + column;
        &self.batch.bytes[self.batch.start(value)..self.batch.ends[value]]
    }

    /// The value of one column.
    #[must_use]
    pub fn value(&self, column: usize) -> Value<'a> {
        // `push` wrote these bytes, so they decode.
        Value::decode(self.encoded(column)).unwrap_or(Value::Null)
    }

    /// The values in column order.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let row = *self;
        (0..row.batch.schema.columns.len()).map(move |column| row.value(column))
    }

    /// The record's key.
    ///
    /// # Errors
    /// `Unreadable` if a key column holds null.
    pub fn key(&self) -> Result<Key> {
        self.key_of(&self.batch.schema.key)
    }

    /// The key made of the given columns.
    ///
    /// # Errors
    /// `Unreadable` if one of them holds null.
    pub fn key_of(&self, columns: &[usize]) -> Result<Key> {
        Key::new(columns.iter().map(|&column| self.value(column)))
            .map_err(|error| error.with("table", &self.batch.schema.table))
    }

    /// Appends the key bytes to `out`, for callers that look at many keys and keep few.
    ///
    /// # Errors
    /// `Unreadable` if a key column holds null.
    pub fn push_key(&self, out: &mut Vec<u8>) -> Result<()> {
        self.batch
            .schema
            .key
            .iter()
            .try_for_each(|&column| key::push(self.value(column), out))
            .map_err(|error| error.with("table", &self.batch.schema.table))
    }
}

//! Reads of records, straight into the batch.

use super::error::failed;
use super::shape::Shape;
use super::value::{self, Storage};
use super::{SqliteStore, statement};
use crate::batch::{Batch, Schema};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::store::ReadLimit;
use crate::store::walk::{self, Walk};
use crate::value::Value;
use futures::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row};
use std::sync::Arc;

/// The records with keys in (`after`, `until`], in key order.
pub(super) async fn scan(
    store: &SqliteStore,
    schema: &Arc<Schema>,
    (after, until): (Option<&Key>, Option<&Key>),
    limit: ReadLimit,
) -> Result<Batch> {
    let shape = store.shape(&schema.table).await?;
    let reader = Reader::new(store, schema, &shape)?;
    let mut arguments = SqliteArguments::default();
    let Some((lower, upper)) = reader.bind_bounds(&mut arguments, (after, until))? else {
        return Ok(Batch::new(Arc::clone(schema)));
    };
    value::add(&mut arguments, i64::try_from(limit.rows_max.max(1)).unwrap_or(i64::MAX))?;
    let mut batch = Batch::new(Arc::clone(schema));
    let bytes_max = limit.bytes_max;
    reader.run(statement::scan(schema, lower, upper), arguments, bytes_max, &mut batch).await?;
    Ok(batch)
}

/// The records with these keys.
pub(super) async fn read(store: &SqliteStore, schema: &Arc<Schema>, keys: &[Key]) -> Result<Batch> {
    let shape = store.shape(&schema.table).await?;
    let reader = Reader::new(store, schema, &shape)?;
    let mut batch = Batch::new(Arc::clone(schema));
    let mut rest = keys;
    for size in statement::sizes(keys.len(), schema.key.len()) {
        let (part, after) = rest.split_at(size);
        rest = after;
        let mut arguments = SqliteArguments::default();
        for key in part {
            if reader.bind_key(&mut arguments, key)? != schema.key.len() {
                return Err(Error::new(ErrorKind::Unreadable, "read records: not a whole key")
                    .with("table", &schema.table)
                    .with("key", key));
            }
        }
        reader.run(statement::read(schema, size), arguments, usize::MAX, &mut batch).await?;
    }
    Ok(batch)
}

/// Number of records. SQLite keeps no estimate; counting walks the smallest index.
pub(super) async fn count(store: &SqliteStore, table: &str) -> Result<u64> {
    let failed = |error| failed("count records", &store.path, error).with("table", table);
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(statement::count(table)))
        .fetch_one(&store.pools.readers)
        .await
        .map_err(failed)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// A key column that is null in some record: SQLite lets a primary key hold null where no column of
/// it is declared otherwise.
pub(super) async fn null_in_key(store: &SqliteStore, schema: &Schema) -> Result<Option<String>> {
    let shape = store.shape(&schema.table).await?;
    for &column in &schema.key {
        let name = &schema.columns[column].name;
        if !shape.may_be_null(name)? {
            continue;
        }
        let found = sqlx::query(AssertSqlSafe(statement::some_null(&schema.table, name)))
            .fetch_optional(&store.pools.readers)
            .await
            .map_err(|error| failed("look for null in keys", &store.path, error))?;
        if found.is_some() {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

/// Keys that cut the table into equal parts, each found by walking on from the one before.
pub(super) async fn split_points(
    store: &SqliteStore,
    schema: &Arc<Schema>,
    count: usize,
) -> Result<Vec<Key>> {
    let shape = store.shape(&schema.table).await?;
    let reader = Reader::new(store, schema, &shape)?;
    let records = self::count(store, &schema.table).await?;
    let part = records / u64::try_from(count.max(1)).unwrap_or(u64::MAX);
    let part = usize::try_from(part).unwrap_or(usize::MAX);
    let mut points: Vec<Key> = Vec::new();
    while part > 0 && points.len() + 1 < count {
        let Some(point) = reader.key_after((points.last(), None), part - 1).await? else { break };
        points.push(point);
    }
    Ok(points)
}

/// See [`Store::interval`](crate::store::Store::interval).
pub(super) async fn interval(
    store: &SqliteStore,
    schema: &Arc<Schema>,
    bounds: (Option<&Key>, Option<&Key>),
    entity_columns: usize,
    rows: usize,
) -> Result<Option<(Key, Key)>> {
    let shape = store.shape(&schema.table).await?;
    let reader = Reader::new(store, schema, &shape)?;
    walk::interval(&reader, bounds, entity_columns, rows).await
}

/// What reading one table takes.
struct Reader<'a> {
    store: &'a SqliteStore,
    schema: &'a Schema,
    storage: Vec<Storage>,
}

impl<'a> Reader<'a> {
    fn new(store: &'a SqliteStore, schema: &'a Schema, shape: &Shape) -> Result<Self> {
        Ok(Self { store, schema, storage: shape.storage(schema)? })
    }

    /// Binds a key and returns how many columns it has.
    fn bind_key(&self, arguments: &mut SqliteArguments, key: &Key) -> Result<usize> {
        let columns = key.columns()?;
        if columns.len() > self.schema.key.len() {
            return Err(Error::new(ErrorKind::Unreadable, "read records: the key is too long")
                .with("table", &self.schema.table)
                .with("key", key));
        }
        for (column, &place) in columns.iter().zip(&self.schema.key) {
            value::bind(arguments, column.value(), self.storage[place])
                .map_err(|error| error.with("table", &self.schema.table).with("key", key))?;
        }
        Ok(columns.len())
    }

    /// Binds the bounds of a walk and returns how many columns each has; `None` if no key lies
    /// between them.
    fn bind_bounds(
        &self,
        arguments: &mut SqliteArguments,
        (after, until): (Option<&Key>, Option<&Key>),
    ) -> Result<Option<(Option<usize>, Option<usize>)>> {
        let lower = after.map(|key| self.bind_key(arguments, key)).transpose()?;
        let upper = until.map(|key| self.bind_key(arguments, key)).transpose()?;
        // The key without columns is below every other.
        Ok((upper != Some(0)).then_some((lower.filter(|columns| *columns > 0), upper)))
    }

    async fn key(&self, sql: String, arguments: SqliteArguments) -> Result<Option<Key>> {
        let found = sqlx::query_with(AssertSqlSafe(sql), arguments)
            .fetch_optional(&self.store.pools.readers)
            .await
            .map_err(|error| self.failed(error))?;
        found.map(|row| self.key_of(&row)).transpose()
    }

    /// Runs a query and appends what it finds, up to the record that crosses `bytes_max`.
    async fn run(
        &self,
        sql: String,
        arguments: SqliteArguments,
        bytes_max: usize,
        batch: &mut Batch,
    ) -> Result<()> {
        let mut connection =
            self.store.pools.readers.acquire().await.map_err(|error| self.failed(error))?;
        let mut rows = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch(&mut *connection);
        while let Some(row) = rows.try_next().await.map_err(|error| self.failed(error))? {
            self.push(&row, batch)?;
            if batch.byte_count() >= bytes_max {
                break;
            }
        }
        Ok(())
    }

    fn push(&self, row: &SqliteRow, batch: &mut Batch) -> Result<()> {
        let mut scratch = String::new();
        for column in 0..self.storage.len() {
            let value = self.value(row, column, column, &mut scratch);
            let pushed = value.and_then(|value| batch.push(value));
            if let Err(error) = pushed {
                batch.discard_partial();
                return Err(self.at_key(error, row));
            }
        }
        Ok(())
    }

    /// The value of a column, which stands at `place` in the row.
    fn value<'r>(
        &self,
        row: &'r SqliteRow,
        place: usize,
        column: usize,
        scratch: &'r mut String,
    ) -> Result<Value<'r>> {
        let raw = row.try_get_raw(place).map_err(|error| self.failed(error))?;
        value::value(raw, self.storage[column], scratch).map_err(|found| {
            let column = &self.schema.columns[column];
            Error::new(ErrorKind::Unreadable, "read value: it is not of its column's type")
                .with("table", &self.schema.table)
                .with("column", &column.name)
                .with("type", column.column_type)
                .with("found", found)
        })
    }

    /// The key of a row that holds nothing else.
    fn key_of(&self, row: &SqliteRow) -> Result<Key> {
        let mut scratch = vec![String::new(); self.schema.key.len()];
        let columns = self.schema.key.iter().zip(&mut scratch).enumerate();
        let values: Vec<Value<'_>> = columns
            .map(|(place, (&column, scratch))| self.value(row, place, column, scratch))
            .collect::<Result<_>>()?;
        Key::new(values).map_err(|error| error.with("table", &self.schema.table))
    }

    /// Says which record it is, if its key can be read.
    fn at_key(&self, error: Error, row: &SqliteRow) -> Error {
        let mut scratch = vec![String::new(); self.schema.key.len()];
        let columns = self.schema.key.iter().zip(&mut scratch);
        let values: Result<Vec<Value<'_>>> =
            columns.map(|(&column, scratch)| self.value(row, column, column, scratch)).collect();
        let hint = "mend the value, or state the column's real type in the plan (`types`)";
        match values.and_then(Key::new) {
            Ok(key) => error.with("key", key).hint(hint),
            Err(_) => error.hint(hint),
        }
    }

    fn failed(&self, error: sqlx::Error) -> Error {
        failed("read records", &self.store.path, error).with("table", &self.schema.table)
    }
}

impl Walk for Reader<'_> {
    fn key_columns(&self) -> usize {
        self.schema.key.len()
    }

    async fn key_after(
        &self,
        (after, until): (Option<&Key>, Option<&Key>),
        passed: usize,
    ) -> Result<Option<Key>> {
        let mut arguments = SqliteArguments::default();
        let Some((lower, upper)) = self.bind_bounds(&mut arguments, (after, until))? else {
            return Ok(None);
        };
        value::add(&mut arguments, i64::try_from(passed).unwrap_or(i64::MAX))?;
        self.key(statement::key_after(self.schema, lower, upper), arguments).await
    }

    async fn last_key(&self, (after, until): (Option<&Key>, Option<&Key>)) -> Result<Option<Key>> {
        let mut arguments = SqliteArguments::default();
        let Some((lower, upper)) = self.bind_bounds(&mut arguments, (after, until))? else {
            return Ok(None);
        };
        self.key(statement::last_key(self.schema, lower, upper), arguments).await
    }
}

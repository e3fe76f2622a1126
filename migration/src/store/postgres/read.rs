//! Reads of records, straight into the batch.

use super::shape::Form;
use super::statement::{Edge, Sample};
use super::value::{self, Arguments, Array, Floor};
use super::{PostgresStore, statement};
use crate::batch::{Batch, Schema};
use crate::driver::pool::{Session, bounded};
use crate::error::{Error, ErrorKind, Result};
use crate::key::{Key, KeyColumn};
use crate::store::walk::{self, Walk};
use crate::store::{ReadLimit, WriteMark};
use crate::value::Value;
use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _, ValueRef as _};
use std::sync::Arc;

/// Most records that a scan asks for, however small they have been so far.
const ROWS_MAX: usize = 1 << 20;

/// A table up to this size is counted and cut exactly; a larger one by the planner's statistics and
/// a sample.
const EXACT_BYTES_MAX: i64 = 16 << 20;

/// Records on the pages that a table is cut by: many pages for each part that people ask for.
const SAMPLE_ROWS: f64 = 100_000.0;

/// Records of them that are sorted. Those of one page are neighbours most often, so that a few
/// stand for all of them.
const SORTED_ROWS: f64 = 20_000.0;

/// The records with keys in (`after`, `until`], in key order.
pub(super) async fn scan(
    store: &PostgresStore,
    schema: &Arc<Schema>,
    (after, until): (Option<&Key>, Option<&Key>),
    limit: ReadLimit,
) -> Result<Batch> {
    let mut session = store.pool.session().await?;
    let shape = store.shape(&mut session, &schema.table).await?;
    let reader = Reader { schema, form: shape.form(schema)? };
    let mut arguments = Arguments::default();
    let mut batch = Batch::new(Arc::clone(schema));
    let lower = after.map(|key| reader.edge(&mut arguments, key)).transpose()?;
    let upper = until.map(|key| reader.edge(&mut arguments, key)).transpose()?;
    if upper == Some(Edge::Before(0)) {
        return Ok(batch);
    }
    let rows_max = shape.width.rows(limit).min(ROWS_MAX);
    let sql = statement::scan(&reader.form, lower, upper, rounded_up(rows_max));
    let limit = ReadLimit { rows_max, ..limit };
    reader.run(&mut session, sql, arguments, limit, &mut batch).await?;
    shape.width.learn(batch.len(), batch.byte_count());
    Ok(batch)
}

/// The next of a few numbers, at most an eighth more: the planner has to see how many records are
/// asked for, and a statement is prepared for each number.
fn rounded_up(rows: usize) -> usize {
    let step = (rows.next_power_of_two() / 16).max(1);
    rows.div_ceil(step) * step
}

/// The records with these keys.
pub(super) async fn read(
    store: &PostgresStore,
    schema: &Arc<Schema>,
    keys: &[Key],
) -> Result<Batch> {
    let mut batch = Batch::new(Arc::clone(schema));
    let mut session = store.pool.session().await?;
    let form = store.shape(&mut session, &schema.table).await?.form(schema)?;
    let reader = Reader { schema, form };
    let Some(arguments) = reader.keys(keys)? else { return Ok(batch) };
    let sql = statement::read(&reader.form);
    let limit = ReadLimit { rows_max: usize::MAX, bytes_max: usize::MAX };
    reader.run(&mut session, sql, arguments, limit, &mut batch).await?;
    Ok(batch)
}

/// Number of records, counted where that is quick.
pub(super) async fn estimate(store: &PostgresStore, table: &str) -> Result<u64> {
    let mut session = store.pool.session().await?;
    let table = store.shape(&mut session, table).await?.quoted.clone();
    let (rows, bytes) = size(&mut session, &table).await?;
    if bytes > EXACT_BYTES_MAX {
        return Ok(u64::try_from(rows).unwrap_or(0));
    }
    let sql = AssertSqlSafe(statement::count(&table));
    let count = sqlx::query_scalar::<_, i64>(sql).fetch_one(session.connection()?);
    let count = bounded(count).await;
    Ok(u64::try_from(session.settle("count records", count)?).unwrap_or(0))
}

/// See [`Store::write_mark`](crate::store::Store::write_mark).
pub(super) async fn write_mark(store: &PostgresStore, table: &str) -> Result<WriteMark> {
    let mut session = store.pool.session().await?;
    let table = store.shape(&mut session, table).await?.quoted.clone();
    let written = sqlx::query_scalar::<_, i64>(statement::catalogue::WRITTEN).bind(table);
    let written = bounded(written.fetch_one(session.connection()?)).await;
    let written = session.settle("ask for the writes of a table", written)?;
    let value = u64::try_from(written).unwrap_or(0);
    Ok(WriteMark { value, counts_rolled_back: true })
}

/// The estimated number of records, and bytes.
async fn size(session: &mut Session<PgConnection>, table: &str) -> Result<(i64, i64)> {
    let size =
        sqlx::query_as(statement::catalogue::SIZE).bind(table).fetch_one(session.connection()?);
    let size = bounded(size).await;
    session.settle("look at the size of a table", size)
}

/// Keys that cut the table into about equal parts.
pub(super) async fn split_points(
    store: &PostgresStore,
    schema: &Arc<Schema>,
    count: usize,
) -> Result<Vec<Key>> {
    let mut session = store.pool.session().await?;
    let form = store.shape(&mut session, &schema.table).await?.form(schema)?;
    let (rows, bytes) = size(&mut session, &form.table).await?;
    let sample = (bytes > EXACT_BYTES_MAX).then(|| sample(rows));
    let reader = Reader { schema, form };
    let mut arguments = Arguments::default();
    arguments.add(i64::try_from(count).unwrap_or(i64::MAX))?;
    let sql = AssertSqlSafe(statement::split(&reader.form, sample));
    let rows = sqlx::query_with(sql, arguments.into_inner());
    let rows = bounded(rows.persistent(false).fetch_all(session.connection()?)).await;
    let rows = session.settle("cut table into parts", rows)?;
    rows.iter().map(|row| reader.key_of(row)).collect()
}

/// What a large table of about so many records is cut by.
#[expect(clippy::cast_precision_loss, reason = "an estimate to begin with")]
fn sample(rows: i64) -> Sample {
    let rows = rows.max(1) as f64;
    let looked_at = rows.min(SAMPLE_ROWS);
    Sample { percent: looked_at / rows * 100.0, share: (SORTED_ROWS / looked_at).min(1.0) }
}

/// See [`Store::interval`](crate::store::Store::interval).
pub(super) async fn interval(
    store: &PostgresStore,
    schema: &Arc<Schema>,
    bounds: (Option<&Key>, Option<&Key>),
    entity_columns: usize,
    rows: usize,
) -> Result<Option<(Key, Key)>> {
    let mut session = store.pool.session().await?;
    let form = store.shape(&mut session, &schema.table).await?.form(schema)?;
    drop(session);
    let keys = Keys { store, reader: Reader { schema, form } };
    walk::interval(&keys, bounds, entity_columns, rows).await
}

/// The keys of a table, in order.
struct Keys<'a> {
    store: &'a PostgresStore,
    reader: Reader<'a>,
}

impl Keys<'_> {
    /// Binds the bounds of a walk; `None` if no key lies between them.
    fn bind(
        &self,
        arguments: &mut Arguments,
        (after, until): (Option<&Key>, Option<&Key>),
    ) -> Result<Option<(Option<Edge>, Option<Edge>)>> {
        let lower = after.map(|key| self.reader.edge(arguments, key)).transpose()?;
        let upper = until.map(|key| self.reader.edge(arguments, key)).transpose()?;
        Ok((upper != Some(Edge::Before(0))).then_some((lower, upper)))
    }

    async fn key(&self, sql: String, arguments: Arguments) -> Result<Option<Key>> {
        let mut session = self.store.pool.session().await?;
        let found = sqlx::query_with(AssertSqlSafe(sql), arguments.into_inner())
            .fetch_optional(session.connection()?);
        let found = bounded(found).await;
        let found = session
            .settle("find key", found)
            .map_err(|error| error.with("table", &self.reader.schema.table))?;
        found.map(|row| self.reader.key_of(&row)).transpose()
    }
}

impl Walk for Keys<'_> {
    fn key_columns(&self) -> usize {
        self.reader.schema.key.len()
    }

    async fn key_after(
        &self,
        bounds: (Option<&Key>, Option<&Key>),
        passed: usize,
    ) -> Result<Option<Key>> {
        let mut arguments = Arguments::default();
        let Some((lower, upper)) = self.bind(&mut arguments, bounds)? else { return Ok(None) };
        arguments.add(i64::try_from(passed).unwrap_or(i64::MAX))?;
        self.key(statement::key_after(&self.reader.form, lower, upper), arguments).await
    }

    async fn last_key(&self, bounds: (Option<&Key>, Option<&Key>)) -> Result<Option<Key>> {
        let mut arguments = Arguments::default();
        let Some((lower, upper)) = self.bind(&mut arguments, bounds)? else { return Ok(None) };
        self.key(statement::last_key(&self.reader.form, lower, upper), arguments).await
    }
}

/// What reading one table takes.
struct Reader<'a> {
    schema: &'a Schema,
    form: Form,
}

impl Reader<'_> {
    /// Binds a key and returns what place in the table it stands for.
    fn edge(&self, arguments: &mut Arguments, key: &Key) -> Result<Edge> {
        let columns = self.columns(key)?;
        let of_key = |error: Error| error.with("table", &self.schema.table).with("key", key);
        for (place, (column, storage)) in columns.iter().zip(self.form.key_columns()).enumerate() {
            match value::floor(column.value(), storage) {
                Floor::Exact(value) => arguments.value(value, storage).map_err(of_key)?,
                Floor::Below(value) => {
                    arguments.value(value, storage).map_err(of_key)?;
                    return Ok(Edge::After(place + 1));
                }
                Floor::Nothing => return Ok(Edge::Before(place)),
            }
        }
        // A key of fewer columns lies before every key that it begins.
        Ok(match columns.len() {
            count if count == self.form.key.len() => Edge::After(count),
            count => Edge::Before(count),
        })
    }

    /// One array for each key column; `None` if none of the keys can be there.
    fn keys(&self, keys: &[Key]) -> Result<Option<Arguments>> {
        let columns: Vec<_> = self.form.key_columns().collect();
        let mut arrays: Vec<Array> =
            columns.iter().map(|column| Array::new(column.wire, keys.len())).collect();
        let mut count = 0;
        for key in keys {
            let values = self.columns(key)?;
            if values.len() != columns.len() {
                return Err(Error::new(ErrorKind::Unreadable, "read records: not a whole key")
                    .with("table", &self.schema.table)
                    .with("key", key));
            }
            let values: Vec<Floor<'_>> = values
                .iter()
                .zip(&columns)
                .map(|(v, column)| value::floor(v.value(), column))
                .collect();
            if !values.iter().all(|value| matches!(value, Floor::Exact(_))) {
                continue;
            }
            count += 1;
            for ((value, array), column) in values.into_iter().zip(&mut arrays).zip(&columns) {
                if let Floor::Exact(value) = value {
                    array.value(value, column).map_err(|error| {
                        error.with("table", &self.schema.table).with("key", key)
                    })?;
                }
            }
        }
        if count == 0 {
            return Ok(None);
        }
        let mut arguments = Arguments::default();
        arrays.into_iter().try_for_each(|array| arguments.array(array))?;
        Ok(Some(arguments))
    }

    fn columns(&self, key: &Key) -> Result<Vec<KeyColumn>> {
        let columns = key.columns()?;
        if columns.len() > self.schema.key.len() {
            return Err(Error::new(ErrorKind::Unreadable, "read records: the key is too long")
                .with("table", &self.schema.table)
                .with("key", key));
        }
        Ok(columns)
    }

    /// Runs a query and appends what it finds, up to `limit` and the record that crosses its bytes.
    async fn run(
        &self,
        session: &mut Session<PgConnection>,
        sql: String,
        arguments: Arguments,
        limit: ReadLimit,
        batch: &mut Batch,
    ) -> Result<()> {
        let mut rows = sqlx::query_with(AssertSqlSafe(sql), arguments.into_inner())
            .fetch(session.connection()?);
        let mut unreadable = None;
        let outcome = bounded(async {
            while let Some(row) = rows.try_next().await? {
                // What is left of an answer has to be taken off the connection all the same.
                if unreadable.is_none()
                    && (batch.is_empty() || batch.byte_count() < limit.bytes_max)
                    && batch.len() < limit.rows_max
                    && let Err(error) = self.push(&row, batch)
                {
                    unreadable = Some(error);
                }
            }
            Ok(())
        })
        .await;
        drop(rows);
        let settled = session.settle("read records", outcome);
        settled.map_err(|error| error.with("table", &self.schema.table))?;
        unreadable.map_or(Ok(()), Err)
    }

    fn push(&self, row: &PgRow, batch: &mut Batch) -> Result<()> {
        let mut scratch = String::new();
        for column in 0..self.form.columns.len() {
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
        row: &'r PgRow,
        place: usize,
        column: usize,
        scratch: &'r mut String,
    ) -> Result<Value<'r>> {
        let problem = |problem: &str| {
            let column = &self.schema.columns[column];
            Error::new(ErrorKind::Unreadable, "read value: it is not of its column's type")
                .with("table", &self.schema.table)
                .with("column", &column.name)
                .with("type", column.column_type)
                .with("found", problem)
        };
        let raw = row.try_get_raw(place).map_err(|_| problem("nothing"))?;
        if raw.is_null() {
            return Ok(Value::Null);
        }
        let bytes = raw.as_bytes().map_err(|_| problem("nothing"))?;
        value::decode(bytes, &self.form.columns[column], scratch).map_err(problem)
    }

    /// The key of a row that holds nothing else.
    fn key_of(&self, row: &PgRow) -> Result<Key> {
        let places: Vec<usize> = (0..self.schema.key.len()).collect();
        self.key_at(row, &places).map_err(|error| error.with("table", &self.schema.table))
    }

    fn key_at(&self, row: &PgRow, places: &[usize]) -> Result<Key> {
        let mut scratch = vec![String::new(); places.len()];
        let columns = self.schema.key.iter().zip(places).zip(&mut scratch);
        let values: Vec<Value<'_>> = columns
            .map(|((&column, &place), scratch)| self.value(row, place, column, scratch))
            .collect::<Result<_>>()?;
        Key::new(values)
    }

    /// Says which record it is, if its key can be read.
    fn at_key(&self, error: Error, row: &PgRow) -> Error {
        let hint = "mend the value, or state the column's real type in the plan (`types`)";
        match self.key_at(row, &self.schema.key) {
            Ok(key) => error.with("key", key).hint(hint),
            Err(_) => error.hint(hint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ROWS_MAX, rounded_up, sample};

    #[test]
    fn a_sample_is_as_large_as_it_has_to_be_and_no_larger_than_the_table() {
        let sorted = |rows: i32| {
            let sample = sample(i64::from(rows));
            (f64::from(rows) * sample.percent / 100.0 * sample.share).round()
        };
        assert_eq!([5_000, 20_000, 60_000].map(sorted), [5_000.0, 20_000.0, 20_000.0]);
        assert_eq!([2_000_000, i32::MAX].map(sorted), [20_000.0, 20_000.0]);
        assert!(sample(0).percent <= 100.0 && sample(-1).share <= 1.0);
    }

    #[test]
    fn scans_ask_for_few_different_numbers_of_records() {
        assert_eq!([1, 7, 17, 1000, 5000, 5120].map(rounded_up), [1, 7, 18, 1024, 5120, 5120]);
        assert_eq!(rounded_up(ROWS_MAX), ROWS_MAX);
        for rows in 1..20_000_usize {
            assert!((rows..=rows + rows.div_ceil(8)).contains(&rounded_up(rows)), "{rows}");
        }
    }
}

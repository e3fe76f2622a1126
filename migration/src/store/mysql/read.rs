//! Reads of records, straight into the batch.

use super::MysqlStore;
use super::shape::{Native, Order, Shape, TextColumn};
use super::statement::{self, Bounds};
use super::value::{self, Purpose, Storage, Wire, add};
use crate::batch::{Batch, Schema};
use crate::driver::mysql::Failure;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::store::cut::{self, BothWays};
use crate::store::walk::{self, Walk};
use crate::store::{ReadLimit, WriteMark};
use crate::value::Value;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{Column as _, Row};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Tables up to this size are counted to the record; beyond, the server's estimate has to do.
const COUNTED_MAX: u64 = 1_000_000;

/// The records with keys in (`after`, `until`], in key order.
pub(super) async fn scan(
    store: &MysqlStore,
    schema: &Arc<Schema>,
    (after, until): (Option<&Key>, Option<&Key>),
    limit: ReadLimit,
) -> Result<Batch> {
    let shape = store.shape(&schema.table).await?;
    let reader = Reader::new(store, schema, &shape)?;
    let mut arguments = MySqlArguments::default();
    let lower = after.map(|key| reader.bind_bound(&mut arguments, key)).transpose()?;
    let upper = until.map(|key| reader.bind_bound(&mut arguments, key)).transpose()?;
    let mut batch = Batch::new(Arc::clone(schema));
    if upper == Some(0) {
        return Ok(batch);
    }
    let bounds = Bounds { lower: lower.filter(|columns| *columns > 0), upper };
    add(&mut arguments, u64::try_from(shape.width.rows(limit)).unwrap_or(u64::MAX))?;
    let sql = statement::scan(schema, shape.index_of(schema), bounds);
    reader.run(sql, arguments, limit.bytes_max, &mut batch).await?;
    shape.width.learn(batch.len(), batch.byte_count());
    reader.check_order(&batch, after, until)?;
    Ok(batch)
}

/// The records with these keys.
pub(super) async fn read(store: &MysqlStore, schema: &Arc<Schema>, keys: &[Key]) -> Result<Batch> {
    let shape = store.shape(&schema.table).await?;
    let reader = Reader::new(store, schema, &shape)?;
    let mut batch = Batch::new(Arc::clone(schema));
    let mut rest = keys;
    for (taken, size) in statement::filled_sizes(keys.len(), schema.key.len()) {
        let (part, after) = rest.split_at(taken);
        rest = after;
        let mut arguments = MySqlArguments::default();
        for key in part.iter().chain(part.last().into_iter().cycle()).take(size) {
            reader.bind_whole(&mut arguments, key)?;
        }
        reader.run(statement::read(schema, size), arguments, usize::MAX, &mut batch).await?;
    }
    Ok(batch)
}

/// Number of records: exact for small tables, the server's estimate for large ones, whose records
/// it counts by walking over all of them.
pub(super) async fn estimate(store: &MysqlStore, table: &str) -> Result<u64> {
    let estimate =
        one_count(store, statement::catalogue::TABLE_ROWS.to_owned(), Some(table)).await?;
    if estimate > COUNTED_MAX {
        return Ok(estimate);
    }
    match one_count(store, statement::count(table), None).await {
        // Statistics can be far off, and then counting takes longer than a statement may.
        Err(error) if error.kind() == ErrorKind::TimedOut => Ok(estimate),
        counted => counted,
    }
}

/// See [`Store::write_mark`](crate::store::Store::write_mark).
pub(super) async fn write_mark(store: &MysqlStore, table: &str) -> Result<WriteMark> {
    let written = statement::catalogue::TABLE_WRITTEN.to_owned();
    let value = one_count(store, written, Some(table)).await?;
    Ok(WriteMark { value, counts_rolled_back: false })
}

async fn one_count(store: &MysqlStore, sql: String, table: Option<&str>) -> Result<u64> {
    let failed = |failure| store.database.failed("count records", failure);
    let mut arguments = MySqlArguments::default();
    if let Some(table) = table {
        add(&mut arguments, table)?;
    }
    let rows = store.database.session().await?.fetch(sql, arguments).await.map_err(failed)?;
    rows.first().map_or(Ok(0), super::side::count)
}

/// Keys that cut the table into equal parts.
pub(super) async fn split_points(
    store: &MysqlStore,
    schema: &Arc<Schema>,
    count: usize,
) -> Result<Vec<Key>> {
    let shape = store.shape(&schema.table).await?;
    let reader = Reader::new(store, schema, &shape)?;
    let records = estimate(store, &schema.table).await?;
    let index = shape.index_of(schema);
    cut::points(&Keys { reader, index }, records, count).await
}

/// See [`Store::interval`](crate::store::Store::interval).
pub(super) async fn interval(
    store: &MysqlStore,
    schema: &Arc<Schema>,
    bounds: (Option<&Key>, Option<&Key>),
    entity_columns: usize,
    rows: usize,
) -> Result<Option<(Key, Key)>> {
    let shape = store.shape(&schema.table).await?;
    let reader = Reader::new(store, schema, &shape)?;
    if reader.sorts_nearly_by_bytes() {
        // Every key has to be looked at.
        return Ok(None);
    }
    let index = shape.index_of(schema);
    walk::interval(&Keys { reader, index }, bounds, entity_columns, rows).await
}

/// What reading one table takes.
pub(super) struct Reader<'a> {
    store: &'a MysqlStore,
    schema: &'a Schema,
    storage: Vec<Storage<'a>>,
}

/// The keys of a table, in the order of an index.
struct Keys<'a> {
    reader: Reader<'a>,
    index: Option<&'a str>,
}

impl Keys<'_> {
    /// Binds the bounds of a walk; `None` if no key lies between them.
    fn bind(
        &self,
        arguments: &mut MySqlArguments,
        (after, until): (Option<&Key>, Option<&Key>),
    ) -> Result<Option<Bounds>> {
        let lower = after.map(|key| self.reader.bind_bound(arguments, key)).transpose()?;
        let upper = until.map(|key| self.reader.bind_bound(arguments, key)).transpose()?;
        // The key without columns is below every other.
        let bounds = Bounds { lower: lower.filter(|columns| *columns > 0), upper };
        Ok((upper != Some(0)).then_some(bounds))
    }

    async fn key(&self, sql: String, arguments: MySqlArguments) -> Result<Option<Key>> {
        let reader = &self.reader;
        let mut session = reader.store.database.session().await?;
        let found = session.fetch(sql, arguments).await.map_err(|error| reader.failed(error))?;
        found.first().map(|row| reader.key_of(row)).transpose()
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
        let mut arguments = MySqlArguments::default();
        let Some(bounds) = self.bind(&mut arguments, bounds)? else { return Ok(None) };
        add(&mut arguments, u64::try_from(passed).unwrap_or(u64::MAX))?;
        self.key(statement::key_after(self.reader.schema, self.index, bounds), arguments).await
    }

    async fn last_key(&self, bounds: (Option<&Key>, Option<&Key>)) -> Result<Option<Key>> {
        self.key_before(bounds, 0).await
    }
}

impl BothWays for Keys<'_> {
    async fn key_before(
        &self,
        bounds: (Option<&Key>, Option<&Key>),
        passed: usize,
    ) -> Result<Option<Key>> {
        let mut arguments = MySqlArguments::default();
        let Some(bounds) = self.bind(&mut arguments, bounds)? else { return Ok(None) };
        add(&mut arguments, u64::try_from(passed).unwrap_or(u64::MAX))?;
        self.key(statement::key_before(self.reader.schema, self.index, bounds), arguments).await
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(store: &'a MysqlStore, schema: &'a Schema, shape: &'a Shape) -> Result<Self> {
        Ok(Self { store, schema, storage: shape.storage(schema)? })
    }

    /// Binds a bound of a scan, and returns how many columns it has.
    fn bind_bound(&self, arguments: &mut MySqlArguments, key: &Key) -> Result<usize> {
        let columns = key.columns()?;
        if columns.len() > self.schema.key.len() {
            return Err(self.at_key("read records: the key is too long", key));
        }
        let mut scratch = String::new();
        for end in 0..columns.len() {
            for (column, &place) in columns[..=end].iter().zip(&self.schema.key) {
                let (value, storage) = (column.value(), self.storage[place]);
                value::bind(arguments, value, storage, Purpose::Bound, &mut scratch)
                    .map_err(|error| error.with("table", &self.schema.table).with("key", key))?;
            }
        }
        Ok(columns.len())
    }

    /// Binds a key that names a record.
    pub(super) fn bind_whole(&self, arguments: &mut MySqlArguments, key: &Key) -> Result<()> {
        let columns = key.columns()?;
        if columns.len() != self.schema.key.len() {
            return Err(self.at_key("read records: not a whole key", key));
        }
        let mut scratch = String::new();
        for (column, &place) in columns.iter().zip(&self.schema.key) {
            let (value, storage) = (column.value(), self.storage[place]);
            value::bind(arguments, value, storage, Purpose::Lookup, &mut scratch)
                .map_err(|error| error.with("table", &self.schema.table).with("key", key))?;
        }
        Ok(())
    }

    fn at_key(&self, problem: &str, key: &Key) -> Error {
        Error::new(ErrorKind::Unreadable, problem)
            .with("table", &self.schema.table)
            .with("key", key)
    }

    /// Runs a query and appends what it finds, up to the record that crosses `bytes_max`.
    async fn run(
        &self,
        sql: String,
        arguments: MySqlArguments,
        bytes_max: usize,
        batch: &mut Batch,
    ) -> Result<()> {
        let mut session = self.store.database.session().await?;
        let mut wires = Vec::new();
        let taken = session
            .each(sql, arguments, |row| {
                if wires.is_empty() {
                    wires =
                        row.columns().iter().map(|column| Wire::of(column.type_info())).collect();
                }
                self.push(row, &wires, batch)?;
                Ok(match batch.byte_count() >= bytes_max {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                })
            })
            .await;
        taken.map_err(|failure| self.failed(failure))?
    }

    fn push(&self, row: &MySqlRow, wires: &[Wire], batch: &mut Batch) -> Result<()> {
        let mut scratch = String::new();
        for column in 0..self.storage.len() {
            let value = self.value(row, (column, wires[column]), column, &mut scratch);
            let pushed = value.and_then(|value| batch.push(value));
            if let Err(error) = pushed {
                batch.discard_partial();
                return Err(self.at_row(error, row, wires));
            }
        }
        Ok(())
    }

    /// The value of a column, which stands at `place` in the row and looks like `wire` there.
    fn value<'r>(
        &self,
        row: &'r MySqlRow,
        (place, wire): (usize, Wire),
        column: usize,
        scratch: &'r mut String,
    ) -> Result<Value<'r>> {
        let raw = row.try_get_raw(place).map_err(|error| self.failed(Failure::Driver(error)))?;
        value::value(raw, wire, self.storage[column], scratch).map_err(|found| {
            let column = &self.schema.columns[column];
            Error::new(ErrorKind::Unreadable, "read value: it is not of its column's type")
                .with("table", &self.schema.table)
                .with("column", &column.name)
                .with("type", column.column_type)
                .with("found", found)
        })
    }

    /// The key of a row that holds nothing else.
    pub(super) fn key_of(&self, row: &MySqlRow) -> Result<Key> {
        let mut scratch = vec![String::new(); self.schema.key.len()];
        let columns = self.schema.key.iter().zip(&mut scratch).enumerate();
        let values: Vec<Value<'_>> = columns
            .map(|(place, (&column, scratch))| {
                let wire = Wire::of(row.column(place).type_info());
                self.value(row, (place, wire), column, scratch)
            })
            .collect::<Result<_>>()?;
        Key::new(values).map_err(|error| error.with("table", &self.schema.table))
    }

    /// Whether only nearly every text of a collation in the key is sorted by its bytes.
    fn sorts_nearly_by_bytes(&self) -> bool {
        let nearly = |&column: &usize| {
            matches!(
                self.storage[column].native,
                Native::Text(TextColumn { order: Order::PadSpace, .. })
            )
        };
        self.schema.key.iter().any(nearly)
    }

    /// Makes sure that the server's order is that of the bytes where only nearly every text of a
    /// collation is sorted so: then no record is passed over, because it comes up in another
    /// interval and is refused there.
    fn check_order(&self, batch: &Batch, after: Option<&Key>, until: Option<&Key>) -> Result<()> {
        if !self.sorts_nearly_by_bytes() {
            return Ok(());
        }
        let mut last = after.cloned();
        for row in batch.rows() {
            let key = row.key()?;
            let is_after = last.as_ref().is_none_or(|last| *last < key);
            if !is_after || until.is_some_and(|until| key > *until) {
                return Err(self
                    .at_key("read records: a key does not sort by its bytes", &key)
                    .hint(
                        "a control character in a key sorts otherwise in a PAD SPACE collation: \
                         change the key column's collation to utf8mb4_nopad_bin",
                    ));
            }
            last = Some(key);
        }
        Ok(())
    }

    /// Says which record it is, if its key can be read.
    fn at_row(&self, error: Error, row: &MySqlRow, wires: &[Wire]) -> Error {
        let mut scratch = vec![String::new(); self.schema.key.len()];
        let columns = self.schema.key.iter().zip(&mut scratch);
        let values: Result<Vec<Value<'_>>> = columns
            .map(|(&column, scratch)| self.value(row, (column, wires[column]), column, scratch))
            .collect();
        let hint = "mend the value, or state another type for the column in the plan (`types`): a \
                    date that is no day can be moved as text";
        match values.and_then(Key::new) {
            Ok(key) => error.with("key", key).hint(hint),
            Err(_) => error.hint(hint),
        }
    }

    pub(super) fn failed(&self, failure: Failure) -> Error {
        self.store.database.failed("read records", failure).with("table", &self.schema.table)
    }
}

//! The text of every statement. Identifiers pass [`quote`], values are bound: nothing else of what
//! a plan or a database says gets into SQL.
//!
//! Columns in expressions are qualified: SQLite takes an unqualified quoted name that no column has
//! for a string, and compares with that.
//!
//! Statements about records and the schema are here; those about the side tables have a file of
//! their own.

pub(super) mod side;

use crate::batch::Schema;

/// Most values bound to one statement (SQLite's `SQLITE_MAX_VARIABLE_NUMBER`).
const BINDS_MAX: usize = 32_766;

/// Rows per statement. A few fixed sizes, so that every statement is prepared once; beyond some
/// hundred rows a statement costs memory and saves nothing.
const SIZES: [usize; 4] = [512, 64, 8, 1];

/// The parts in which to write or read `count` rows of `binds` values each, largest first: how many
/// rows each statement has.
pub(super) fn sizes(count: usize, binds: usize) -> impl Iterator<Item = usize> {
    let mut left = count;
    std::iter::from_fn(move || {
        let fits = |size: &usize| *size <= left && size * binds <= BINDS_MAX;
        let size = SIZES.into_iter().find(fits).or((left > 0).then_some(1))?;
        left -= size;
        Some(size)
    })
}

/// An identifier, as SQL writes it.
pub(super) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// `a, b`: columns of the table where nothing else can be meant.
fn names<'a>(columns: impl IntoIterator<Item = &'a str>) -> String {
    join(columns.into_iter().map(quote))
}

/// `r.a, r.b`.
fn qualified(schema: &Schema, columns: impl IntoIterator<Item = usize>) -> String {
    join(columns.into_iter().map(|column| format!("r.{}", quote(&schema.columns[column].name))))
}

fn join(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

fn key_names(schema: &Schema) -> impl Iterator<Item = &str> {
    schema.key.iter().map(|&column| schema.columns[column].name.as_str())
}

/// `(?, ?)`.
fn placeholders(count: usize) -> String {
    format!("({})", vec!["?"; count].join(", "))
}

/// `(?, ?), (?, ?)`.
fn rows(count: usize, columns: usize) -> String {
    vec![placeholders(columns); count].join(", ")
}

/// Records in key order: binds the lower key if there is one, the upper one if there is one, the
/// limit. `lower` and `upper` are the numbers of columns that the keys have.
pub(super) fn scan(schema: &Schema, lower: Option<usize>, upper: Option<usize>) -> String {
    let columns = qualified(schema, 0..schema.columns.len());
    format!("SELECT {columns} {}", in_key_order(schema, lower, upper, "LIMIT ?"))
}

/// The key that lies some keys after the lower one: binds the lower key if there is one, the upper
/// one if there is one, the number of keys to pass over.
pub(super) fn key_after(schema: &Schema, lower: Option<usize>, upper: Option<usize>) -> String {
    let columns = qualified(schema, schema.key.iter().copied());
    format!("SELECT {columns} {}", in_key_order(schema, lower, upper, "LIMIT 1 OFFSET ?"))
}

/// The last key: binds the lower key if there is one, the upper one if there is one.
pub(super) fn last_key(schema: &Schema, lower: Option<usize>, upper: Option<usize>) -> String {
    let columns = qualified(schema, schema.key.iter().copied());
    let descending =
        schema.key.iter().map(|&column| format!("r.{} DESC", quote(&schema.columns[column].name)));
    let condition = within(schema, lower, upper);
    let (table, order) = (quote(&schema.table), join(descending));
    format!("SELECT {columns} FROM {table} AS r {condition}ORDER BY {order} LIMIT 1")
}

fn in_key_order(
    schema: &Schema,
    lower: Option<usize>,
    upper: Option<usize>,
    limit: &str,
) -> String {
    let condition = within(schema, lower, upper);
    let key = qualified(schema, schema.key.iter().copied());
    format!("FROM {} AS r {condition}ORDER BY {key} {limit}", quote(&schema.table))
}

fn within(schema: &Schema, lower: Option<usize>, upper: Option<usize>) -> String {
    // A key of fewer columns sorts before every key that it begins.
    let bound = |columns: usize, whole: &str, part: &str| {
        let key = qualified(schema, schema.key.iter().copied().take(columns));
        let compare = if columns < schema.key.len() { part } else { whole };
        format!("({key}) {compare} {}", placeholders(columns))
    };
    let lower = lower.map(|columns| bound(columns, ">", ">="));
    let upper = upper.map(|columns| bound(columns, "<=", "<"));
    let conditions: Vec<String> = lower.into_iter().chain(upper).collect();
    match conditions.as_slice() {
        [] => String::new(),
        _ => format!("WHERE {} ", conditions.join(" AND ")),
    }
}

/// Records by key: binds `count` keys.
pub(super) fn read(schema: &Schema, count: usize) -> String {
    format!(
        "SELECT {} FROM {} AS r WHERE {}",
        qualified(schema, 0..schema.columns.len()),
        quote(&schema.table),
        key_is_one_of(schema, count)
    )
}

/// Removes records by key: binds `count` keys.
pub(super) fn delete(schema: &Schema, count: usize) -> String {
    format!("DELETE FROM {} AS r WHERE {}", quote(&schema.table), key_is_one_of(schema, count))
}

fn key_is_one_of(schema: &Schema, count: usize) -> String {
    let key = qualified(schema, schema.key.iter().copied());
    match schema.key.len() {
        1 => format!("{key} IN {}", placeholders(count)),
        columns => format!("({key}) IN (VALUES {})", rows(count, columns)),
    }
}

/// Inserts records whose key is not there: binds `count` records.
pub(super) fn insert_absent(schema: &Schema, count: usize) -> String {
    format!("{} DO NOTHING", insert(schema, count))
}

/// Writes records, new or not: binds `count` records.
pub(super) fn upsert(schema: &Schema, count: usize) -> String {
    let assignments: Vec<String> = (0..schema.columns.len())
        .filter(|column| !schema.key.contains(column))
        .map(|column| quote(&schema.columns[column].name))
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    match assignments.as_slice() {
        [] => insert_absent(schema, count),
        _ => format!("{} DO UPDATE SET {}", insert(schema, count), assignments.join(", ")),
    }
}

fn insert(schema: &Schema, count: usize) -> String {
    format!(
        "INSERT INTO {} ({}) VALUES {} ON CONFLICT ({})",
        quote(&schema.table),
        names(schema.columns.iter().map(|column| column.name.as_str())),
        rows(count, schema.columns.len()),
        names(key_names(schema)),
    )
}

/// Number of records.
pub(super) fn count(table: &str) -> String {
    format!("SELECT count(*) FROM {}", quote(table))
}

/// One row if there is a record with null in a column.
pub(super) fn some_null(table: &str, column: &str) -> String {
    format!("SELECT 1 FROM {} WHERE {} IS NULL LIMIT 1", quote(table), quote(column))
}

/// One row if there is a record.
pub(super) fn any(table: &str) -> String {
    format!("SELECT 1 FROM {} LIMIT 1", quote(table))
}

/// What SQLite knows of a table: binds its name.
pub(super) const TABLE: &str = "SELECT t.type, t.strict, s.sql FROM pragma_table_list AS t \
     JOIN sqlite_schema AS s ON s.name = t.name WHERE t.schema = 'main' AND t.name = ?";

/// Its columns: binds its name.
pub(super) const TABLE_COLUMNS: &str =
    "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid";

/// Its unique indexes with their columns and collations: binds its name.
pub(super) const TABLE_UNIQUE: &str = "SELECT l.name, l.origin, l.partial, x.name, x.coll \
     FROM pragma_index_list(?) AS l JOIN pragma_index_xinfo(l.name) AS x \
     WHERE l.\"unique\" = 1 AND x.key = 1 ORDER BY l.seq, x.seqno";

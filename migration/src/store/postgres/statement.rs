//! The text of every statement. Identifiers pass [`quoted`](crate::driver::postgres::quoted),
//! values are bound: nothing else of what a plan or a database says gets into SQL.
//!
//! A statement takes any number of records: each column is one array. So every statement is
//! prepared once, however large the batches are.
//!
//! Statements about records are here; those about the side tables and the server's catalogue have
//! files of their own.

pub(super) mod catalogue;
pub(super) mod side;

use super::shape::Form;
use super::value::Storage;

/// Where a scan begins or ends, relative to keys that begin with some values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// Before the first of them.
    Before(usize),
    /// After the last of them.
    After(usize),
}

fn join(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

/// `r.a`, or its text where we know nothing of its type.
fn read_column(column: &Storage) -> String {
    match column.cast {
        Some(_) => format!("r.{}::text", column.name),
        None => format!("r.{}", column.name),
    }
}

/// `r.a COLLATE "C"`: a key column where it is compared.
fn compared(column: &Storage) -> String {
    format!("r.{}{}", column.name, column.collate)
}

fn all_columns(form: &Form) -> String {
    join(form.columns.iter().map(read_column))
}

/// Records in key order: binds the values of the lower edge, then those of the upper one.
pub(super) fn scan(form: &Form, lower: Option<Edge>, upper: Option<Edge>, limit: usize) -> String {
    let order = join(form.key_columns().map(compared));
    let (condition, _) = between(form, lower, upper);
    let columns = all_columns(form);
    format!("SELECT {columns} FROM {} AS r {condition}ORDER BY {order} LIMIT {limit}", form.table)
}

/// The key that lies some keys after the lower edge: binds as [`scan`] does, then the number of
/// keys to pass over.
pub(super) fn key_after(form: &Form, lower: Option<Edge>, upper: Option<Edge>) -> String {
    let order = join(form.key_columns().map(compared));
    let (condition, next) = between(form, lower, upper);
    let columns = join(form.key_columns().map(read_column));
    format!(
        "SELECT {columns} FROM {} AS r {condition}ORDER BY {order} LIMIT 1 OFFSET ${next}::int8",
        form.table
    )
}

/// The last key: binds as [`scan`] does.
pub(super) fn last_key(form: &Form, lower: Option<Edge>, upper: Option<Edge>) -> String {
    let order = join(form.key_columns().map(|column| format!("{} DESC", compared(column))));
    let (condition, _) = between(form, lower, upper);
    let columns = join(form.key_columns().map(read_column));
    format!("SELECT {columns} FROM {} AS r {condition}ORDER BY {order} LIMIT 1", form.table)
}

/// `WHERE (r.a, r.b) > ($1::int8, $2::text) `, and the number of the next value to bind.
fn between(form: &Form, lower: Option<Edge>, upper: Option<Edge>) -> (String, usize) {
    let mut from = 1;
    let mut bound = |edge: Option<Edge>, before: &str, after: &str| {
        let (count, compare) = match edge? {
            Edge::Before(count) => (count, before),
            Edge::After(count) => (count, after),
        };
        let columns: Vec<&Storage> = form.key_columns().take(count).collect();
        let left = join(columns.iter().map(|column| compared(column)));
        let typed = columns.iter().zip(from..);
        let right = join(typed.map(|(column, place)| format!("${place}::{}", column.wire.name())));
        from += count;
        (count > 0).then(|| format!("({left}) {compare} ({right})"))
    };
    let lower = bound(lower, ">=", ">");
    let upper = bound(upper, "<", "<=");
    let conditions: Vec<String> = lower.into_iter().chain(upper).collect();
    let condition = match conditions.as_slice() {
        [] => String::new(),
        _ => format!("WHERE {} ", conditions.join(" AND ")),
    };
    (condition, from)
}

/// `unnest($1::int8[], $2::text[]) AS u(c0, c1)`: records from one array a column.
fn unnest<'a>(columns: impl Iterator<Item = &'a Storage> + Clone) -> String {
    let arrays = columns.clone().zip(1..);
    let arrays = arrays.map(|(column, place)| format!("${place}::{}[]", column.wire.name()));
    let names = columns.enumerate().map(|(place, _)| format!("c{place}"));
    format!("unnest({}) AS u({})", join(arrays), join(names))
}

/// `r.a = u.c0 AND r.b = u.c1`.
fn key_matches(form: &Form) -> String {
    let pairs = form.key_columns().enumerate();
    let pairs = pairs.map(|(place, column)| format!("{} = u.c{place}", compared(column)));
    pairs.collect::<Vec<_>>().join(" AND ")
}

/// Records by key: binds one array for each key column.
pub(super) fn read(form: &Form) -> String {
    format!(
        "SELECT {} FROM {} JOIN {} AS r ON {}",
        all_columns(form),
        unnest(form.key_columns()),
        form.table,
        key_matches(form)
    )
}

/// Removes records by key: binds one array for each key column.
pub(super) fn delete(form: &Form) -> String {
    format!(
        "DELETE FROM {} AS r USING {} WHERE {}",
        form.table,
        unnest(form.key_columns()),
        key_matches(form)
    )
}

/// Inserts records whose key is not there: binds one array for each column.
pub(super) fn insert_absent(form: &Form) -> String {
    format!("{} DO NOTHING", insert(form))
}

/// Writes records, new or not: binds one array for each column.
pub(super) fn upsert(form: &Form) -> String {
    let assignments: Vec<String> = (0..form.columns.len())
        .filter(|column| !form.key.contains(column))
        .map(|column| &form.columns[column].name)
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    match assignments.as_slice() {
        [] => insert_absent(form),
        _ => format!("{} DO UPDATE SET {}", insert(form), assignments.join(", ")),
    }
}

fn insert(form: &Form) -> String {
    let values = form.columns.iter().enumerate().map(|(place, column)| match &column.cast {
        Some(declared) => format!("u.c{place}::{declared}"),
        None => format!("u.c{place}"),
    });
    // An identity column takes the source's values too.
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} ON CONFLICT ({})",
        form.table,
        join(form.columns.iter().map(|column| column.name.clone())),
        join(values),
        unnest(form.columns.iter()),
        join(form.key_columns().map(|column| column.name.clone())),
    )
}

/// Takes records in binary. An identity column takes the source's values too.
pub(super) fn copy_in(form: &Form) -> String {
    let columns = join(form.columns.iter().map(|column| column.name.clone()));
    format!("COPY {} ({columns}) FROM STDIN (FORMAT binary)", form.table)
}

/// What a COPY that fails is taken back to. It ends with the transaction.
pub(super) const BEFORE_COPY: &str = "SAVEPOINT midflight_copy";

/// Takes a COPY back.
pub(super) const UNDO_COPY: &str = "ROLLBACK TO SAVEPOINT midflight_copy";

/// Which records a table is cut by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// How much of the pages is looked at.
    pub(super) percent: f64,
    /// How much of what is there is taken, from 0 to 1.
    pub(super) share: f64,
}

/// Keys that cut a table, or a sample of it, into equal parts: binds the number of parts.
pub(super) fn split(form: &Form, sample: Option<Sample>) -> String {
    let sample = sample.map_or_else(String::new, |Sample { percent, share }| {
        format!(" TABLESAMPLE SYSTEM ({percent:.6}) WHERE random() < {share:.6}")
    });
    let named = form.key_columns().enumerate();
    let named = named.map(|(place, column)| format!("r.{} AS c{place}", column.name));
    let names = join((0..form.key.len()).map(|place| format!("c{place}")));
    format!(
        "WITH n AS (SELECT {}, row_number() OVER (ORDER BY {}) AS place, count(*) OVER () AS total \
         FROM {} AS r{sample}) SELECT {names} FROM n \
         WHERE place < total AND place * $1::int8 / total > (place - 1) * $1::int8 / total \
         ORDER BY place",
        join(named),
        join(form.key_columns().map(compared)),
        form.table,
    )
}

/// Number of records.
pub(super) fn count(table: &str) -> String {
    format!("SELECT count(*) FROM {table}")
}

/// One row if there is a record.
pub(super) fn any(table: &str) -> String {
    format!("SELECT 1 FROM {table} LIMIT 1")
}

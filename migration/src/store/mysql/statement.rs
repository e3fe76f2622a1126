//! The text of every statement. Identifiers pass [`quoted`], values are bound: nothing else of what
//! a plan or a database says gets into SQL.
//!
//! Statements about records are here; those about the side tables and the server's catalogue have
//! files of their own.

pub(super) mod catalogue;
pub(super) mod side;

use crate::batch::Schema;
use crate::driver::mysql::quoted;

/// Most values bound to one statement: the protocol counts them in 16 bits.
const BINDS_MAX: usize = 65_535;

/// Rows per statement. A few fixed sizes, so that every statement is prepared once; near enough to
/// each other for a batch of any size to take few statements.
const SIZES: [usize; 7] = [1000, 300, 100, 30, 10, 3, 1];

/// The parts in which to write or read `count` rows of `binds` values each, largest first: how many
/// rows each statement has.
pub(super) fn sizes(count: usize, binds: usize) -> impl Iterator<Item = usize> {
    let mut left = count;
    std::iter::from_fn(move || {
        let size = size_within(left, binds)?;
        left -= size;
        Some(size)
    })
}

/// The parts in which to name `count` records by keys of `binds` values each: how many of them the
/// next statement names, and its size, which the last of them fills up. Naming a record twice does
/// no harm and costs less than another statement.
pub(super) fn filled_sizes(count: usize, binds: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut left = count;
    std::iter::from_fn(move || {
        let within = size_within(left, binds)?;
        let over = size_over(left);
        let (taken, size) = match over <= 2 * left && over * binds <= BINDS_MAX && left <= over {
            true => (left, over),
            false => (within, within),
        };
        left -= taken;
        Some((taken, size))
    })
}

/// The size of the next statement where `count` rows of `binds` values each are left.
pub(super) fn size_within(count: usize, binds: usize) -> Option<usize> {
    let fits = |size: &usize| *size <= count && size * binds <= BINDS_MAX;
    SIZES.into_iter().find(fits).or((count > 0).then_some(1))
}

/// The smallest size that holds `count` rows, and at most the largest.
pub(super) fn size_over(count: usize) -> usize {
    SIZES.into_iter().rev().find(|size| *size >= count).unwrap_or(SIZES[0])
}

fn join(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

fn name(schema: &Schema, column: usize) -> String {
    quoted(&schema.columns[column].name)
}

fn names(schema: &Schema, columns: impl IntoIterator<Item = usize>) -> String {
    join(columns.into_iter().map(|column| name(schema, column)))
}

/// `(?, ?)`.
fn placeholders(count: usize) -> String {
    format!("({})", vec!["?"; count].join(", "))
}

/// `(?, ?), (?, ?)`.
fn rows(count: usize, columns: usize) -> String {
    vec![placeholders(columns); count].join(", ")
}

/// The ends of a scan: how many columns of the key each has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    pub(super) lower: Option<usize>,
    pub(super) upper: Option<usize>,
}

/// Records in key order, in the order of an index: binds the lower key if there is one, the upper
/// one if there is one, each as [`expanded`] says, and the limit.
pub(super) fn scan(schema: &Schema, index: Option<&str>, bounds: Bounds) -> String {
    let columns = names(schema, 0..schema.columns.len());
    format!("SELECT {columns} {}", in_key_order(schema, index, bounds, "LIMIT ?"))
}

/// The key that lies some keys after the lower one: binds as [`scan`] does, with the number of keys
/// to pass over in place of the limit.
pub(super) fn key_after(schema: &Schema, index: Option<&str>, bounds: Bounds) -> String {
    let columns = names(schema, schema.key.iter().copied());
    format!("SELECT {columns} {}", in_key_order(schema, index, bounds, "LIMIT 1 OFFSET ?"))
}

/// The key that lies some keys before the last one: binds as [`key_after`] does.
pub(super) fn key_before(schema: &Schema, index: Option<&str>, bounds: Bounds) -> String {
    let columns = names(schema, schema.key.iter().copied());
    let descending = schema.key.iter().map(|&column| format!("{} DESC", name(schema, column)));
    let (found, order) = (within(schema, index, bounds), join(descending));
    format!("SELECT {columns} {found}ORDER BY {order} LIMIT 1 OFFSET ?")
}

fn in_key_order(schema: &Schema, index: Option<&str>, bounds: Bounds, limit: &str) -> String {
    let key = names(schema, schema.key.iter().copied());
    format!("{}ORDER BY {key} {limit}", within(schema, index, bounds))
}

/// `FROM t WHERE .. `, up to the order.
fn within(schema: &Schema, index: Option<&str>, bounds: Bounds) -> String {
    let whole = schema.key.len();
    // A key of fewer columns sorts before every key that it begins.
    let lower = bounds
        .lower
        .map(|columns| expanded(schema, columns, ">", if columns < whole { ">=" } else { ">" }));
    let upper = bounds
        .upper
        .map(|columns| expanded(schema, columns, "<", if columns < whole { "<" } else { "<=" }));
    let conditions: Vec<String> = lower.into_iter().chain(upper).collect();
    let condition = match conditions.as_slice() {
        [] => String::new(),
        _ => format!("WHERE {} ", conditions.join(" AND ")),
    };
    // With stale statistics the server may prefer another index, and sort the whole table.
    let index = index.map_or_else(String::new, |index| format!("FORCE INDEX ({}) ", quoted(index)));
    format!("FROM {} {index}{condition}", quoted(&schema.table))
}

/// `(a > ? OR (a = ? AND b >= ?))`: binds the first column of the key, then the first two, and so
/// on. The form `(a, b) > (?, ?)` would be a scan of the whole index.
fn expanded(schema: &Schema, columns: usize, inner: &str, last: &str) -> String {
    let alternatives: Vec<String> = (0..columns)
        .map(|place| {
            let equal =
                schema.key[..place].iter().map(|&column| format!("{} = ?", name(schema, column)));
            let compare = if place + 1 == columns { last } else { inner };
            let end = format!("{} {compare} ?", name(schema, schema.key[place]));
            format!("({})", equal.chain([end]).collect::<Vec<_>>().join(" AND "))
        })
        .collect();
    format!("({})", alternatives.join(" OR "))
}

/// Records by key: binds `count` keys.
pub(super) fn read(schema: &Schema, count: usize) -> String {
    format!(
        "SELECT {} FROM {} WHERE {}",
        names(schema, 0..schema.columns.len()),
        quoted(&schema.table),
        key_is_one_of(schema, count)
    )
}

/// The keys among some that are there: binds `count` keys.
pub(super) fn keys(schema: &Schema, count: usize) -> String {
    format!(
        "SELECT {} FROM {} WHERE {}",
        names(schema, schema.key.iter().copied()),
        quoted(&schema.table),
        key_is_one_of(schema, count)
    )
}

/// Removes records by key: binds `count` keys.
pub(super) fn delete(schema: &Schema, count: usize) -> String {
    format!("DELETE FROM {} WHERE {}", quoted(&schema.table), key_is_one_of(schema, count))
}

fn key_is_one_of(schema: &Schema, count: usize) -> String {
    let key = names(schema, schema.key.iter().copied());
    match schema.key.len() {
        1 => format!("{key} IN {}", placeholders(count)),
        // A list of one is no list to MariaDB: a DELETE with it reads the whole table.
        _ if count == 1 => key_is(schema),
        columns => format!("({key}) IN ({})", rows(count, columns)),
    }
}

/// Every column of the key by itself.
fn key_is(schema: &Schema) -> String {
    let equal = |&column: &usize| format!("{} = ?", name(schema, column));
    schema.key.iter().map(equal).collect::<Vec<_>>().join(" AND ")
}

/// Inserts records: binds `count` records. Fails where a unique key is there already.
pub(super) fn insert(schema: &Schema, count: usize) -> String {
    format!(
        "INSERT INTO {} ({}) VALUES {}",
        quoted(&schema.table),
        names(schema, 0..schema.columns.len()),
        rows(count, schema.columns.len()),
    )
}

/// Writes records, new or not: binds `count` records. The duplicate that is updated is the one with
/// the same key, where the key is the only unique one.
pub(super) fn upsert(schema: &Schema, count: usize) -> String {
    upsert_with(schema, count, "")
}

/// As [`upsert`], for tables with other unique keys: fails where the duplicate is another record.
/// (A subquery of two rows is an error, and it is run only then.)
pub(super) fn upsert_same(schema: &Schema, count: usize) -> String {
    let same: Vec<String> = schema
        .key
        .iter()
        .map(|&column| name(schema, column))
        .map(|name| format!("{0}.{name} <=> VALUES({name})", quoted(&schema.table)))
        .collect();
    let Some(&first) = schema.key.first() else { return upsert(schema, count) };
    let first = name(schema, first);
    let same = same.join(" AND ");
    let check = format!(
        "{first} = IF({same}, {0}.{first}, (SELECT 1 UNION ALL SELECT 2)), ",
        quoted(&schema.table)
    );
    upsert_with(schema, count, &check)
}

fn upsert_with(schema: &Schema, count: usize, check: &str) -> String {
    let assign = |column: usize| {
        let name = name(schema, column);
        format!("{name} = VALUES({name})")
    };
    let values: Vec<String> = (0..schema.columns.len())
        .filter(|column| !schema.key.contains(column))
        .map(assign)
        .collect();
    // A record that is all key is as it should be where it is there.
    let values = match (values.as_slice(), schema.key.first()) {
        ([], Some(&first)) => format!("{0} = {0}", name(schema, first)),
        _ => values.join(", "),
    };
    format!("{} ON DUPLICATE KEY UPDATE {check}{values}", insert(schema, count))
}

/// Number of records.
pub(super) fn count(table: &str) -> String {
    format!("SELECT count(*) FROM {}", quoted(table))
}

/// One row if there is a record.
pub(super) fn any(table: &str) -> String {
    format!("SELECT 1 FROM {} LIMIT 1", quoted(table))
}

#[cfg(test)]
mod tests {
    use super::{Bounds, filled_sizes, scan, size_over, sizes, upsert, upsert_same};
    use crate::batch::{Column, Schema};
    use crate::value::ColumnType;

    fn schema() -> Schema {
        let column = |name: &str| Column {
            name: name.to_owned(),
            column_type: ColumnType::Int,
            nullable: false,
        };
        let columns = ["a", "b", "c"].map(column).to_vec();
        Schema { table: "t`x".to_owned(), columns, key: vec![1, 0] }
    }

    #[test]
    fn a_key_is_compared_column_by_column() {
        let bounds = Bounds { lower: Some(2), upper: Some(1) };
        assert_eq!(
            scan(&schema(), Some("PRIMARY"), bounds),
            "SELECT `a`, `b`, `c` FROM `t``x` FORCE INDEX (`PRIMARY`) \
             WHERE ((`b` > ?) OR (`b` = ? AND `a` > ?)) AND ((`b` < ?)) ORDER BY `b`, `a` LIMIT ?"
        );
        let bounds = Bounds { lower: Some(1), upper: Some(2) };
        assert_eq!(
            scan(&schema(), None, bounds),
            "SELECT `a`, `b`, `c` FROM `t``x` WHERE ((`b` >= ?)) \
             AND ((`b` < ?) OR (`b` = ? AND `a` <= ?)) ORDER BY `b`, `a` LIMIT ?"
        );
    }

    #[test]
    fn an_upsert_changes_the_record_of_its_key_and_no_other() {
        assert!(
            upsert(&schema(), 2)
                .ends_with("VALUES (?, ?, ?), (?, ?, ?) ON DUPLICATE KEY UPDATE `c` = VALUES(`c`)")
        );
        assert!(upsert_same(&schema(), 1).ends_with(
            "ON DUPLICATE KEY UPDATE `b` = IF(`t``x`.`b` <=> VALUES(`b`) AND \
             `t``x`.`a` <=> VALUES(`a`), `t``x`.`b`, (SELECT 1 UNION ALL SELECT 2)), \
             `c` = VALUES(`c`)"
        ));
        let all_key = Schema { key: vec![0, 1, 2], ..schema() };
        assert!(upsert(&all_key, 1).ends_with("UPDATE `a` = `a`"));
    }

    #[test]
    fn statements_come_in_few_sizes_within_the_protocols_bound() {
        assert_eq!(sizes(1234, 3).collect::<Vec<_>>(), [1000, 100, 100, 30, 3, 1]);
        assert_eq!(sizes(1000, 66).next(), Some(300));
        assert_eq!((size_over(1), size_over(11), size_over(5000)), (1, 30, 1000));
    }

    #[test]
    fn statements_that_name_records_are_filled_up_where_that_saves_one() {
        let filled = |count, binds| filled_sizes(count, binds).collect::<Vec<_>>();
        assert_eq!(filled(700, 1), [(700, 1000)]);
        assert_eq!(filled(310, 1), [(300, 300), (10, 10)]);
        assert_eq!(filled(1234, 1), [(1000, 1000), (234, 300)]);
        assert_eq!(filled(2, 1), [(2, 3)]);
        assert_eq!(filled(700, 66), [(300, 300), (300, 300), (100, 100)]);
        assert_eq!(filled(0, 1), []);
    }
}

//! The text of every statement. Identifiers pass [`quoted`], values are bound: nothing else of what
//! a plan or a database says gets into SQL.

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

/// The key that lies some keys after the lower one: binds as [`scan`] does, with the number of keys to
/// pass over in place of the limit.
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

/// The side tables, in the order in which they are listed. Every key begins with the migration.
pub(super) const SIDE_TABLES: [&str; 4] =
    ["midflight_format", "midflight_guard", "midflight_partition", "midflight_range"];

/// Longest key of a range or a guard: with the names before and after it in the primary key it is
/// below InnoDB's 3,072 bytes.
pub(super) const RANGE_KEY_BYTES_MAX: usize = 2400;

/// What creates them. Bytes everywhere, which sort by bytes whatever the server's collation is.
pub(super) const CREATE_SIDE_TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS `midflight_format` (\
     `migration` VARBINARY(64) NOT NULL PRIMARY KEY, `version` INT UNSIGNED NOT NULL) \
     ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    // kind: 0 lease only, 1 present, 2 deleted, 3 dirty.
    "CREATE TABLE IF NOT EXISTS `midflight_guard` (\
     `migration` VARBINARY(64) NOT NULL, `source_table` VARBINARY(256) NOT NULL, \
     `range_key` VARBINARY(2400) NOT NULL, `target_table` VARBINARY(256) NOT NULL, \
     `version` VARBINARY(32) NOT NULL, `kind` TINYINT UNSIGNED NOT NULL, `lease` BINARY(16), \
     PRIMARY KEY (`migration`, `source_table`, `range_key`, `target_table`)) \
     ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "CREATE TABLE IF NOT EXISTS `midflight_partition` (\
     `migration` VARBINARY(64) NOT NULL, `partition` VARBINARY(512) NOT NULL, \
     `generation` BIGINT UNSIGNED NOT NULL, `owner` BINARY(16) NOT NULL, \
     `start` VARBINARY(32) NOT NULL, `next` VARBINARY(32) NOT NULL, \
     PRIMARY KEY (`migration`, `partition`)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    // after: the exclusive lower bound, empty for none, names the range.
    "CREATE TABLE IF NOT EXISTS `midflight_range` (\
     `migration` VARBINARY(64) NOT NULL, `source_table` VARBINARY(256) NOT NULL, \
     `after` VARBINARY(2400) NOT NULL, `until` VARBINARY(2400), \
     `epoch` BIGINT UNSIGNED NOT NULL, `owner` BINARY(16) NOT NULL, \
     `state` VARBINARY(16) NOT NULL, `progress` VARBINARY(16) NOT NULL, \
     `reached` VARBINARY(2400), `batches` BIGINT UNSIGNED NOT NULL, \
     PRIMARY KEY (`migration`, `source_table`, `after`)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
];

/// How many of the side tables are there.
pub(super) const HAS_SIDE_TABLES: &str = "SELECT count(*) FROM information_schema.tables \
     WHERE table_schema = DATABASE() AND table_name IN \
     ('midflight_format', 'midflight_guard', 'midflight_partition', 'midflight_range')";

/// The format of a migration's side tables: binds the migration.
pub(super) const FORMAT: &str = "SELECT `version` FROM `midflight_format` WHERE `migration` = ?";

/// Marks a migration as set up, and locks the mark until the transaction ends, so that of two
/// set-ups one waits for the other: binds migration, version.
pub(super) const PUT_FORMAT: &str = "INSERT INTO `midflight_format` (`migration`, `version`) \
     VALUES (?, ?) ON DUPLICATE KEY UPDATE `migration` = `migration`";

/// How a row that is read is locked until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    None,
    /// MySQL 8 knows this form of `FOR SHARE` too.
    Shared,
    Exclusive,
}

impl Lock {
    fn clause(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Shared => " LOCK IN SHARE MODE",
            Self::Exclusive => " FOR UPDATE",
        }
    }
}

/// Binds migration, partition.
pub(super) fn partition(lock: Lock) -> String {
    format!(
        "SELECT `generation`, `owner`, `start`, `next` FROM `midflight_partition` \
         WHERE `migration` = ? AND `partition` = ?{}",
        lock.clause()
    )
}

/// Binds migration, partition, generation, owner, start, next.
pub(super) const PUT_PARTITION: &str = "INSERT INTO `midflight_partition` \
     (`migration`, `partition`, `generation`, `owner`, `start`, `next`) VALUES (?, ?, ?, ?, ?, ?) \
     ON DUPLICATE KEY UPDATE `generation` = VALUES(`generation`), `owner` = VALUES(`owner`), \
     `start` = VALUES(`start`), `next` = VALUES(`next`)";

const RANGE_COLUMNS: &str =
    "`after`, `until`, `epoch`, `owner`, `state`, `progress`, `reached`, `batches`";

/// Ranges by their lower bounds: binds migration, source table, `count` bounds. A lock on a whole
/// unique key touches that row and nothing beside it; an interval would wait for the next range too.
pub(super) fn ranges(count: usize, lock: Lock) -> String {
    format!(
        "SELECT {RANGE_COLUMNS} FROM `midflight_range` \
         WHERE `migration` = ? AND `source_table` = ? AND `after` IN {} ORDER BY `after`{}",
        placeholders(count),
        lock.clause()
    )
}

/// Ranges whose lower bound lies after another: binds migration, source table, bound, limit.
pub(super) fn ranges_after(is_first_page: bool) -> String {
    let compare = if is_first_page { ">=" } else { ">" };
    format!(
        "SELECT {RANGE_COLUMNS} FROM `midflight_range` WHERE `migration` = ? \
         AND `source_table` = ? AND `after` {compare} ? ORDER BY `after` LIMIT ?"
    )
}

/// The lower bounds of the ranges that hold keys of an interval: binds migration, source table,
/// first key, and then migration, source table, first key, last key. Ranges follow one another, so
/// the first of them is the last that begins before the interval.
pub(super) const RANGES_OF: &str = "(SELECT `after` FROM `midflight_range` \
     WHERE `migration` = ? AND `source_table` = ? AND `after` < ? ORDER BY `after` DESC LIMIT 1) \
     UNION ALL (SELECT `after` FROM `midflight_range` WHERE `migration` = ? \
     AND `source_table` = ? AND `after` >= ? AND `after` < ?) ORDER BY `after`";

/// Binds migration, source table and the columns of a range.
pub(super) const PUT_RANGE: &str = "INSERT INTO `midflight_range` (`migration`, `source_table`, \
     `after`, `until`, `epoch`, `owner`, `state`, `progress`, `reached`, `batches`) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE `until` = VALUES(`until`), \
     `epoch` = VALUES(`epoch`), `owner` = VALUES(`owner`), `state` = VALUES(`state`), \
     `progress` = VALUES(`progress`), `reached` = VALUES(`reached`), \
     `batches` = VALUES(`batches`)";

/// Guards by key: binds migration, source table, target table and `count` range keys.
pub(super) fn guards(count: usize, lock: Lock) -> String {
    format!(
        "SELECT `range_key`, `version`, `kind`, `lease` FROM `midflight_guard` \
         WHERE `migration` = ? AND `source_table` = ? AND `target_table` = ? \
         AND `range_key` IN {} ORDER BY `range_key`{}",
        placeholders(count),
        lock.clause()
    )
}

/// Guards of an interval: binds migration, source table, first key, last key, limit.
pub(super) const GUARDS_BETWEEN: &str = "SELECT `range_key`, `target_table`, `version`, `kind`, `lease` FROM `midflight_guard` \
     WHERE `migration` = ? AND `source_table` = ? AND `range_key` >= ? AND `range_key` <= ? \
     ORDER BY `range_key`, `target_table` LIMIT ?";

/// Writes guards that are not there: binds `count` times migration, source table, target table,
/// range key, version, kind, lease.
pub(super) fn insert_guards(count: usize) -> String {
    format!(
        "INSERT INTO `midflight_guard` (`migration`, `source_table`, `target_table`, `range_key`, \
         `version`, `kind`, `lease`) VALUES {}",
        rows(count, 7)
    )
}

/// Writes guards, new or not: binds as [`insert_guards`].
pub(super) fn put_guards(count: usize) -> String {
    format!(
        "{} ON DUPLICATE KEY UPDATE `version` = VALUES(`version`), `kind` = VALUES(`kind`), \
         `lease` = VALUES(`lease`)",
        insert_guards(count)
    )
}

/// Guards of a range: binds migration, source table, the lower bound, the upper one if there is one.
fn guards_of_range(has_upper: bool) -> String {
    let upper = if has_upper { " AND `range_key` <= ?" } else { "" };
    format!("`migration` = ? AND `source_table` = ? AND `range_key` > ?{upper}")
}

/// Removes guards of a range that are not dirty: binds as [`guards_of_range`], then the highest
/// version and the limit.
pub(super) fn delete_guards(has_upper: bool) -> String {
    format!(
        "DELETE FROM `midflight_guard` WHERE {} AND `version` <= ? AND `kind` <> 3 \
         ORDER BY `range_key`, `target_table` LIMIT ?",
        guards_of_range(has_upper)
    )
}

/// Number of dirty guards of a range: binds as [`guards_of_range`].
pub(super) fn count_dirty(has_upper: bool) -> String {
    format!(
        "SELECT CAST(count(*) AS UNSIGNED) FROM `midflight_guard` WHERE {} AND `kind` = 3",
        guards_of_range(has_upper)
    )
}

/// A migration's rows in a side table, counted up to a number: binds the migration, the number.
pub(super) fn count_side(table: &str) -> String {
    format!(
        "SELECT count(*) FROM (SELECT 1 FROM {} WHERE `migration` = ? LIMIT ?) AS found",
        quoted(table)
    )
}

/// Removes some of them: binds the migration. In parts, so that no transaction is huge.
pub(super) fn clear_side(table: &str) -> String {
    format!("DELETE FROM {} WHERE `migration` = ? LIMIT 10000", quoted(table))
}

/// Keeps everybody else away from the side tables.
pub(super) fn lock_side_tables() -> String {
    let tables = SIDE_TABLES.map(|table| format!("{} WRITE", quoted(table)));
    format!("LOCK TABLES {}", tables.join(", "))
}

/// Removes the side tables.
pub(super) fn drop_side_tables() -> String {
    format!("DROP TABLE IF EXISTS {}", SIDE_TABLES.map(quoted).join(", "))
}

/// Tables of a name, in whatever case, with their engine: binds the name.
pub(super) const TABLE: &str = "SELECT CAST(table_name AS CHAR), \
     CAST(coalesce(engine, '') AS CHAR) FROM information_schema.tables \
     WHERE table_schema = DATABASE() AND table_name = ? AND engine IS NOT NULL";

/// About how many records a table has: binds its name.
pub(super) const TABLE_ROWS: &str = "SELECT CAST(coalesce(max(table_rows), 0) AS UNSIGNED) \
     FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?";

/// The second in which a table was last written to, as long as it is in the server's memory: binds
/// its name.
pub(super) const TABLE_WRITTEN: &str = "SELECT \
     CAST(coalesce(max(unix_timestamp(update_time)), 0) AS UNSIGNED) \
     FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?";

/// Its columns but those that the server computes: binds its name.
pub(super) const TABLE_COLUMNS: &str = "SELECT CAST(column_name AS CHAR), \
     CAST(data_type AS CHAR), CAST(column_type AS CHAR), \
     CAST(is_nullable = 'YES' AS SIGNED), \
     CAST(character_maximum_length AS UNSIGNED), CAST(collation_name AS CHAR), \
     CAST(numeric_scale AS UNSIGNED), CAST(datetime_precision AS UNSIGNED), \
     CAST(extra AS CHAR) FROM information_schema.columns \
     WHERE table_schema = DATABASE() AND table_name = ? \
     AND coalesce(generation_expression, '') = '' ORDER BY ordinal_position";

/// Columns that MariaDB takes for JSON: text with the constraint that the type stands for. Binds
/// the table's name.
pub(super) const TABLE_JSON: &str = "SELECT CAST(constraint_name AS CHAR) \
     FROM information_schema.check_constraints \
     WHERE constraint_schema = DATABASE() AND table_name = ? \
     AND check_clause = concat('json_valid(`', constraint_name, '`)')";

/// The columns of its unique indexes, null for the beginning of a column and for an expression:
/// binds its name.
pub(super) const TABLE_UNIQUE: &str = "SELECT CAST(index_name AS CHAR), \
     CAST(IF(sub_part IS NULL, column_name, NULL) AS CHAR) FROM information_schema.statistics \
     WHERE table_schema = DATABASE() AND table_name = ? AND non_unique = 0 \
     ORDER BY index_name, seq_in_index";

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

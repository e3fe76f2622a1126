//! The side tables: what creates them, reads their rows, and removes them.

use super::{quote, rows};

/// The side tables, in the order in which they are listed. Every key begins with the migration.
pub(in crate::store::sqlite) const SIDE_TABLES: [&str; 4] =
    ["midflight_format", "midflight_guard", "midflight_partition", "midflight_range"];

/// What creates them.
pub(in crate::store::sqlite) const CREATE_SIDE_TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS midflight_format (\
     migration TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
    // kind: 0 lease only, 1 present, 2 deleted, 3 dirty.
    "CREATE TABLE IF NOT EXISTS midflight_guard (\
     migration TEXT NOT NULL, source_table TEXT NOT NULL, range_key BLOB NOT NULL, \
     target_table TEXT NOT NULL, version BLOB NOT NULL, kind INTEGER NOT NULL, lease BLOB, \
     PRIMARY KEY (migration, source_table, range_key, target_table)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS midflight_partition (\
     migration TEXT NOT NULL, partition TEXT NOT NULL, generation INTEGER NOT NULL, \
     owner BLOB NOT NULL, start BLOB NOT NULL, next BLOB NOT NULL, \
     PRIMARY KEY (migration, partition)) WITHOUT ROWID",
    // after: the exclusive lower bound, empty for none, names the range.
    "CREATE TABLE IF NOT EXISTS midflight_range (\
     migration TEXT NOT NULL, source_table TEXT NOT NULL, after BLOB NOT NULL, until BLOB, \
     epoch INTEGER NOT NULL, owner BLOB NOT NULL, state TEXT NOT NULL, progress TEXT NOT NULL, \
     reached BLOB, batches INTEGER NOT NULL, \
     PRIMARY KEY (migration, source_table, after)) WITHOUT ROWID",
];

/// Whether there are side tables.
pub(in crate::store::sqlite) const HAS_SIDE_TABLES: &str =
    "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'midflight_format'";

/// The format of a migration's side tables: binds the migration.
pub(in crate::store::sqlite) const FORMAT: &str =
    "SELECT version FROM midflight_format WHERE migration = ?";

/// Marks a migration as set up: binds migration, version.
pub(in crate::store::sqlite) const PUT_FORMAT: &str = "INSERT INTO midflight_format (migration, version) \
     VALUES (?, ?) ON CONFLICT (migration) DO NOTHING";

/// Binds migration, partition.
pub(in crate::store::sqlite) const PARTITION: &str = "SELECT generation, owner, start, next \
     FROM midflight_partition WHERE migration = ? AND partition = ?";

/// Binds migration, partition, generation, owner, start, next.
pub(in crate::store::sqlite) const PUT_PARTITION: &str = "INSERT INTO midflight_partition \
     (migration, partition, generation, owner, start, next) VALUES (?, ?, ?, ?, ?, ?) \
     ON CONFLICT (migration, partition) DO UPDATE SET generation = excluded.generation, \
     owner = excluded.owner, start = excluded.start, next = excluded.next";

const RANGE_COLUMNS: &str = "after, until, epoch, owner, state, progress, reached, batches";

/// One range: binds migration, source table, lower bound.
pub(in crate::store::sqlite) fn range() -> String {
    format!(
        "SELECT {RANGE_COLUMNS} FROM midflight_range \
         WHERE migration = ? AND source_table = ? AND after = ?"
    )
}

/// Ranges whose lower bound lies after another: binds migration, source table, bound, limit.
pub(in crate::store::sqlite) fn ranges_after(is_first_page: bool) -> String {
    let compare = if is_first_page { ">=" } else { ">" };
    format!(
        "SELECT {RANGE_COLUMNS} FROM midflight_range \
         WHERE migration = ? AND source_table = ? AND after {compare} ? ORDER BY after LIMIT ?"
    )
}

/// Ranges that hold keys of an interval: binds migration, source table, last key, first key.
pub(in crate::store::sqlite) fn ranges_of() -> String {
    format!(
        "SELECT {RANGE_COLUMNS} FROM midflight_range \
         WHERE migration = ? AND source_table = ? AND after < ? AND (until IS NULL OR until >= ?) \
         ORDER BY after"
    )
}

/// Binds migration, source table and the columns of a range.
pub(in crate::store::sqlite) const PUT_RANGE: &str = "INSERT INTO midflight_range (migration, source_table, after, \
     until, epoch, owner, state, progress, reached, batches) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
     ON CONFLICT (migration, source_table, after) DO UPDATE SET until = excluded.until, \
     epoch = excluded.epoch, owner = excluded.owner, state = excluded.state, \
     progress = excluded.progress, reached = excluded.reached, batches = excluded.batches";

/// Guards by key, each with its place among the keys: binds migration, source table, target table
/// and `count` range keys, in this order.
pub(in crate::store::sqlite) fn guards(count: usize) -> String {
    let keys: Vec<String> = (0..count).map(|place| format!("({place}, ?)")).collect();
    format!(
        "WITH t (migration, source_table, target_table) AS (VALUES (?, ?, ?)), \
         k (place, range_key) AS (VALUES {}) \
         SELECT k.place, g.version, g.kind, g.lease FROM t CROSS JOIN k CROSS JOIN midflight_guard g \
         WHERE g.migration = t.migration AND g.source_table = t.source_table \
         AND g.range_key = k.range_key AND g.target_table = t.target_table",
        keys.join(", ")
    )
}

/// Guards of an interval: binds migration, source table, first key, last key, limit.
pub(in crate::store::sqlite) const GUARDS_BETWEEN: &str = "SELECT range_key, target_table, version, kind, lease \
     FROM midflight_guard WHERE migration = ? AND source_table = ? AND range_key >= ? \
     AND range_key <= ? ORDER BY range_key, target_table LIMIT ?";

/// Writes guards: binds migration, source table, target table and `count` times range key, version,
/// kind, lease.
pub(in crate::store::sqlite) fn put_guards(count: usize) -> String {
    format!(
        "WITH t (migration, source_table, target_table) AS (VALUES (?, ?, ?)), \
         g (range_key, version, kind, lease) AS (VALUES {}) \
         INSERT INTO midflight_guard \
         (migration, source_table, target_table, range_key, version, kind, lease) \
         SELECT t.migration, t.source_table, t.target_table, g.range_key, g.version, g.kind, \
         g.lease FROM t CROSS JOIN g WHERE true \
         ON CONFLICT (migration, source_table, range_key, target_table) DO UPDATE SET \
         version = excluded.version, kind = excluded.kind, lease = excluded.lease",
        rows(count, 4)
    )
}

/// Removes guards of a range that are not dirty: binds migration, source table, the lower bound,
/// the upper bound twice, the highest version, the limit.
pub(in crate::store::sqlite) const DELETE_GUARDS: &str = "DELETE FROM midflight_guard \
     WHERE (migration, source_table, range_key, target_table) IN (\
     SELECT migration, source_table, range_key, target_table FROM midflight_guard \
     WHERE migration = ? AND source_table = ? AND range_key > ? \
     AND (? IS NULL OR range_key <= ?) AND version <= ? AND kind <> 3 LIMIT ?)";

/// Number of dirty guards of a range: binds migration, source table, the lower bound, the upper
/// bound twice.
pub(in crate::store::sqlite) const COUNT_DIRTY: &str = "SELECT count(*) FROM midflight_guard \
     WHERE migration = ? AND source_table = ? AND range_key > ? \
     AND (? IS NULL OR range_key <= ?) AND kind = 3";

/// A migration's rows in a side table: binds the migration.
pub(in crate::store::sqlite) fn count_side(table: &str) -> String {
    format!("SELECT count(*) FROM {} WHERE migration = ?", quote(table))
}

/// Removes them: binds the migration.
pub(in crate::store::sqlite) fn clear_side(table: &str) -> String {
    format!("DELETE FROM {} WHERE migration = ?", quote(table))
}

/// Removes a side table.
pub(in crate::store::sqlite) fn drop_side(table: &str) -> String {
    format!("DROP TABLE IF EXISTS {}", quote(table))
}

//! The side tables: what creates them, reads and locks their rows, and removes them.

use crate::driver::postgres::quoted;

/// Rows and their locks: the side tables, in the order in which they are listed. Every key begins
/// with the migration.
pub(in crate::store::postgres) const SIDE_TABLES: [&str; 4] =
    ["midflight_format", "midflight_guard", "midflight_partition", "midflight_range"];

/// What creates them.
pub(in crate::store::postgres) const CREATE_SIDE_TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS midflight_format (\
     migration text COLLATE \"C\" NOT NULL PRIMARY KEY, version bigint NOT NULL)",
    // kind: 0 lease only, 1 present, 2 deleted, 3 dirty.
    "CREATE TABLE IF NOT EXISTS midflight_guard (\
     migration text COLLATE \"C\" NOT NULL, source_table text COLLATE \"C\" NOT NULL, \
     range_key bytea NOT NULL, target_table text COLLATE \"C\" NOT NULL, \
     version bytea NOT NULL, kind smallint NOT NULL, lease bytea, \
     PRIMARY KEY (migration, source_table, range_key, target_table))",
    "CREATE TABLE IF NOT EXISTS midflight_partition (\
     migration text COLLATE \"C\" NOT NULL, partition text COLLATE \"C\" NOT NULL, \
     generation bigint NOT NULL, owner bytea NOT NULL, start bytea NOT NULL, next bytea NOT NULL, \
     PRIMARY KEY (migration, partition)) WITH (fillfactor = 20)",
    // after: the exclusive lower bound, empty for none, names the range.
    "CREATE TABLE IF NOT EXISTS midflight_range (\
     migration text COLLATE \"C\" NOT NULL, source_table text COLLATE \"C\" NOT NULL, \
     after bytea NOT NULL, until bytea, epoch bigint NOT NULL, owner bytea NOT NULL, \
     state text NOT NULL, progress text NOT NULL, reached bytea, batches bigint NOT NULL, \
     PRIMARY KEY (migration, source_table, after)) WITH (fillfactor = 20)",
];

/// Whether there are side tables.
pub(in crate::store::postgres) const HAS_SIDE_TABLES: &str =
    "SELECT to_regclass('midflight_format') IS NOT NULL";

/// The format of a migration's side tables: binds the migration.
pub(in crate::store::postgres) const FORMAT: &str =
    "SELECT version FROM midflight_format WHERE migration = $1";

/// Marks a migration as set up: binds migration, version.
pub(in crate::store::postgres) const PUT_FORMAT: &str = "INSERT INTO midflight_format (migration, version) \
     VALUES ($1, $2) ON CONFLICT (migration) DO NOTHING";

/// A write that changes nothing, so that its commit waits for the log up to here: binds the
/// migration.
pub(in crate::store::postgres) const TOUCH_FORMAT: &str =
    "UPDATE midflight_format SET version = version WHERE migration = $1";

/// Binds migration, partition.
pub(in crate::store::postgres) fn partition(is_locked: bool) -> String {
    let lock = if is_locked { " FOR UPDATE" } else { "" };
    format!(
        "SELECT generation, owner, start, next FROM midflight_partition \
         WHERE migration = $1 AND partition = $2{lock}"
    )
}

/// Binds migration, partition, generation, owner, start, next.
pub(in crate::store::postgres) const PUT_PARTITION: &str = "INSERT INTO midflight_partition \
     (migration, partition, generation, owner, start, next) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (migration, partition) DO UPDATE SET generation = excluded.generation, \
     owner = excluded.owner, start = excluded.start, next = excluded.next";

const RANGE_COLUMNS: &str = "after, until, epoch, owner, state, progress, reached, batches";

/// One range: binds migration, source table, lower bound.
pub(in crate::store::postgres) fn range() -> String {
    format!(
        "SELECT {RANGE_COLUMNS} FROM midflight_range \
         WHERE migration = $1 AND source_table = $2 AND after = $3"
    )
}

/// Ranges whose lower bound lies after another: binds migration, source table, bound, limit.
pub(in crate::store::postgres) fn ranges_after(is_first_page: bool) -> String {
    let compare = if is_first_page { ">=" } else { ">" };
    format!(
        "SELECT {RANGE_COLUMNS} FROM midflight_range \
         WHERE migration = $1 AND source_table = $2 AND after {compare} $3 ORDER BY after LIMIT $4"
    )
}

/// Ranges that hold keys of an interval: binds migration, source table, last key, first key.
pub(in crate::store::postgres) fn ranges_of() -> String {
    format!(
        "SELECT {RANGE_COLUMNS} FROM midflight_range \
         WHERE migration = $1 AND source_table = $2 AND after < $3 \
         AND (until IS NULL OR until >= $4) ORDER BY after"
    )
}

/// Binds migration, source table and the columns of a range.
pub(in crate::store::postgres) const PUT_RANGE: &str = "INSERT INTO midflight_range (migration, source_table, after, \
     until, epoch, owner, state, progress, reached, batches) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
     ON CONFLICT (migration, source_table, after) DO UPDATE SET until = excluded.until, \
     epoch = excluded.epoch, owner = excluded.owner, state = excluded.state, \
     progress = excluded.progress, reached = excluded.reached, batches = excluded.batches";

/// Locks ranges until the transaction ends, one after the other: binds their numbers, in order.
/// A function's rows are made in the array's order, and nothing here sorts them.
pub(in crate::store::postgres) fn lock(is_exclusive: bool) -> &'static str {
    if is_exclusive {
        "SELECT pg_advisory_xact_lock(u.n) FROM unnest($1::int8[]) AS u(n)"
    } else {
        "SELECT pg_advisory_xact_lock_shared(u.n) FROM unnest($1::int8[]) AS u(n)"
    }
}

/// Guards by key, each with its place among the keys: binds migration, source table, target table,
/// range keys.
pub(in crate::store::postgres) const GUARDS: &str = "SELECT u.place, g.version, g.kind, g.lease \
     FROM unnest($4::bytea[]) WITH ORDINALITY AS u(range_key, place) JOIN midflight_guard AS g \
     ON g.migration = $1 AND g.source_table = $2 AND g.range_key = u.range_key \
     AND g.target_table = $3";

/// Guards of an interval: binds migration, source table, first key, last key, limit.
pub(in crate::store::postgres) const GUARDS_BETWEEN: &str = "SELECT range_key, target_table, version, kind, lease \
     FROM midflight_guard WHERE migration = $1 AND source_table = $2 AND range_key >= $3 \
     AND range_key <= $4 ORDER BY range_key, target_table LIMIT $5";

/// Writes guards that are still as they were read, and counts them: binds migration, source table,
/// target table, range keys; versions, kinds and leases; and the three as they were read, null
/// where there was no guard.
pub(in crate::store::postgres) const PUT_GUARDS: &str = "WITH u AS (SELECT * \
     FROM unnest($4::bytea[], $5::bytea[], $6::int2[], $7::bytea[], \
     $8::bytea[], $9::int2[], $10::bytea[]) \
     AS u(range_key, version, kind, lease, was_version, was_kind, was_lease)), \
     known AS (UPDATE midflight_guard AS g \
     SET version = u.version, kind = u.kind, lease = u.lease FROM u \
     WHERE g.migration = $1 AND g.source_table = $2 AND g.target_table = $3 \
     AND g.range_key = u.range_key AND g.version = u.was_version AND g.kind = u.was_kind \
     AND g.lease IS NOT DISTINCT FROM u.was_lease RETURNING 1), \
     new AS (INSERT INTO midflight_guard \
     (migration, source_table, target_table, range_key, version, kind, lease) \
     SELECT $1, $2, $3, u.range_key, u.version, u.kind, u.lease FROM u \
     WHERE u.was_version IS NULL ON CONFLICT DO NOTHING RETURNING 1) \
     SELECT (SELECT count(*) FROM known) + (SELECT count(*) FROM new)";

/// Removes guards of a range that are not dirty: binds migration, source table, the lower bound,
/// the upper bound, the highest version, the limit. The range is locked alone, so the places of
/// rows do not change.
pub(in crate::store::postgres) const DELETE_GUARDS: &str = "DELETE FROM midflight_guard WHERE ctid = ANY (ARRAY(\
     SELECT ctid FROM midflight_guard WHERE migration = $1 AND source_table = $2 \
     AND range_key > $3 AND ($4::bytea IS NULL OR range_key <= $4) AND version <= $5 \
     AND kind <> 3 LIMIT $6))";

/// Number of dirty guards of a range: binds migration, source table, the lower bound, the upper
/// bound.
pub(in crate::store::postgres) const COUNT_DIRTY: &str = "SELECT count(*) FROM midflight_guard \
     WHERE migration = $1 AND source_table = $2 AND range_key > $3 \
     AND ($4::bytea IS NULL OR range_key <= $4) AND kind = 3";

/// A migration's rows in a side table, counted up to a number: binds the migration, the number.
pub(in crate::store::postgres) fn count_side(table: &str) -> String {
    format!(
        "SELECT count(*) FROM (SELECT FROM {} WHERE migration = $1 LIMIT $2) AS found",
        quoted(table)
    )
}

/// Removes some of them: binds the migration. In parts, so that each ends in time.
pub(in crate::store::postgres) fn clear_side(table: &str) -> String {
    let table = quoted(table);
    format!(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY(\
         SELECT ctid FROM {table} WHERE migration = $1 LIMIT 10000))"
    )
}

/// Removes a side table.
pub(in crate::store::postgres) fn drop_side(table: &str) -> String {
    format!("DROP TABLE IF EXISTS {}", quoted(table))
}

//! The text of every statement. Identifiers pass [`quoted`](crate::driver::postgres::quoted), values
//! are bound: nothing else of what a plan or a database says gets into SQL.
//!
//! A statement takes any number of records: each column is one array. So every statement is
//! prepared once, however large the batches are.

use super::shape::Form;
use super::value::Storage;
use crate::driver::postgres::quoted;

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

/// The key that lies some keys after the lower edge: binds as [`scan`] does, then the number of keys
/// to pass over.
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

/// The server's version and encoding, whether it is a replica, and whether it tells its identifier.
pub(super) const SERVER: &str = "SELECT current_setting('server_version_num')::int4, \
     current_setting('server_encoding'), pg_is_in_recovery(), \
     has_function_privilege('pg_control_system()', 'EXECUTE')";

/// What tells this database from every other: the cluster's identifier and the database's.
pub(super) const IDENTITY: &str = "SELECT s.system_identifier::text || '/' || d.oid::text \
     FROM pg_control_system() AS s, pg_database AS d WHERE d.datname = current_database()";

/// The same where the identifier is not told: where the server is and since when it runs.
pub(super) const PLACE: &str = "SELECT coalesce(host(inet_server_addr()), 'local') || ' ' \
     || pg_postmaster_start_time()::text || '/' || d.oid::text \
     FROM pg_database AS d WHERE d.datname = current_database()";

/// The oldest transaction of another session in this database: whoever a lock is waited for is
/// most often this one.
pub(super) const OLDEST_TRANSACTION: &str = "SELECT pid, coalesce(application_name, ''), \
     coalesce(state, 'unknown'), coalesce(extract(epoch FROM now() - xact_start), 0)::int8 \
     FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
     AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1";

/// Ends sessions that hold an advisory lock in a `COPY` whose client sends nothing: binds the locks'
/// numbers, and for how many milliseconds the `COPY` has run. Only what the same user runs.
pub(super) const END_STOPPED_COPIES: &str = "SELECT pg_terminate_backend(a.pid) \
     FROM pg_stat_activity AS a WHERE a.usename = current_user AND a.pid <> pg_backend_pid() \
     AND a.state = 'active' AND a.wait_event = 'ClientRead' AND a.query LIKE 'COPY %' \
     AND a.query_start <= clock_timestamp() - $2::int8 * interval '1 millisecond' \
     AND a.pid IN (SELECT l.pid FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.granted \
     AND l.objsubid = 1 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     AND (l.classid::int8 << 32 | l.objid::int8) = ANY ($1))";

/// The estimated number of records and the size in bytes of a table and its partitions: binds the
/// table as SQL writes it.
pub(super) const SIZE: &str = "SELECT \
     coalesce(sum(CASE WHEN c.reltuples >= 0 AND c.relpages > 0 \
     THEN c.reltuples::float8 / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::int8) \
     ELSE pg_relation_size(c.oid) / 100 END), 0)::int8, \
     coalesce(sum(pg_relation_size(c.oid)), 0)::int8 \
     FROM pg_class AS c WHERE c.relkind = 'r' AND (c.oid = $1::text::regclass \
     OR c.oid IN (SELECT relid FROM pg_partition_tree($1::text::regclass)))";

/// Rows that were ever written of a table and its partitions, as statistics count them: binds the
/// table as SQL writes it.
pub(super) const WRITTEN: &str = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int8 \
     FROM pg_stat_user_tables WHERE relid = $1::text::regclass \
     OR relid IN (SELECT relid FROM pg_partition_tree($1::text::regclass))";

/// Rows and their locks: the side tables, in the order in which they are listed. Every key begins
/// with the migration.
pub(super) const SIDE_TABLES: [&str; 4] =
    ["midflight_format", "midflight_guard", "midflight_partition", "midflight_range"];

/// What creates them.
pub(super) const CREATE_SIDE_TABLES: [&str; 4] = [
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
pub(super) const HAS_SIDE_TABLES: &str = "SELECT to_regclass('midflight_format') IS NOT NULL";

/// The format of a migration's side tables: binds the migration.
pub(super) const FORMAT: &str = "SELECT version FROM midflight_format WHERE migration = $1";

/// Marks a migration as set up: binds migration, version.
pub(super) const PUT_FORMAT: &str = "INSERT INTO midflight_format (migration, version) \
     VALUES ($1, $2) ON CONFLICT (migration) DO NOTHING";

/// A write that changes nothing, so that its commit waits for the log up to here: binds the
/// migration.
pub(super) const TOUCH_FORMAT: &str =
    "UPDATE midflight_format SET version = version WHERE migration = $1";

/// Binds migration, partition.
pub(super) fn partition(is_locked: bool) -> String {
    let lock = if is_locked { " FOR UPDATE" } else { "" };
    format!(
        "SELECT generation, owner, start, next FROM midflight_partition \
         WHERE migration = $1 AND partition = $2{lock}"
    )
}

/// Binds migration, partition, generation, owner, start, next.
pub(super) const PUT_PARTITION: &str = "INSERT INTO midflight_partition \
     (migration, partition, generation, owner, start, next) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (migration, partition) DO UPDATE SET generation = excluded.generation, \
     owner = excluded.owner, start = excluded.start, next = excluded.next";

const RANGE_COLUMNS: &str = "after, until, epoch, owner, state, progress, reached, batches";

/// One range: binds migration, source table, lower bound.
pub(super) fn range() -> String {
    format!(
        "SELECT {RANGE_COLUMNS} FROM midflight_range \
         WHERE migration = $1 AND source_table = $2 AND after = $3"
    )
}

/// Ranges whose lower bound lies after another: binds migration, source table, bound, limit.
pub(super) fn ranges_after(is_first_page: bool) -> String {
    let compare = if is_first_page { ">=" } else { ">" };
    format!(
        "SELECT {RANGE_COLUMNS} FROM midflight_range \
         WHERE migration = $1 AND source_table = $2 AND after {compare} $3 ORDER BY after LIMIT $4"
    )
}

/// Ranges that hold keys of an interval: binds migration, source table, last key, first key.
pub(super) fn ranges_of() -> String {
    format!(
        "SELECT {RANGE_COLUMNS} FROM midflight_range \
         WHERE migration = $1 AND source_table = $2 AND after < $3 \
         AND (until IS NULL OR until >= $4) ORDER BY after"
    )
}

/// Binds migration, source table and the columns of a range.
pub(super) const PUT_RANGE: &str = "INSERT INTO midflight_range (migration, source_table, after, \
     until, epoch, owner, state, progress, reached, batches) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
     ON CONFLICT (migration, source_table, after) DO UPDATE SET until = excluded.until, \
     epoch = excluded.epoch, owner = excluded.owner, state = excluded.state, \
     progress = excluded.progress, reached = excluded.reached, batches = excluded.batches";

/// Locks ranges until the transaction ends, one after the other: binds their numbers, in order.
/// A function's rows are made in the array's order, and nothing here sorts them.
pub(super) fn lock(is_exclusive: bool) -> &'static str {
    if is_exclusive {
        "SELECT pg_advisory_xact_lock(u.n) FROM unnest($1::int8[]) AS u(n)"
    } else {
        "SELECT pg_advisory_xact_lock_shared(u.n) FROM unnest($1::int8[]) AS u(n)"
    }
}

/// Guards by key, each with its place among the keys: binds migration, source table, target table,
/// range keys.
pub(super) const GUARDS: &str = "SELECT u.place, g.version, g.kind, g.lease \
     FROM unnest($4::bytea[]) WITH ORDINALITY AS u(range_key, place) JOIN midflight_guard AS g \
     ON g.migration = $1 AND g.source_table = $2 AND g.range_key = u.range_key \
     AND g.target_table = $3";

/// Guards of an interval: binds migration, source table, first key, last key, limit.
pub(super) const GUARDS_BETWEEN: &str = "SELECT range_key, target_table, version, kind, lease \
     FROM midflight_guard WHERE migration = $1 AND source_table = $2 AND range_key >= $3 \
     AND range_key <= $4 ORDER BY range_key, target_table LIMIT $5";

/// Writes guards that are still as they were read, and counts them: binds migration, source table,
/// target table, range keys; versions, kinds and leases; and the three as they were read, null where
/// there was no guard.
pub(super) const PUT_GUARDS: &str = "WITH u AS (SELECT * \
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
pub(super) const DELETE_GUARDS: &str = "DELETE FROM midflight_guard WHERE ctid = ANY (ARRAY(\
     SELECT ctid FROM midflight_guard WHERE migration = $1 AND source_table = $2 \
     AND range_key > $3 AND ($4::bytea IS NULL OR range_key <= $4) AND version <= $5 \
     AND kind <> 3 LIMIT $6))";

/// Number of dirty guards of a range: binds migration, source table, the lower bound, the upper
/// bound.
pub(super) const COUNT_DIRTY: &str = "SELECT count(*) FROM midflight_guard \
     WHERE migration = $1 AND source_table = $2 AND range_key > $3 \
     AND ($4::bytea IS NULL OR range_key <= $4) AND kind = 3";

/// A migration's rows in a side table, counted up to a number: binds the migration, the number.
pub(super) fn count_side(table: &str) -> String {
    format!(
        "SELECT count(*) FROM (SELECT FROM {} WHERE migration = $1 LIMIT $2) AS found",
        quoted(table)
    )
}

/// Removes some of them: binds the migration. In parts, so that each ends in time.
pub(super) fn clear_side(table: &str) -> String {
    let table = quoted(table);
    format!(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY(\
         SELECT ctid FROM {table} WHERE migration = $1 LIMIT 10000))"
    )
}

/// Removes a side table.
pub(super) fn drop_side(table: &str) -> String {
    format!("DROP TABLE IF EXISTS {}", quoted(table))
}

/// What PostgreSQL knows of a table: binds its name as SQL writes it.
pub(super) const TABLE: &str = "SELECT c.oid::int8, c.relkind::text, n.nspname::text, \
     c.relname::text, c.relhasrules OR c.relrowsecurity FROM pg_class AS c \
     JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE c.oid = to_regclass($1)";

/// Its columns, domains followed to what they are made of: binds its oid. Generated columns cannot
/// be written.
pub(super) const TABLE_COLUMNS: &str = "WITH RECURSIVE b AS (\
     SELECT a.attnum, a.attname::text AS name, a.atttypid AS type, a.atttypmod AS modifier, \
     a.attnotnull AS not_null, a.attcollation AS collation, \
     format_type(a.atttypid, a.atttypmod) AS declared \
     FROM pg_attribute AS a WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 \
     AND NOT a.attisdropped AND a.attgenerated = '' \
     UNION ALL \
     SELECT b.attnum, b.name, t.typbasetype, \
     CASE WHEN b.modifier = -1 THEN t.typtypmod ELSE b.modifier END, \
     b.not_null OR t.typnotnull, b.collation, b.declared \
     FROM b JOIN pg_type AS t ON t.oid = b.type WHERE t.typtype = 'd'), \
     d AS (SELECT d.datcollate, coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider \
     FROM pg_database AS d WHERE d.datname = current_database()) \
     SELECT b.name, b.type::int8, b.modifier, b.declared, b.not_null, \
     coalesce(b.collation = 0 OR b.collation IN (950, 951) OR c.collprovider = 'b' \
     OR (c.collprovider = 'c' AND c.collcollate IN ('C', 'POSIX')) \
     OR (b.collation = 100 AND (d.provider = 'b' \
     OR (d.provider = 'c' AND d.datcollate IN ('C', 'POSIX')))), false), \
     coalesce(c.collisdeterministic, true), b.collation::int8 \
     FROM b CROSS JOIN d JOIN pg_type AS t ON t.oid = b.type AND t.typtype <> 'd' \
     LEFT JOIN pg_collation AS c ON c.oid = b.collation ORDER BY b.attnum";

/// The columns of its indexes, each with whether it can be walked in its order, and its collation:
/// binds its oid.
pub(super) const TABLE_INDEXES: &str = "SELECT i.relname::text, x.indisprimary, x.indisunique, \
     x.indpred IS NOT NULL OR NOT x.indimmediate, a.attname::text, \
     m.amname = 'btree' AND o.opcdefault AND x.indoption[k] IN (0, 3) \
     AND x.indoption[k] = x.indoption[0], x.indcollation[k]::int8 \
     FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid \
     JOIN pg_am AS m ON m.oid = i.relam \
     CROSS JOIN LATERAL generate_series(0, x.indnkeyatts - 1) AS k \
     JOIN pg_opclass AS o ON o.oid = x.indclass[k] \
     LEFT JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k] \
     AND x.indkey[k] <> 0 \
     WHERE x.indrelid = $1::int8::oid AND x.indisvalid ORDER BY i.relname, k";

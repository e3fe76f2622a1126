//! What the server knows of itself, its sessions and a table.

/// The server's version and encoding, whether it is a replica, and whether it tells its identifier.
pub(in crate::store::postgres) const SERVER: &str = "SELECT current_setting('server_version_num')::int4, \
     current_setting('server_encoding'), pg_is_in_recovery(), \
     has_function_privilege('pg_control_system()', 'EXECUTE')";

/// What tells this database from every other: the cluster's identifier and the database's.
pub(in crate::store::postgres) const IDENTITY: &str = "SELECT s.system_identifier::text || '/' || d.oid::text \
     FROM pg_control_system() AS s, pg_database AS d WHERE d.datname = current_database()";

/// The same where the identifier is not told: where the server is and since when it runs.
pub(in crate::store::postgres) const PLACE: &str = "SELECT coalesce(host(inet_server_addr()), 'local') || ' ' \
     || pg_postmaster_start_time()::text || '/' || d.oid::text \
     FROM pg_database AS d WHERE d.datname = current_database()";

/// The oldest transaction of another session in this database: whoever a lock is waited for is
/// most often this one.
pub(in crate::store::postgres) const OLDEST_TRANSACTION: &str = "SELECT pid, coalesce(application_name, ''), \
     coalesce(state, 'unknown'), coalesce(extract(epoch FROM now() - xact_start), 0)::int8 \
     FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
     AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1";

/// Ends sessions that hold an advisory lock in a `COPY` whose client sends nothing: binds the
/// locks' numbers, and for how many milliseconds the `COPY` has run. Only what the same user runs.
pub(in crate::store::postgres) const END_STOPPED_COPIES: &str = "SELECT pg_terminate_backend(a.pid) \
     FROM pg_stat_activity AS a WHERE a.usename = current_user AND a.pid <> pg_backend_pid() \
     AND a.state = 'active' AND a.wait_event = 'ClientRead' AND a.query LIKE 'COPY %' \
     AND a.query_start <= clock_timestamp() - $2::int8 * interval '1 millisecond' \
     AND a.pid IN (SELECT l.pid FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.granted \
     AND l.objsubid = 1 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     AND (l.classid::int8 << 32 | l.objid::int8) = ANY ($1))";

/// The estimated number of records and the size in bytes of a table and its partitions: binds the
/// table as SQL writes it.
pub(in crate::store::postgres) const SIZE: &str = "SELECT \
     coalesce(sum(CASE WHEN c.reltuples >= 0 AND c.relpages > 0 \
     THEN c.reltuples::float8 / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::int8) \
     ELSE pg_relation_size(c.oid) / 100 END), 0)::int8, \
     coalesce(sum(pg_relation_size(c.oid)), 0)::int8 \
     FROM pg_class AS c WHERE c.relkind = 'r' AND (c.oid = $1::text::regclass \
     OR c.oid IN (SELECT relid FROM pg_partition_tree($1::text::regclass)))";

/// Rows that were ever written of a table and its partitions, as statistics count them: binds the
/// table as SQL writes it.
pub(in crate::store::postgres) const WRITTEN: &str = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int8 \
     FROM pg_stat_user_tables WHERE relid = $1::text::regclass \
     OR relid IN (SELECT relid FROM pg_partition_tree($1::text::regclass))";

/// What PostgreSQL knows of a table: binds its name as SQL writes it.
pub(in crate::store::postgres) const TABLE: &str = "SELECT c.oid::int8, c.relkind::text, n.nspname::text, \
     c.relname::text, c.relhasrules OR c.relrowsecurity FROM pg_class AS c \
     JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE c.oid = to_regclass($1)";

/// Its columns, domains followed to what they are made of: binds its oid. Generated columns cannot
/// be written.
pub(in crate::store::postgres) const TABLE_COLUMNS: &str = "WITH RECURSIVE b AS (\
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
pub(in crate::store::postgres) const TABLE_INDEXES: &str = "SELECT i.relname::text, x.indisprimary, x.indisunique, \
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

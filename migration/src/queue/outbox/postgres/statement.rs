//! The statements, and the one place that puts the outbox's name into them.

pub(super) const MARK_DDL: &str = "CREATE TABLE IF NOT EXISTS midflight_outbox_mark (\
     migration text COLLATE \"C\" NOT NULL, \
     outbox text COLLATE \"C\" NOT NULL, \
     source_epoch bigint NOT NULL, \
     position bytea NOT NULL, \
     written_at bigint NOT NULL, \
     PRIMARY KEY (migration, outbox))";

/// The lock of whoever changes marks: "midfmark" as a number.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock(x'6d6964666d61726b'::bigint)";

pub(super) const HAS_MARKS: &str = "SELECT to_regclass($1) IS NOT NULL";

pub(super) const MARKS: &str =
    "SELECT migration, source_epoch, position FROM midflight_outbox_mark WHERE outbox = $1";

pub(super) const PUT_MARK: &str = "INSERT INTO midflight_outbox_mark \
     (migration, outbox, source_epoch, position, written_at) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (migration, outbox) DO UPDATE SET source_epoch = excluded.source_epoch, \
     position = excluded.position, written_at = excluded.written_at";

pub(super) const REMOVE_MARK: &str =
    "DELETE FROM midflight_outbox_mark WHERE migration = $1 AND outbox = $2";

pub(super) const ANY_MARK: &str = "SELECT EXISTS (SELECT 1 FROM midflight_outbox_mark)";

pub(super) const DROP_MARKS: &str = "DROP TABLE midflight_outbox_mark";

/// The statements on one outbox.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) from: String,
    pub(super) one: String,
    pub(super) last: String,
    pub(super) highest: String,
    pub(super) backlog: String,
    pub(super) writers: String,
    pub(super) delete_below: String,
}

impl Statements {
    /// `table` and `sequence` are quoted.
    pub(super) fn new(table: &str, oid: i64, sequence: &str, has_bytes: bool) -> Self {
        let payload = if has_bytes { "payload" } else { "payload::text" };
        let select = format!(
            "SELECT id::bigint, table_name::text, op::text, {payload}, made_at::bigint FROM {table} o"
        );
        Self {
            from: format!("{select} WHERE o.id >= $1 ORDER BY o.id LIMIT $2"),
            one: format!("{select} WHERE o.id = $1"),
            last: format!("{select} ORDER BY o.id DESC LIMIT 1"),
            highest: format!(
                "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {sequence}"
            ),
            backlog: format!(
                "SELECT (SELECT max(id)::bigint FROM {table}), (SELECT made_at::bigint FROM {table} \
                 WHERE id >= $1 AND made_at IS NOT NULL ORDER BY id LIMIT 1)"
            ),
            // A virtual transaction is named by its session and its number there. Whoever trims
            // deletes, which takes the same lock, and gives out no id: the wait is short.
            writers: format!(
                "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'relation' \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                 AND relation = {oid} AND mode = 'RowExclusiveLock' AND granted"
            ),
            delete_below: format!(
                "DELETE FROM {table} WHERE id IN \
                 (SELECT id FROM {table} WHERE id < $1 ORDER BY id LIMIT $2)"
            ),
        }
    }
}

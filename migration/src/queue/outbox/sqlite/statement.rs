//! The statements, and the one place that puts the outbox's name into them.

use crate::driver::sqlite::quoted;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use std::sync::Arc;

pub(super) const MARK_DDL: &str = "CREATE TABLE IF NOT EXISTS midflight_outbox_mark (\
     migration TEXT NOT NULL, \
     outbox TEXT NOT NULL, \
     source_epoch INTEGER NOT NULL, \
     position BLOB NOT NULL, \
     written_at INTEGER NOT NULL, \
     PRIMARY KEY (migration, outbox)) WITHOUT ROWID";

pub(super) const HIGHEST: &str = "SELECT seq FROM sqlite_sequence WHERE name = ?1";

pub(super) const HAS_MARKS: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)";

pub(super) const MARKS: &str =
    "SELECT migration, source_epoch, position FROM midflight_outbox_mark WHERE outbox = ?1";

pub(super) const PUT_MARK: &str = "INSERT OR REPLACE INTO midflight_outbox_mark \
     (migration, outbox, source_epoch, position, written_at) VALUES (?1, ?2, ?3, ?4, ?5)";

pub(super) const COUNT_MARKS: &str =
    "SELECT count(*) FROM midflight_outbox_mark WHERE migration = ?1 AND outbox = ?2";

pub(super) const REMOVE_MARK: &str =
    "DELETE FROM midflight_outbox_mark WHERE migration = ?1 AND outbox = ?2";

pub(super) const ANY_MARK: &str = "SELECT EXISTS (SELECT 1 FROM midflight_outbox_mark)";

pub(super) const DROP_MARKS: &str = "DROP TABLE midflight_outbox_mark";

/// The statements on one outbox.
#[derive(Debug, Clone)]
pub(super) struct Statements {
    pub(super) from: SqlStr,
    pub(super) last: SqlStr,
    pub(super) highest_row: SqlStr,
    pub(super) oldest_made_at: SqlStr,
    pub(super) delete_below: SqlStr,
}

impl Statements {
    pub(super) fn new(table: &str) -> Self {
        let table = quoted(table);
        let columns = "id, table_name, op, payload, made_at";
        let safe = |sql: String| AssertSqlSafe(Arc::<str>::from(sql)).into_sql_str();
        Self {
            from: safe(format!(
                "SELECT {columns} FROM {table} WHERE id >= ?1 ORDER BY id LIMIT ?2"
            )),
            last: safe(format!("SELECT {columns} FROM {table} ORDER BY id DESC LIMIT 1")),
            highest_row: safe(format!("SELECT max(id) FROM {table}")),
            oldest_made_at: safe(format!(
                "SELECT made_at FROM {table} WHERE id >= ?1 AND typeof(made_at) = 'integer' \
                 ORDER BY id LIMIT 1"
            )),
            delete_below: safe(format!(
                "DELETE FROM {table} WHERE id IN \
                 (SELECT id FROM {table} WHERE id < ?1 ORDER BY id LIMIT ?2)"
            )),
        }
    }
}

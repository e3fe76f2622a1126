//! What an outbox table must look like.

use crate::driver::sqlite::{self, quoted, within};
use crate::error::{Error, ErrorKind, Result};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use std::path::Path;

/// The columns that are read, by name. There may be others.
const COLUMNS: [&str; 5] = ["id", "table_name", "op", "payload", "made_at"];

/// The statement that makes an outbox of this name, for people to run.
#[must_use]
pub fn outbox_ddl(table: &str) -> String {
    format!(
        "CREATE TABLE {} (id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, \
         op TEXT NOT NULL, payload TEXT NOT NULL, made_at INTEGER NOT NULL)",
        quoted(table)
    )
}

/// Checks that a table of a source can be read as an outbox: the columns are there, an id is never
/// given out twice, and none lies below one.
///
/// # Errors
/// `Refused` with what is missing; errors of opening the file.
pub async fn check_outbox(path: &Path, table: &str) -> Result<()> {
    let mut connection = sqlite::connect(&sqlite::read_only(path)).await?;
    let checked = check(&mut connection, table).await;
    within("close SQLite file", connection.close()).await?;
    checked
}

pub(super) async fn check(connection: &mut SqliteConnection, table: &str) -> Result<()> {
    let refused = |reason: &str| {
        Error::new(ErrorKind::Refused, format!("read outbox: {reason}"))
            .with("outbox", table)
            .hint(format!(
                "create it as: {}; op is 'upsert' or 'delete', made_at counts microseconds since the \
                 Unix epoch",
                outbox_ddl(table)
            ))
    };
    let (create, columns, encoding) =
        within("describe outbox", describe(connection, table)).await?;
    let Some(create) = create else {
        return Err(refused("there is no such table"));
    };
    for needed in COLUMNS {
        if !columns.iter().any(|(name, ..)| name.eq_ignore_ascii_case(needed)) {
            return Err(refused("a column is missing").with("column", needed));
        }
    }
    let is_row_id = columns.iter().all(|(name, column_type, key)| {
        (*key > 0) == name.eq_ignore_ascii_case("id")
            && (*key == 0 || column_type.eq_ignore_ascii_case("integer"))
    });
    if !is_row_id {
        return Err(refused("`id` is not the INTEGER PRIMARY KEY"));
    }
    if !sqlite::says_autoincrement(&create) {
        return Err(refused("`id` is not AUTOINCREMENT, so ids of removed rows are used again"));
    }
    if encoding != "UTF-8" {
        return Err(refused("the source's text is not UTF-8").with("encoding", encoding));
    }
    let lowest: Option<i64> = within("read lowest outbox id", async {
        let sql = format!("SELECT min(id) FROM {}", quoted(table));
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await
    })
    .await?;
    match lowest {
        Some(id) if id < 1 => {
            Err(Error::new(ErrorKind::Refused, "read outbox: an id is below one")
                .with("outbox", table)
                .with("id", id)
                .hint("ids must be given out by SQLite, never by the application: remove that row"))
        }
        _ => Ok(()),
    }
}

type Description = (Option<String>, Vec<(String, String, i64)>, String);

async fn describe(connection: &mut SqliteConnection, table: &str) -> sqlx::Result<Description> {
    let create = sqlx::query_scalar(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
    )
    .bind(table)
    .fetch_optional(&mut *connection)
    .await?;
    let columns = sqlx::query_as("SELECT name, type, pk FROM pragma_table_info(?1)")
        .bind(table)
        .fetch_all(&mut *connection)
        .await?;
    let encoding = sqlx::query_scalar("PRAGMA encoding").fetch_one(connection).await?;
    Ok((create, columns, encoding))
}

/// The table's name as the source spells it, which is how `sqlite_sequence` spells it.
pub(super) async fn spelling(connection: &mut SqliteConnection, table: &str) -> Result<String> {
    within("read outbox name", async {
        sqlx::query_scalar(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
        )
        .bind(table)
        .fetch_one(connection)
        .await
    })
    .await
}

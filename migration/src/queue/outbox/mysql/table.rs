//! What an outbox table must look like.

use crate::driver::mysql::{Database, Failure, quoted};
use crate::error::{Error, ErrorKind, Result};
use sqlx::Row as _;
use sqlx::mysql::{MySqlArguments, MySqlRow};

const INTEGERS: &[&str] = &["bigint", "int", "mediumint"];
const NAMES: &[&str] = &["varchar", "char", "text", "tinytext", "mediumtext", "longtext", "enum"];
const TEXTS: &[&str] = &["varchar", "char", "text", "mediumtext", "longtext", "json"];
const BYTES: &[&str] = &["blob", "mediumblob", "longblob", "varbinary"];

/// The statement that makes an outbox of this name in MySQL or MariaDB, for people to run.
#[must_use]
pub fn mysql_outbox_ddl(table: &str) -> String {
    format!(
        "CREATE TABLE {} (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
         table_name VARCHAR(200) NOT NULL, op VARCHAR(16) NOT NULL, payload LONGTEXT NOT NULL, \
         made_at BIGINT NOT NULL) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4",
        quoted(table)
    )
}

/// An outbox that can be read.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name as the server spells it.
    pub(super) name: String,
    /// Whether payloads are bytes rather than text.
    pub(super) has_bytes: bool,
}

const TABLE: &str = "SELECT CAST(TABLE_NAME AS BINARY), CAST(coalesce(ENGINE, '') AS BINARY), \
     CAST(TABLE_TYPE AS BINARY), \
     CAST(@@global.auto_increment_increment AS SIGNED), CAST(@@global.read_only AS SIGNED) \
     FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";

const COLUMNS: &str = "SELECT CAST(lower(COLUMN_NAME) AS BINARY), CAST(lower(DATA_TYPE) AS BINARY), \
     CAST(lower(EXTRA) AS BINARY), CAST(COLUMN_KEY AS BINARY) FROM information_schema.COLUMNS \
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";

/// Checks that a table of a source can be read as an outbox: the columns are there, ids are given
/// out one by one and never twice, and none lies below one.
pub(super) async fn check(database: &Database, table: &str) -> Result<Table> {
    let refused = |reason: &str| {
        Error::new(ErrorKind::Refused, format!("read outbox: {reason}"))
            .with("outbox", table)
            .hint(format!("create it as: {}", mysql_outbox_ddl(table)))
    };
    let found = texts(database, TABLE, table, 5).await?;
    let Some([name, engine, kind, increment, read_only]) =
        found.first().and_then(|row| row.get(..5)?.as_array().cloned())
    else {
        return Err(refused("there is no such table"));
    };
    if kind != "BASE TABLE" || !engine.eq_ignore_ascii_case("innodb") {
        return Err(refused("it is no InnoDB table").with("engine", engine));
    }
    check_server(table, &increment, &read_only)?;
    let columns = texts(database, COLUMNS, &name, 4).await?;
    let types = [
        ("id", [INTEGERS, &[]]),
        ("table_name", [NAMES, &[]]),
        ("op", [NAMES, &[]]),
        ("payload", [TEXTS, BYTES]),
        ("made_at", [&["bigint"], &[]]),
    ];
    let mut has_bytes = false;
    for (needed, types) in types {
        let Some(column) = columns.iter().find(|column| column[0] == needed) else {
            return Err(refused("a column is missing").with("column", needed));
        };
        let kind = column[1].as_str();
        if !types.iter().any(|types| types.contains(&kind)) {
            return Err(refused("a column has another type")
                .with("column", needed)
                .with("type", kind)
                .with("known", types.concat().join(", ")));
        }
        has_bytes |= needed == "payload" && BYTES.contains(&kind);
        if needed == "id" && !column[2].contains("auto_increment") {
            return Err(refused("`id` is not AUTO_INCREMENT"));
        }
    }
    let is_key = |column: &Vec<String>| (column[0] == "id") == (column[3] == "PRI");
    if !columns.iter().all(is_key) {
        return Err(refused("`id` alone is not the primary key"));
    }
    check_lowest(database, &name).await?;
    Ok(Table { name, has_bytes })
}

/// A server whose ids have gaps by design, or that others write to, cannot say who may fill one.
fn check_server(table: &str, increment: &str, read_only: &str) -> Result<()> {
    let refused = |reason: &str, hint: &str| {
        Err(Error::new(ErrorKind::Refused, format!("read outbox: {reason}"))
            .with("outbox", table)
            .hint(hint))
    };
    if increment != "1" {
        return refused(
            "auto_increment_increment is not 1, so several servers give out ids",
            "an outbox needs one server that is written to: name it in `source.url`, and set \
             auto_increment_increment to 1 there (of Galera: wsrep_auto_increment_control = OFF)",
        );
    }
    if read_only != "0" {
        return refused(
            "the server is read-only, as replicas are",
            "name the primary: a replica does not know who may still write a lower id",
        );
    }
    Ok(())
}

async fn check_lowest(database: &Database, table: &str) -> Result<()> {
    const OPERATION: &str = "read lowest outbox id";
    let sql = format!("SELECT CAST(min(`id`) AS SIGNED) FROM {}", quoted(table));
    let rows = database.session().await?.fetch(sql, MySqlArguments::default()).await;
    let rows = rows.map_err(|failure| database.failed(OPERATION, failure))?;
    let lowest = rows.first().map_or(Ok(None), |row| row.try_get::<Option<i64>, _>(0));
    match lowest.map_err(|error| database.failed(OPERATION, Failure::Driver(error)))? {
        Some(id) if id < 1 => Err(Error::new(
            ErrorKind::Refused,
            "read outbox: an id is below one",
        )
        .with("outbox", table)
        .with("id", id)
        .hint("ids must be given out by the server, never by the application: remove that row")),
        _ => Ok(()),
    }
}

/// The rows of a query about a table; numbers as their digits.
async fn texts(
    database: &Database,
    sql: &str,
    table: &str,
    columns: usize,
) -> Result<Vec<Vec<String>>> {
    const OPERATION: &str = "describe outbox";
    let rows = database.session().await?.fetch(sql, super::one(table)?).await;
    let rows = rows.map_err(|failure| database.failed(OPERATION, failure))?;
    let read = |row: &MySqlRow| -> sqlx::Result<Vec<String>> {
        (0..columns).map(|column| text(row, column)).collect()
    };
    let read: sqlx::Result<Vec<_>> = rows.iter().map(read).collect();
    read.map_err(|error| database.failed(OPERATION, Failure::Driver(error)))
}

fn text(row: &MySqlRow, column: usize) -> sqlx::Result<String> {
    if let Ok(number) = row.try_get::<i64, _>(column) {
        return Ok(number.to_string());
    }
    let bytes = super::bytes(row, column)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

//! SQLite through sqlx.

mod current;
pub(crate) mod holder;

pub(crate) use current::{CurrentFile, Opened};

use crate::error::{Error, ErrorKind, Result};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use std::path::Path;
use std::time::Duration;

/// How long SQLite itself waits for another process to give its lock back.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest call, waiting for locks included. A disk that hangs must not hang a phase.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Options for reading a file that must be there.
pub(crate) fn read_only(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// Options for reading and writing a file that must be there. The journal mode stays what its
/// owner made it.
pub(crate) fn read_write(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// Opens a connection of its own.
pub(crate) async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    let path = options.get_filename().display().to_string();
    within("open SQLite file", options.connect()).await.map_err(|error| error.with("file", path))
}

/// Bounds a call and classifies its error.
pub(crate) async fn within<T>(
    operation: &'static str,
    call: impl Future<Output = sqlx::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(result) => result.map_err(|cause| error(operation, cause)),
        Err(_) => Err(Error::new(ErrorKind::TimedOut, operation)
            .with("after", format!("{} s", CALL_TIMEOUT.as_secs()))
            .hint("look for a process that holds the file's lock (`fuser FILE`) or a stuck disk")),
    }
}

/// Classifies an error of the driver by SQLite's primary result code.
pub(crate) fn error(operation: impl Into<String>, cause: sqlx::Error) -> Error {
    let (kind, hint) = match &cause {
        sqlx::Error::Database(database) => {
            // The code is extended: its low byte is the primary one.
            let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(1);
            classify(code)
        }
        sqlx::Error::PoolTimedOut => (ErrorKind::Busy, None),
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => {
            (ErrorKind::Unavailable, None)
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => (ErrorKind::Unreadable, None),
        _ => (ErrorKind::Failed, None),
    };
    let error = Error::new(kind, operation).because(cause);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn classify(code: i32) -> (ErrorKind, Option<&'static str>) {
    const SHORT_READ: i32 = 10 | (2 << 8);
    const IOERR_WRITE: i32 = 10 | (3 << 8);
    const IOERR_SHMOPEN: i32 = 10 | (18 << 8);
    const IOERR_SHMSIZE: i32 = 10 | (19 << 8);
    match code {
        // A file that ends in the middle was cut off; the disk is well.
        SHORT_READ => return classify(11),
        // A write that a quota or a file size limit ended; a shared memory file that does not fit.
        IOERR_WRITE | IOERR_SHMOPEN | IOERR_SHMSIZE => return classify(13),
        _ => {}
    }
    match code & 0xff {
        3 | 8 | 23 => (ErrorKind::Refused, Some("give this user write access to the file")),
        5 | 6 => (ErrorKind::Busy, None),
        10 => (ErrorKind::Failed, Some("check the disk and its quota, then run the command again")),
        11 => (ErrorKind::Unreadable, Some("run `PRAGMA integrity_check` on the file")),
        26 => (ErrorKind::Unreadable, Some("it is no SQLite database: check the plan's path")),
        13 => (
            ErrorKind::Full,
            Some("make space for the file (df, quota, ulimit -f), then run the command again"),
        ),
        14 => (ErrorKind::Unavailable, Some("check that the file is there and may be opened")),
        _ => (ErrorKind::Failed, None),
    }
}

/// Quotes a table or column name.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a `CREATE TABLE` statement, as `sqlite_master` keeps it, says `AUTOINCREMENT`: only then
/// is a deleted integer key never given out again.
pub(crate) fn says_autoincrement(create_table: &str) -> bool {
    let mut words = String::new();
    let mut rest = create_table;
    // Names, strings and comments may contain the word without meaning it.
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' | '\'' | '`' => Some(first.to_string()),
            '[' => Some("]".to_owned()),
            '-' if rest.starts_with("--") => Some("\n".to_owned()),
            '/' if rest.starts_with("/*") => Some("*/".to_owned()),
            _ => None,
        };
        let Some(end) = end else {
            words.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        words.push(' ');
        // The opening may be two characters, and is ASCII in either case.
        let body = &rest[if end == "*/" { 2 } else { 1 }..];
        rest = body.find(&end).map_or("", |at| &body[at + end.len()..]);
    }
    words
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|word| word.eq_ignore_ascii_case("autoincrement"))
}

#[cfg(test)]
mod tests {
    use super::{classify, quoted, says_autoincrement};
    use crate::error::ErrorKind;

    #[test]
    fn autoincrement_counts_only_as_a_keyword() {
        assert!(says_autoincrement(
            "CREATE TABLE o (id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT)"
        ));
        assert!(says_autoincrement("create table o(id integer primary key autoincrement)"));
        for other in [
            "CREATE TABLE o (id INTEGER PRIMARY KEY)",
            "CREATE TABLE \"autoincrement\" (id INTEGER PRIMARY KEY)",
            "CREATE TABLE o (id INTEGER PRIMARY KEY -- no AUTOINCREMENT\n, t TEXT)",
            "CREATE TABLE o (id INTEGER PRIMARY KEY /* AUTOINCREMENT */)",
            "CREATE TABLE o (id INTEGER PRIMARY KEY, t TEXT DEFAULT 'it''s AUTOINCREMENT')",
            "CREATE TABLE o (id INTEGER PRIMARY KEY, [autoincrement] TEXT)",
            "CREATE TABLE o (id INTEGER PRIMARY KEY, no_autoincrement TEXT)",
        ] {
            assert!(!says_autoincrement(other), "{other}");
        }
    }

    #[test]
    fn quotes_in_names_are_doubled() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn a_locked_file_may_be_retried_and_a_full_disk_may_not() {
        assert!(classify(5).0.is_retryable());
        assert_eq!(classify(13).0, ErrorKind::Full);
        assert_eq!(classify(26).0, ErrorKind::Unreadable);
        assert_eq!(classify(522).0, ErrorKind::Unreadable, "a file that was cut off");
        assert_eq!(classify(778).0, ErrorKind::Full, "a quota that is used up");
        assert_eq!(classify(4_874).0, ErrorKind::Full, "no room for the shared memory file");
        assert_eq!(classify(266).0, ErrorKind::Failed, "a disk that cannot be read");
    }
}

//! What SQLite's failures mean, by their result code.

use crate::driver::sqlite::holder;
use crate::error::{Error, ErrorKind};
use std::path::Path;

/// Primary result codes: the low byte of what SQLite reports (<https://sqlite.org/rescode.html>).
mod code {
    pub(super) const ERROR: i32 = 1;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const TOOBIG: i32 = 18;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const MISMATCH: i32 = 20;
    pub(super) const NOTADB: i32 = 26;
    /// A write that a quota or a file size limit ended is reported as an I/O error, and so is a
    /// shared memory file that does not fit: the codes that stand for "no room" among the others.
    pub(super) const IOERR_WRITE: i32 = IOERR | (3 << 8);
    pub(super) const IOERR_SHMOPEN: i32 = IOERR | (18 << 8);
    pub(super) const IOERR_SHMSIZE: i32 = IOERR | (19 << 8);
    /// A value of another type in a table declared STRICT.
    pub(super) const CONSTRAINT_DATATYPE: i32 = CONSTRAINT | (12 << 8);
}

/// Turns a driver's failure into ours, with what to do about it.
pub(super) fn failed(operation: &str, path: &Path, error: sqlx::Error) -> Error {
    let (kind, hint) = classify(path, &error);
    let mut failed = Error::new(kind, operation).with("file", path.display());
    if kind == ErrorKind::Busy
        && let Some(holder) = holder::of(path)
    {
        failed = failed.with("locked by", holder);
    }
    match hint {
        Some(hint) => failed.hint(hint).because(error),
        None => failed.because(error),
    }
}

/// As [`failed`], for a commit: a transaction whose end was not reported may have taken effect.
pub(super) fn commit_failed(path: &Path, error: sqlx::Error) -> Error {
    let failed = failed("commit", path, error);
    match failed.kind() {
        ErrorKind::Failed | ErrorKind::Unavailable => failed.into_kind(ErrorKind::UnknownOutcome),
        _ => failed,
    }
}

/// Whether another connection is writing.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    result_code(error).is_some_and(|code| matches!(code & 0xff, code::BUSY | code::LOCKED))
}

/// The extended result code, where it was SQLite that failed.
fn result_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

fn classify(path: &Path, error: &sqlx::Error) -> (ErrorKind, Option<String>) {
    let path = path.display();
    let hinted = |kind, hint: String| (kind, Some(hint));
    let Some(code) = result_code(error) else {
        return match error {
            sqlx::Error::PoolTimedOut => hinted(
                ErrorKind::Busy,
                "this process has more work for the database than it can do: lower the rate or \
                 the number of workers"
                    .to_owned(),
            ),
            _ => (ErrorKind::Failed, None),
        };
    };
    match (code, code & 0xff) {
        (code::IOERR_WRITE | code::IOERR_SHMOPEN | code::IOERR_SHMSIZE, _) | (_, code::FULL) => {
            hinted(
                ErrorKind::Full,
                format!(
                    "nothing was changed; make room for {path} (df, quota, ulimit -f), then go on"
                ),
            )
        }
        (code::CONSTRAINT_DATATYPE, _) | (_, code::MISMATCH | code::TOOBIG) => {
            (ErrorKind::Unreadable, None)
        }
        (_, code::BUSY | code::LOCKED) => hinted(
            ErrorKind::Busy,
            format!("see who has it open with `fuser -v {path}`; end or resume that process"),
        ),
        (_, code::READONLY) => hinted(
            ErrorKind::Refused,
            format!("let this user write to {path} and to its directory"),
        ),
        (_, code::CANTOPEN) => hinted(
            ErrorKind::Refused,
            format!("check that {path} is there, and that this user may open it and its directory"),
        ),
        (_, code::CORRUPT) => hinted(
            ErrorKind::Unreadable,
            format!("`sqlite3 {path} 'PRAGMA integrity_check'` tells the extent; restore a backup"),
        ),
        (_, code::NOTADB) => hinted(
            ErrorKind::Unreadable,
            format!("{path} is not a SQLite database, or an encrypted one: check the plan's path"),
        ),
        (_, code::CONSTRAINT) => hinted(
            ErrorKind::Refused,
            "the table has a constraint that the data does not meet; drop the constraint until \
             the migration is over, or mend the source"
                .to_owned(),
        ),
        (_, code::ERROR) => hinted(
            ErrorKind::Refused,
            "the tables are not what they were when the program started: run `check`".to_owned(),
        ),
        _ => (ErrorKind::Failed, None),
    }
}

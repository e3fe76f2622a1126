//! What PostgreSQL's failures mean, by their SQLSTATE
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use crate::error::{Error, ErrorKind};
use sqlx::postgres::PgDatabaseError;

const MEND_OR_DROP: &str = "the table has a constraint that the data does not meet; drop the \
     constraint until the migration is over, or mend the source";

/// Turns a driver's failure into ours, with what to do about it.
pub(crate) fn failed(operation: &str, error: sqlx::Error) -> Error {
    let (kind, hint) = classify(&error);
    let mut failed = Error::new(kind, operation);
    if let Some(database) = database(&error) {
        for (name, value) in [
            ("table", database.table()),
            ("column", database.column()),
            ("constraint", database.constraint()),
        ] {
            if let Some(value) = value {
                failed = failed.with(name, value);
            }
        }
        failed = failed.with("sqlstate", database.code());
    }
    match hint {
        Some(hint) => failed.hint(hint).because(Cause::of(error)),
        None => failed.because(Cause::of(error)),
    }
}

/// The same failure for a commit: whether one whose answer did not come took effect is not known.
pub(crate) fn commit_failed(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Failed | ErrorKind::TimedOut => {
            error.into_kind(ErrorKind::UnknownOutcome)
        }
        _ => error,
    }
}

fn database(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

/// What the server said, without its detail: that may show a whole row.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("{0}")]
    Said(String),
    #[error(transparent)]
    Driver(sqlx::Error),
}

impl Cause {
    fn of(error: sqlx::Error) -> Self {
        match database(&error) {
            Some(database) => Self::Said(without_value(database.code(), database.message())),
            None => Self::Driver(error),
        }
    }
}

/// What is said of a value that does not fit often ends with it: `invalid input value for enum
/// mood: "x"`.
fn without_value(state: &str, message: &str) -> String {
    match message.find(": \"") {
        Some(colon) if state.starts_with("22") => format!("{}: …", &message[..colon]),
        _ => message.to_owned(),
    }
}

fn classify(error: &sqlx::Error) -> (ErrorKind, Option<&'static str>) {
    match error {
        sqlx::Error::Database(_) => by_state(database(error).map_or("", PgDatabaseError::code)),
        // A connection that ends in the middle of an answer is a breach of the protocol to the
        // driver: so a proxy's whose server has just died, before the first byte.
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::PoolClosed => {
            (ErrorKind::Unavailable, Some("check that the server runs and can be reached"))
        }
        sqlx::Error::Tls(_) => (
            ErrorKind::Refused,
            Some("check sslmode and sslrootcert in the server's URL, and the server's certificate"),
        ),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => (ErrorKind::Unreadable, None),
        _ => (ErrorKind::Failed, None),
    }
}

fn by_state(state: &str) -> (ErrorKind, Option<&'static str>) {
    let hinted = |kind, hint| (kind, Some(hint));
    match (state, state.get(..2).unwrap_or("")) {
        ("28P01" | "28000", _) => hinted(
            ErrorKind::Refused,
            "check the user and the password in the server's URL, and pg_hba.conf",
        ),
        ("3D000", _) => hinted(ErrorKind::Refused, "check the database in the server's URL"),
        // Ended by the operator, crashed, starting, or ended because this process was stopped.
        ("57P01" | "57P02" | "57P03" | "57P05" | "25P03", _) | (_, "08") => {
            hinted(ErrorKind::Unavailable, "the server is restarting, or ended the connection")
        }
        ("53300", _) => hinted(
            ErrorKind::Busy,
            "the server has no connection left: raise max_connections or lower the workers",
        ),
        ("40001" | "40P01", _) => (ErrorKind::Busy, None),
        ("55P03", _) => hinted(
            ErrorKind::Busy,
            "another session holds the lock: SELECT pid, state, query FROM pg_stat_activity \
             WHERE xact_start IS NOT NULL ORDER BY xact_start shows the oldest transaction",
        ),
        ("57014", _) => hinted(
            ErrorKind::TimedOut,
            "the statement took longer than it may: lower the batch size, or look for what slows \
             the server down in pg_stat_activity",
        ),
        ("53100", _) => hinted(
            ErrorKind::Full,
            "nothing was changed; make room on the server's disk, then go on",
        ),
        ("42501", _) => hinted(
            ErrorKind::Refused,
            "grant the user of the URL what is missing: SELECT on the source; SELECT, INSERT, \
             UPDATE, DELETE on the target's tables and CREATE on its schema",
        ),
        ("25006", _) => hinted(
            ErrorKind::Refused,
            "the server takes no writes: is it a replica, or default_transaction_read_only set?",
        ),
        ("23502" | "23503" | "23505" | "23514" | "23P01", _) => {
            hinted(ErrorKind::Refused, MEND_OR_DROP)
        }
        (_, "42") | ("0A000" | "3F000" | "428C9", _) => hinted(
            ErrorKind::Refused,
            "the tables are not what they were when the program started: run `check`",
        ),
        (_, "22") => (ErrorKind::Unreadable, None),
        (_, "XX") => hinted(
            ErrorKind::Unreadable,
            "the server finds its own data damaged: see its log, check with pg_amcheck",
        ),
        _ => (ErrorKind::Failed, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{by_state, classify, without_value};
    use crate::error::ErrorKind;

    #[test]
    fn a_value_that_does_not_fit_is_not_said() {
        let said = without_value("22P02", "invalid input value for enum mood: \"secret\"");
        assert_eq!(said, "invalid input value for enum mood: …");
        assert_eq!(without_value("22001", "value too long for type"), "value too long for type");
        assert_eq!(without_value("42P01", "no such: \"t\""), "no such: \"t\"");
    }

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_not() {
        let cut_off = sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".into());
        assert_eq!(classify(&cut_off).0, ErrorKind::Unavailable);
        for state in ["40001", "40P01", "55P03", "53300", "57P01", "57P03", "08006"] {
            assert!(by_state(state).0.is_retryable(), "{state}");
        }
        for (state, kind) in [
            ("28P01", ErrorKind::Refused),
            ("3D000", ErrorKind::Refused),
            ("42501", ErrorKind::Refused),
            ("42P01", ErrorKind::Refused),
            ("25006", ErrorKind::Refused),
            ("23505", ErrorKind::Refused),
            ("53100", ErrorKind::Full),
            ("57014", ErrorKind::TimedOut),
            ("22001", ErrorKind::Unreadable),
            ("XX001", ErrorKind::Unreadable),
            ("58030", ErrorKind::Failed),
            ("", ErrorKind::Failed),
        ] {
            assert_eq!(by_state(state).0, kind, "{state}");
            assert!(!by_state(state).0.is_retryable(), "{state}");
        }
    }
}

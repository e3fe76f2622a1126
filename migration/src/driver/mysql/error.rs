//! What the failures of MySQL and MariaDB mean, by their error number.

use crate::error::{Error, ErrorKind};
use sqlx::mysql::MySqlDatabaseError;
use std::fmt;

/// Error numbers (<https://mariadb.com/kb/en/mariadb-error-codes/>; MySQL's are the same but for
/// those above 1900).
pub(crate) mod number {
    pub(crate) const DISK_FULL: u16 = 1021;
    pub(crate) const ERROR_ON_WRITE: u16 = 1026;
    pub(crate) const ENGINE_ERROR: u16 = 1030;
    pub(crate) const DUPLICATE: u16 = 1062;
    pub(crate) const TABLE_FULL: u16 = 1114;
    pub(crate) const NO_SUCH_TABLE: u16 = 1146;
    pub(crate) const PACKET_TOO_LARGE: u16 = 1153;
    pub(crate) const LOCK_WAIT: u16 = 1205;
    pub(crate) const DEADLOCK: u16 = 1213;
    pub(crate) const NO_PRIVILEGE: u16 = 1227;
}

/// A failed call.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The driver's or the server's error.
    Driver(sqlx::Error),
    /// Nothing came back in time.
    NoAnswer,
    /// A call before had failed, and closed the session.
    Closed(Error),
}

impl Failure {
    /// The server's error number, where it was the server that said no.
    pub(crate) fn number(&self) -> Option<u16> {
        self.of_server().map(MySqlDatabaseError::number)
    }

    /// Whether a row with this unique key is there already.
    pub(crate) fn is_duplicate(&self) -> bool {
        self.number() == Some(number::DUPLICATE)
    }

    /// Whether the session can go on after it.
    pub(super) fn leaves_session(&self) -> bool {
        self.of_server().is_some() && self.classify().0 != ErrorKind::Unavailable
    }

    /// The row of a multi-row statement that the server names, from 0.
    pub(crate) fn row(&self) -> Option<usize> {
        let (_, after) = self.of_server()?.message().rsplit_once(" at row ")?;
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        after[..digits].parse::<usize>().ok()?.checked_sub(1)
    }

    fn of_server(&self) -> Option<&MySqlDatabaseError> {
        match self {
            Self::Driver(sqlx::Error::Database(error)) => error.try_downcast_ref(),
            _ => None,
        }
    }

    /// Our error for it, with what to do about it.
    pub(crate) fn into_error(self, operation: &str) -> Error {
        let (kind, hint) = self.classify();
        let error = match self {
            Self::Closed(error) => return error,
            Self::NoAnswer => Error::new(kind, format!("{operation}: no answer")),
            Self::Driver(cause @ sqlx::Error::Database(_)) => {
                Error::new(kind, operation).because(Told::from(&cause))
            }
            Self::Driver(cause) => Error::new(kind, operation).because(cause),
        };
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn classify(&self) -> (ErrorKind, Option<&'static str>) {
        if let Some(error) = self.of_server() {
            return classify(error.number(), error.message());
        }
        match self {
            Self::Closed(error) => (error.kind(), None),
            Self::NoAnswer => (
                ErrorKind::Unavailable,
                Some("look at the server and at the network between: nothing came back in time"),
            ),
            Self::Driver(sqlx::Error::Io(_)) => (ErrorKind::Unavailable, Some(REACH)),
            Self::Driver(sqlx::Error::Tls(_)) => (
                ErrorKind::Refused,
                Some("check `ssl-mode` and `ssl-ca` in the URL, and the server's certificate"),
            ),
            Self::Driver(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                (ErrorKind::Unreadable, None)
            }
            // What the driver cannot make sense of is a connection that was cut off in most cases.
            Self::Driver(sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed) => {
                (ErrorKind::Unavailable, None)
            }
            Self::Driver(_) => (ErrorKind::Failed, None),
        }
    }
}

const REACH: &str = "check that the server runs, and that host and port in the URL are right";
const GRANT: &str = "check user and password in the URL, and the user's GRANTs";
const CHANGED: &str = "the tables are not what they were when the program started: run `check`";
const SPACE: &str = "nothing was changed; make room on the server's disk, then go on";
const VALUE: &str = "the target's column does not take the value: widen it, or mend the value";
const LOCKED: &str = "another session holds a lock: SELECT * FROM information_schema.innodb_trx shows \
     which; end it with KILL";
const NO_NULL: &str = "the record has no value for a column that takes no null; drop NOT NULL in the \
     target until the migration is over, or mend the source";
const READ_ONLY: &str = "the server or the session is read-only: is it a replica, or has it failed \
     over? Name the primary in the plan";

fn classify(number: u16, message: &str) -> (ErrorKind, Option<&'static str>) {
    use ErrorKind::{Busy, Failed, Full, Refused, TimedOut, Unavailable, Unreadable};
    match number {
        number::DEADLOCK | 1020 | 1412 | 1615 => (Busy, None),
        number::LOCK_WAIT => (Busy, Some(LOCKED)),
        1040 | 1203 | 1226 | 1461 => {
            (Busy, Some("the server's limit of connections or statements is reached: raise it"))
        }
        1290 | 1792 | 1836 => (Refused, Some(READ_ONLY)),
        1044
        | 1045
        | 1129
        | 1130
        | 1141..=1143
        | number::NO_PRIVILEGE
        | 1370
        | 1396
        | 1410
        | 1698
        | 1820 => (Refused, Some(GRANT)),
        1049 => (Refused, Some("create the database, or name another one in the URL")),
        number::NO_SUCH_TABLE | 1051 | 1054 | 1072 | 1109 | 1136 | 1176 | 1364 => {
            (Refused, Some(CHANGED))
        }
        number::DUPLICATE | 1022 | 1169 | 1586 | 1859 => (
            Refused,
            Some(
                "a unique key beside the plan's key has this value in another record; drop that \
                 key until the migration is over, or mend the source",
            ),
        ),
        1216 | 1217 | 1451 | 1452 | 3819 | 4025 => (
            Refused,
            Some(
                "the table has a constraint that the data does not meet; drop the constraint until \
                 the migration is over, or mend the source",
            ),
        ),
        1048 => (Refused, Some(NO_NULL)),
        1665 => (Refused, Some("set binlog_format to ROW or MIXED on this server")),
        1118 | 1264 | 1265 | 1292 | 1366 | 1367 | 1406 | 1411 | 1416 | 3140 => {
            (Unreadable, Some(VALUE))
        }
        number::PACKET_TOO_LARGE => (Unreadable, Some("raise max_allowed_packet on this server")),
        number::DISK_FULL | number::TABLE_FULL => (Full, Some(SPACE)),
        3 | number::ERROR_ON_WRITE | number::ENGINE_ERROR if says_full(message) => {
            (Full, Some(SPACE))
        }
        1969 | 3024 => (
            TimedOut,
            Some("the server is overloaded, or a table lacks an index: see its slow query log"),
        ),
        // Shutting down, starting, killed by somebody, not in sync with its cluster.
        1047
        | 1053
        | 1077
        | 1079
        | 1080
        | 1152
        | 1158..=1161
        | 1184
        | 1317
        | 1927
        | 2006
        | 2013
        | 4031 => (Unavailable, None),
        _ => (Failed, None),
    }
}

/// The operating system's number for "no space left on device" is 28, for a used-up quota 122.
fn says_full(message: &str) -> bool {
    ["No space left", "rrcode: 28", "rror 28 ", "rrcode: 122", "quota"]
        .iter()
        .any(|sign| message.contains(sign))
}

/// What the server said, without the value that it said it of.
#[derive(Debug)]
struct Told(String);

impl From<&sqlx::Error> for Told {
    fn from(error: &sqlx::Error) -> Self {
        Self(without_value(&error.to_string()))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}

/// `Duplicate entry 'x' for key 'k'` and `Incorrect string value: 'x' for column 'c'` hold a value
/// between the first quote and the last quote before " for "; `Incorrect DATE value: 'x'` ends with
/// it.
fn without_value(message: &str) -> String {
    let Some(start) = message.find('\'') else { return message.to_owned() };
    match message.rfind("' for ") {
        Some(end) if start < end => format!("{}…{}", &message[..=start], &message[end..]),
        _ if message[..start].ends_with("value: ") => format!("{}…'", &message[..=start]),
        _ => message.to_owned(),
    }
}

/// Whether a commit, or a statement that is a transaction of its own, may have taken effect though
/// it failed so: its end was not reported.
pub(crate) fn is_unknown(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Failed | ErrorKind::Unavailable | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::{classify, without_value};
    use crate::error::ErrorKind;

    #[test]
    fn what_may_be_tried_again_is_told_from_what_may_not() {
        for (number, kind) in [
            (1213, ErrorKind::Busy),
            (1205, ErrorKind::Busy),
            (1045, ErrorKind::Refused),
            (1044, ErrorKind::Refused),
            (1290, ErrorKind::Refused),
            (1836, ErrorKind::Refused),
            (1048, ErrorKind::Refused),
            (1054, ErrorKind::Refused),
            (1146, ErrorKind::Refused),
            (1406, ErrorKind::Unreadable),
            (1264, ErrorKind::Unreadable),
            (1021, ErrorKind::Full),
            (1114, ErrorKind::Full),
            (1053, ErrorKind::Unavailable),
            (1969, ErrorKind::TimedOut),
            (1064, ErrorKind::Failed),
        ] {
            assert_eq!(classify(number, "").0, kind, "{number}");
        }
    }

    #[test]
    fn a_null_where_none_fits_is_not_taken_for_another_table() {
        assert!(classify(1048, "").1.unwrap().contains("NOT NULL"));
        assert!(classify(1054, "").1.unwrap().contains("run `check`"));
    }

    #[test]
    fn a_full_disk_is_known_by_the_number_of_the_operating_system() {
        let message = "Error writing file './x/t.MYD' (Errcode: 28 \"No space left on device\")";
        assert_eq!(classify(1026, message).0, ErrorKind::Full);
        assert_eq!(classify(1026, "Error writing file (Errcode: 5)").0, ErrorKind::Failed);
    }

    #[test]
    fn an_error_does_not_show_the_value() {
        let shown = without_value("1062 (23000): Duplicate entry 'o'brien' for key 'email'");
        assert_eq!(shown, "1062 (23000): Duplicate entry '…' for key 'email'");
        let shown =
            without_value("1366: Incorrect string value: '\\xF0' for column `d`.`t`.`c` at row 1");
        assert_eq!(shown, "1366: Incorrect string value: '…' for column `d`.`t`.`c` at row 1");
        let shown = without_value("1525: Incorrect DATE value: 'x'");
        assert_eq!(shown, "1525: Incorrect DATE value: '…'");
        assert_eq!(
            without_value("Data too long for column 'c' at row 1"),
            "Data too long for column 'c' at row 1"
        );
    }
}

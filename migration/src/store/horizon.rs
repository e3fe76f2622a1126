//! What a source has to show before something is read from it.
//!
//! "In the log" is not "visible": a change is handed to readers of the log a moment before a query
//! sees it.

use crate::error::{Error, ErrorKind};

/// Everything that was committed when this was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Horizon {
    /// Whatever was committed is visible at once.
    Now,
    /// PostgreSQL: every transaction with a lower id has ended, visibly.
    Transactions {
        /// The id.
        below: u64,
    },
    /// MariaDB: everything before this place of the binary log.
    Binlog {
        /// The number at the end of the file's name.
        file: u64,
        /// The position in it.
        position: u64,
    },
}

impl Horizon {
    /// A store is asked about what only a store of another engine can have told.
    pub(super) fn foreign(&self) -> Error {
        Error::new(ErrorKind::Failed, "ask which changes a read shows: of another store's horizon")
            .with("horizon", format!("{self:?}"))
    }
}

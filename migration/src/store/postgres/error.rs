//! What PostgreSQL's failures mean to a store.

use crate::error::{Error, ErrorKind};

pub(super) use crate::driver::postgres::commit_failed;

/// A table or column that cannot be used as the plan would.
pub(super) fn refused(problem: &str, table: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("use table: {problem}")).with("table", table)
}

//! The rows of the side tables, to and from the server.

pub(super) use crate::store::side::{
    bind_format, bind_partition, bind_table, check_format, count, found_guard, key, partition,
    range,
};

use super::statement::side::RANGE_KEY_BYTES_MAX;
use super::value::{add, bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::protocol::Range;
use crate::store::GuardRow;
use crate::store::side::{self, SideArguments, SideRow, damaged};
use sqlx::Row;
use sqlx::mysql::{MySqlArguments, MySqlRow};

/// Values bound for each guard.
pub(super) const GUARD_BINDS: usize = 7;

impl SideRow for MySqlRow {
    fn maybe_bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        let raw =
            self.try_get_raw(column).map_err(|error| damaged("a column lacks").because(error))?;
        Ok(bytes(raw))
    }

    fn text(&self, column: usize) -> Result<&str> {
        let text = std::str::from_utf8(self.bytes(column)?);
        text.map_err(|_| damaged("a value is not text").with("column", column))
    }

    /// Little-endian, in as many bytes as the column's type has.
    fn number(&self, column: usize) -> Result<u64> {
        let bytes = self.bytes(column)?;
        if bytes.len() > 8 {
            return Err(damaged("a value is not of its type").with("column", column));
        }
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
}

impl SideArguments for MySqlArguments {
    fn maybe_bytes(&mut self, value: Option<&[u8]>) -> Result<()> {
        add(self, value)
    }

    /// As bytes, which the columns hold: no collation makes two names one.
    fn text(&mut self, value: &str) -> Result<()> {
        add(self, value.as_bytes())
    }

    fn number(&mut self, value: u64) -> Result<()> {
        add(self, value)
    }
}

pub(super) fn bind_range(arguments: &mut MySqlArguments, range: &Range) -> Result<()> {
    if let Some(after) = &range.after {
        check_length(after)?;
    }
    side::bind_range(arguments, range)
}

/// The bounds of a range, the upper one where there is one.
pub(super) fn bind_bounds(
    arguments: &mut MySqlArguments,
    source_table: &str,
    range: &Range,
) -> Result<()> {
    arguments.text(source_table)?;
    side::bind_after(arguments, range)?;
    range.until.as_ref().map_or(Ok(()), |until| arguments.bytes(until.as_bytes()))
}

pub(super) fn bind_guard(arguments: &mut MySqlArguments, key: &Key, row: &GuardRow) -> Result<()> {
    check_length(key)?;
    side::bind_guard(arguments, key, row)
}

fn check_length(key: &Key) -> Result<()> {
    if key.as_bytes().len() <= RANGE_KEY_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "guard record: its key is too long for a key of InnoDB")
        .with("bytes", key.as_bytes().len())
        .with("most", RANGE_KEY_BYTES_MAX)
        .hint("choose a shorter unique key in the plan"))
}

/// A guard with the key that was asked for.
pub(super) fn keyed_guard(row: &MySqlRow) -> Result<(Key, GuardRow)> {
    Ok((side::key(row, 0)?, side::guard(row, 1)?))
}

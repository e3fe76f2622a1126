//! The rows of the side tables, to and from SQLite.

pub(super) use crate::store::side::{
    bind_format, bind_guard, bind_partition, bind_range, bind_table, check_format, count,
    found_guard, partition, range,
};

use super::value::{Class, add, bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::protocol::Range;
use crate::store::GuardRow;
use crate::store::side::{self, SideArguments, SideRow, damaged};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Decode, Row, Sqlite};

/// Values bound for each guard.
pub(super) const GUARD_BINDS: usize = 4;

impl SideRow for SqliteRow {
    fn maybe_bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        if class(self, column)? == Class::Null {
            return Ok(None);
        }
        expect(self, column, Class::Blob)?;
        let raw =
            self.try_get_raw(column).map_err(|error| damaged("a column lacks").because(error))?;
        bytes(raw).map(Some).map_err(damaged)
    }

    fn text(&self, column: usize) -> Result<&str> {
        expect(self, column, Class::Text)?;
        decode(self, column)
    }

    fn number(&self, column: usize) -> Result<u64> {
        expect(self, column, Class::Integer)?;
        let number: i64 = decode(self, column)?;
        u64::try_from(number).map_err(|_| damaged("a number is negative"))
    }
}

impl SideArguments for SqliteArguments {
    fn maybe_bytes(&mut self, value: Option<&[u8]>) -> Result<()> {
        add(self, value)
    }

    fn text(&mut self, value: &str) -> Result<()> {
        add(self, value)
    }

    fn number(&mut self, value: u64) -> Result<()> {
        let number = i64::try_from(value);
        add(
            self,
            number.map_err(|_| {
                Error::new(ErrorKind::Failed, "write side table: a number is too high")
            })?,
        )
    }
}

/// The lower bound, and the upper one twice: once to ask whether there is one.
pub(super) fn bind_bounds(
    arguments: &mut SqliteArguments,
    source_table: &str,
    range: &Range,
) -> Result<()> {
    arguments.text(source_table)?;
    side::bind_after(arguments, range)?;
    let until = range.until.as_ref().map(Key::as_bytes);
    arguments.maybe_bytes(until)?;
    arguments.maybe_bytes(until)
}

/// A guard with its place among the keys that were asked for.
pub(super) fn placed_guard(row: &SqliteRow) -> Result<(usize, GuardRow)> {
    let place = usize::try_from(row.number(0)?).unwrap_or(usize::MAX);
    Ok((place, side::guard(row, 1)?))
}

fn class(row: &SqliteRow, column: usize) -> Result<Class> {
    let raw = row.try_get_raw(column).map_err(|error| damaged("a column lacks").because(error))?;
    Ok(Class::of(&raw))
}

fn expect(row: &SqliteRow, column: usize, expected: Class) -> Result<()> {
    if class(row, column)? == expected {
        Ok(())
    } else {
        Err(damaged("a value is not of its type").with("column", column))
    }
}

fn decode<'r, T: Decode<'r, Sqlite>>(row: &'r SqliteRow, column: usize) -> Result<T> {
    let raw = row.try_get_raw(column).map_err(|error| damaged("a column lacks").because(error))?;
    T::decode(raw).map_err(|error| damaged("a value is not of its type").because(error))
}

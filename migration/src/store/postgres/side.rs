//! The rows of the side tables, to and from PostgreSQL.

pub(super) use crate::store::side::{
    bind_format, bind_partition, bind_range, bind_table, check_format, count, found_guard,
    partition, range,
};

use super::value::{Arguments, Array, Wire};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::protocol::Range;
use crate::store::side::{self, SideArguments, SideRow, damaged};
use crate::store::{GuardRow, GuardWrite};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};
use xxhash_rust::xxh3::xxh3_64;

/// The lock of whoever makes or removes side tables.
pub(super) const SET_UP_LOCK: i64 = i64::from_be_bytes(*b"midfligh");

/// The number of a range's lock in the database. Two ranges that share one only wait for each other
/// without need.
pub(super) fn range_lock(migration: &str, table: &str, after: &[u8]) -> i64 {
    let mut name = Vec::with_capacity(migration.len() + table.len() + after.len() + 2);
    for part in [migration.as_bytes(), table.as_bytes()] {
        name.extend_from_slice(part);
        name.push(0);
    }
    name.extend_from_slice(after);
    xxh3_64(&name).cast_signed()
}

impl SideRow for PgRow {
    fn maybe_bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        get(self, column)
    }

    fn text(&self, column: usize) -> Result<&str> {
        get(self, column)
    }

    fn number(&self, column: usize) -> Result<u64> {
        unsigned(get::<i64>(self, column)?)
    }

    fn kind(&self, column: usize) -> Result<u64> {
        unsigned(get::<i16>(self, column)?)
    }
}

fn unsigned(number: impl TryInto<u64>) -> Result<u64> {
    number.try_into().map_err(|_| damaged("a number is negative"))
}

fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, column: usize) -> Result<T> {
    row.try_get(column).map_err(|error| {
        damaged("a value is not of its type").with("column", column).because(error)
    })
}

impl SideArguments for Arguments {
    fn maybe_bytes(&mut self, value: Option<&[u8]>) -> Result<()> {
        self.add(value)
    }

    fn text(&mut self, value: &str) -> Result<()> {
        self.add(value)
    }

    fn number(&mut self, value: u64) -> Result<()> {
        let number = i64::try_from(value);
        self.add(
            number.map_err(|_| {
                Error::new(ErrorKind::Failed, "write side table: a number is too high")
            })?,
        )
    }
}

/// The source table and the bounds.
pub(super) fn bind_bounds(
    arguments: &mut Arguments,
    source_table: &str,
    range: &Range,
) -> Result<()> {
    arguments.text(source_table)?;
    side::bind_after(arguments, range)?;
    arguments.maybe_bytes(range.until.as_ref().map(Key::as_bytes))
}

/// One array of range keys.
pub(super) fn bind_keys(arguments: &mut Arguments, keys: &[&Key]) -> Result<()> {
    let mut array = Array::new(Wire::Bytes, keys.len());
    keys.iter().for_each(|key| array.bytes(key.as_bytes()));
    arguments.array(array)
}

/// Range keys; versions, kinds and leases as they are to become; the same as they were, null where
/// there was no guard: one array each.
pub(super) fn bind_guards(arguments: &mut Arguments, writes: &[GuardWrite<'_>]) -> Result<()> {
    let mut keys = Array::new(Wire::Bytes, writes.len());
    let mut new_ones = GuardArrays::new(writes.len());
    let mut were = GuardArrays::new(writes.len());
    for write in writes {
        keys.bytes(write.key.as_bytes());
        new_ones.push(Some(&write.row));
        were.push(write.was.as_ref());
    }
    arguments.array(keys)?;
    new_ones.bind(arguments)?;
    were.bind(arguments)
}

struct GuardArrays {
    versions: Array,
    kinds: Array,
    leases: Array,
}

impl GuardArrays {
    fn new(count: usize) -> Self {
        Self {
            versions: Array::new(Wire::Bytes, count),
            kinds: Array::new(Wire::Int2, count),
            leases: Array::new(Wire::Bytes, count),
        }
    }

    fn push(&mut self, row: Option<&GuardRow>) {
        let Some(row) = row else {
            self.versions.null();
            self.kinds.null();
            self.leases.null();
            return;
        };
        self.versions.bytes(row.guard.version.as_bytes());
        self.kinds.bytes(&i16::from(side::kind_number(row.guard.kind)).to_be_bytes());
        match row.lease {
            Some(lease) => self.leases.bytes(&lease.to_be_bytes()),
            None => self.leases.null(),
        }
    }

    fn bind(self, arguments: &mut Arguments) -> Result<()> {
        [self.versions, self.kinds, self.leases]
            .into_iter()
            .try_for_each(|array| arguments.array(array))
    }
}

/// A guard with its place among the keys that were asked for.
pub(super) fn placed_guard(row: &PgRow) -> Result<(usize, GuardRow)> {
    // Counted from one.
    let place = usize::try_from(row.number(0)?).ok().and_then(|place| place.checked_sub(1));
    Ok((place.unwrap_or(usize::MAX), side::guard(row, 1)?))
}

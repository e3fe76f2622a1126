//! The rows of the side tables, to and from PostgreSQL.

use super::error::damaged;
use super::value::{Arguments, Array, Wire};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::position::{Generation, Owner, Position, Version};
use crate::protocol::{Guard, Kind, Partition, Progress, Range, RangeState};
use crate::store::{FoundGuard, GuardRow, GuardTable, GuardWrite};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};
use xxhash_rust::xxh3::xxh3_64;

/// The format of the side tables that this program writes.
pub(super) const FORMAT: i64 = 1;

/// The lock of whoever makes or removes side tables.
pub(super) const SET_UP_LOCK: i64 = i64::from_be_bytes(*b"midfligh");

/// Refuses side tables that another program made sense of.
pub(super) fn check_format(row: &PgRow) -> Result<()> {
    match get::<i64>(row, 0)? {
        FORMAT => Ok(()),
        newer if newer > FORMAT => {
            Err(Error::new(ErrorKind::Refused, "use target: a newer program set it up")
                .with("format", newer)
                .with("known", FORMAT)
                .hint("run the version of the programs that began the migration, or a later one"))
        }
        _ => Err(damaged("its format is not known")),
    }
}

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

pub(super) fn bind_partition(arguments: &mut Arguments, row: &Partition) -> Result<()> {
    bind_generation(arguments, &row.generation)?;
    arguments.add(row.start.as_bytes())?;
    arguments.add(row.next.as_bytes())
}

pub(super) fn partition(row: &PgRow) -> Result<Partition> {
    Ok(Partition {
        generation: generation(row, 0, 1)?,
        start: Position::new(get(row, 2)?)?,
        next: Position::new(get(row, 3)?)?,
    })
}

fn bind_generation(arguments: &mut Arguments, generation: &Generation) -> Result<()> {
    let number = i64::try_from(generation.number)
        .map_err(|_| Error::new(ErrorKind::Failed, "write fence: its number is too high"))?;
    arguments.add(number)?;
    arguments.add(generation.owner.0.to_be_bytes().as_slice())
}

fn generation(row: &PgRow, number: usize, owner: usize) -> Result<Generation> {
    Ok(Generation { number: unsigned(row, number)?, owner: Owner(id(get(row, owner)?)?) })
}

pub(super) fn bind_range(arguments: &mut Arguments, range: &Range) -> Result<()> {
    arguments.add(range.after.as_ref().map_or(&[][..], Key::as_bytes))?;
    arguments.add(range.until.as_ref().map(Key::as_bytes))?;
    bind_generation(arguments, &range.epoch)?;
    arguments.add(match range.state {
        RangeState::Open => "open",
        RangeState::Copying => "copying",
        RangeState::Done => "done",
    })?;
    let (progress, reached) = match &range.progress {
        Progress::Start => ("start", None),
        Progress::After(key) => ("after", Some(key.as_bytes())),
        Progress::End => ("end", None),
    };
    arguments.add(progress)?;
    arguments.add(reached)?;
    let batches = i64::try_from(range.batches)
        .map_err(|_| Error::new(ErrorKind::Failed, "write range: too many batches"))?;
    arguments.add(batches)
}

pub(super) fn range(row: &PgRow) -> Result<Range> {
    let key = |bytes: &[u8]| Key::from_bytes(bytes.to_vec());
    let after: &[u8] = get(row, 0)?;
    let reached = || {
        let reached: Option<&[u8]> = get(row, 6)?;
        reached.map(key).ok_or_else(|| damaged("the progress of a range is nowhere"))
    };
    Ok(Range {
        after: (!after.is_empty()).then(|| key(after)),
        until: get::<Option<&[u8]>>(row, 1)?.map(key),
        epoch: generation(row, 2, 3)?,
        state: match get(row, 4)? {
            "open" => RangeState::Open,
            "copying" => RangeState::Copying,
            "done" => RangeState::Done,
            _ => return Err(damaged("a range is in no state that is known")),
        },
        progress: match get(row, 5)? {
            "start" => Progress::Start,
            "after" => Progress::After(reached()?),
            "end" => Progress::End,
            _ => return Err(damaged("the progress of a range is not known")),
        },
        batches: unsigned(row, 7)?,
    })
}

/// The source table and the bounds.
pub(super) fn bind_bounds(
    arguments: &mut Arguments,
    source_table: &str,
    range: &Range,
) -> Result<()> {
    arguments.add(source_table)?;
    arguments.add(range.after.as_ref().map_or(&[][..], Key::as_bytes))?;
    arguments.add(range.until.as_ref().map(Key::as_bytes))
}

pub(super) fn bind_table(arguments: &mut Arguments, table: GuardTable<'_>) -> Result<()> {
    arguments.add(table.source_table)?;
    arguments.add(table.target_table)
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
        let kind: i16 = match row.guard.kind {
            Kind::None => 0,
            Kind::Present => 1,
            Kind::Deleted => 2,
            Kind::Dirty => 3,
        };
        self.kinds.bytes(&kind.to_be_bytes());
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
    let place = usize::try_from(get::<i64>(row, 0)? - 1).unwrap_or(usize::MAX);
    Ok((place, guard(row, 1)?))
}

pub(super) fn found_guard(row: &PgRow) -> Result<FoundGuard> {
    Ok(FoundGuard {
        key: Key::from_bytes(get::<&[u8]>(row, 0)?.to_vec()),
        target_table: get(row, 1)?,
        row: guard(row, 2)?,
    })
}

/// Version, kind and lease, in three columns from `first` on.
fn guard(row: &PgRow, first: usize) -> Result<GuardRow> {
    let kind = match get::<i16>(row, first + 1)? {
        0 => Kind::None,
        1 => Kind::Present,
        2 => Kind::Deleted,
        3 => Kind::Dirty,
        _ => return Err(damaged("a guard is of no kind that is known")),
    };
    let lease = get::<Option<&[u8]>>(row, first + 2)?.map(id).transpose()?;
    Ok(GuardRow { guard: Guard { version: Version::new(get(row, first)?)?, kind }, lease })
}

pub(super) fn count(row: &PgRow) -> Result<u64> {
    unsigned(row, 0)
}

fn unsigned(row: &PgRow, column: usize) -> Result<u64> {
    u64::try_from(get::<i64>(row, column)?).map_err(|_| damaged("a number is negative"))
}

fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, column: usize) -> Result<T> {
    row.try_get(column).map_err(|error| {
        damaged("a value is not of its type").with("column", column).because(error)
    })
}

fn id(bytes: &[u8]) -> Result<u128> {
    let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| damaged("an id is not of 16 bytes"))?;
    Ok(u128::from_be_bytes(bytes))
}

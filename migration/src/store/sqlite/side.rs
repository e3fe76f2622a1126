//! The rows of the side tables, to and from SQLite.

use super::value::{Class, add, bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::position::{Generation, Owner, Position, Version};
use crate::protocol::{Guard, Kind, Partition, Progress, Range, RangeState};
use crate::store::{FoundGuard, GuardRow, GuardTable};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Decode, Row, Sqlite};

/// The format of the side tables that this program writes.
pub(super) const FORMAT: i64 = 1;

/// Refuses side tables that another program made sense of.
pub(super) fn check_format(row: &SqliteRow) -> Result<()> {
    match integer(row, 0)? {
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

/// Values bound for each guard.
pub(super) const GUARD_BINDS: usize = 4;

pub(super) fn bind_partition(arguments: &mut SqliteArguments, row: &Partition) -> Result<()> {
    bind_generation(arguments, &row.generation)?;
    add(arguments, row.start.as_bytes())?;
    add(arguments, row.next.as_bytes())
}

pub(super) fn partition(row: &SqliteRow) -> Result<Partition> {
    Ok(Partition {
        generation: generation(row, 0, 1)?,
        start: Position::new(blob(row, 2)?)?,
        next: Position::new(blob(row, 3)?)?,
    })
}

fn bind_generation(arguments: &mut SqliteArguments, generation: &Generation) -> Result<()> {
    let number = i64::try_from(generation.number)
        .map_err(|_| Error::new(ErrorKind::Failed, "write fence: its number is too high"))?;
    add(arguments, number)?;
    add(arguments, generation.owner.0.to_be_bytes().as_slice())
}

fn generation(row: &SqliteRow, number: usize, owner: usize) -> Result<Generation> {
    Ok(Generation { number: unsigned(row, number)?, owner: Owner(id(blob(row, owner)?)?) })
}

pub(super) fn bind_range(arguments: &mut SqliteArguments, range: &Range) -> Result<()> {
    add(arguments, range.after.as_ref().map_or(&[][..], Key::as_bytes))?;
    add(arguments, range.until.as_ref().map(Key::as_bytes))?;
    bind_generation(arguments, &range.epoch)?;
    add(
        arguments,
        match range.state {
            RangeState::Open => "open",
            RangeState::Copying => "copying",
            RangeState::Done => "done",
        },
    )?;
    let (progress, reached) = match &range.progress {
        Progress::Start => ("start", None),
        Progress::After(key) => ("after", Some(key.as_bytes())),
        Progress::End => ("end", None),
    };
    add(arguments, progress)?;
    add(arguments, reached)?;
    let batches = i64::try_from(range.batches)
        .map_err(|_| Error::new(ErrorKind::Failed, "write range: too many batches"))?;
    add(arguments, batches)
}

pub(super) fn range(row: &SqliteRow) -> Result<Range> {
    let bound = |bytes: &[u8]| (!bytes.is_empty()).then(|| Key::from_bytes(bytes.to_vec()));
    let until = match class(row, 1)? {
        Class::Null => None,
        _ => Some(Key::from_bytes(blob(row, 1)?.to_vec())),
    };
    Ok(Range {
        after: bound(blob(row, 0)?),
        until,
        epoch: generation(row, 2, 3)?,
        state: match text(row, 4)? {
            "open" => RangeState::Open,
            "copying" => RangeState::Copying,
            "done" => RangeState::Done,
            _ => return Err(damaged("a range is in no state that is known")),
        },
        progress: match text(row, 5)? {
            "start" => Progress::Start,
            "after" => Progress::After(Key::from_bytes(blob(row, 6)?.to_vec())),
            "end" => Progress::End,
            _ => return Err(damaged("the progress of a range is not known")),
        },
        batches: unsigned(row, 7)?,
    })
}

/// The lower bound, and the upper one twice: once to ask whether there is one.
pub(super) fn bind_bounds(
    arguments: &mut SqliteArguments,
    source_table: &str,
    range: &Range,
) -> Result<()> {
    add(arguments, source_table)?;
    add(arguments, range.after.as_ref().map_or(&[][..], Key::as_bytes))?;
    add(arguments, range.until.as_ref().map(Key::as_bytes))?;
    add(arguments, range.until.as_ref().map(Key::as_bytes))
}

pub(super) fn bind_table(arguments: &mut SqliteArguments, table: GuardTable<'_>) -> Result<()> {
    add(arguments, table.source_table)?;
    add(arguments, table.target_table)
}

pub(super) fn bind_guard(arguments: &mut SqliteArguments, key: &Key, row: &GuardRow) -> Result<()> {
    add(arguments, key.as_bytes())?;
    add(arguments, row.guard.version.as_bytes())?;
    add(
        arguments,
        match row.guard.kind {
            Kind::None => 0_i64,
            Kind::Present => 1,
            Kind::Deleted => 2,
            Kind::Dirty => 3,
        },
    )?;
    let lease = row.lease.map(u128::to_be_bytes);
    add(arguments, lease.as_ref().map(<[u8; 16]>::as_slice))
}

/// A guard with its place among the keys that were asked for.
pub(super) fn placed_guard(row: &SqliteRow) -> Result<(usize, GuardRow)> {
    let place = usize::try_from(integer(row, 0)?).unwrap_or(usize::MAX);
    Ok((place, guard(row, 1)?))
}

pub(super) fn found_guard(row: &SqliteRow) -> Result<FoundGuard> {
    Ok(FoundGuard {
        key: Key::from_bytes(blob(row, 0)?.to_vec()),
        target_table: text(row, 1)?.to_owned(),
        row: guard(row, 2)?,
    })
}

/// Version, kind and lease, in three columns from `first` on.
fn guard(row: &SqliteRow, first: usize) -> Result<GuardRow> {
    let kind = match integer(row, first + 1)? {
        0 => Kind::None,
        1 => Kind::Present,
        2 => Kind::Deleted,
        3 => Kind::Dirty,
        _ => return Err(damaged("a guard is of no kind that is known")),
    };
    let lease = match class(row, first + 2)? {
        Class::Null => None,
        _ => Some(id(blob(row, first + 2)?)?),
    };
    Ok(GuardRow { guard: Guard { version: Version::new(blob(row, first)?)?, kind }, lease })
}

pub(super) fn count(row: &SqliteRow) -> Result<u64> {
    unsigned(row, 0)
}

fn class(row: &SqliteRow, column: usize) -> Result<Class> {
    let raw = row.try_get_raw(column).map_err(|error| damaged("a column lacks").because(error))?;
    Ok(Class::of(&raw))
}

fn blob(row: &SqliteRow, column: usize) -> Result<&[u8]> {
    expect(row, column, Class::Blob)?;
    let raw = row.try_get_raw(column).map_err(|error| damaged("a column lacks").because(error))?;
    bytes(raw).map_err(damaged)
}

fn text(row: &SqliteRow, column: usize) -> Result<&str> {
    expect(row, column, Class::Text)?;
    decode(row, column)
}

fn integer(row: &SqliteRow, column: usize) -> Result<i64> {
    expect(row, column, Class::Integer)?;
    decode(row, column)
}

fn unsigned(row: &SqliteRow, column: usize) -> Result<u64> {
    u64::try_from(integer(row, column)?).map_err(|_| damaged("a number is negative"))
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

fn id(bytes: &[u8]) -> Result<u128> {
    let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| damaged("an id is not of 16 bytes"))?;
    Ok(u128::from_be_bytes(bytes))
}

fn damaged(problem: &'static str) -> Error {
    Error::new(ErrorKind::Unreadable, format!("read side table: {problem}")).hint(
        "the fences of this instance cannot be trusted: restore it, or remove the side tables and \
         migrate again",
    )
}

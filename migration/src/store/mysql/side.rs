//! The rows of the side tables, to and from the server.

use super::statement::RANGE_KEY_BYTES_MAX;
use super::value::{add, bytes};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::position::{Generation, Owner, Position, Version};
use crate::protocol::{Guard, Kind, Partition, Progress, Range, RangeState};
use crate::store::{FoundGuard, GuardRow, GuardTable};
use sqlx::Row;
use sqlx::mysql::{MySqlArguments, MySqlRow};

/// The format of the side tables that this program writes.
pub(super) const FORMAT: u32 = 1;

/// Refuses side tables that another program made sense of.
pub(super) fn check_format(row: &MySqlRow) -> Result<()> {
    match unsigned(row, 0)? {
        format if format == u64::from(FORMAT) => Ok(()),
        newer if newer > u64::from(FORMAT) => {
            Err(Error::new(ErrorKind::Refused, "use target: a newer program set it up")
                .with("format", newer)
                .with("known", FORMAT)
                .hint("run the version of the programs that began the migration, or a later one"))
        }
        _ => Err(damaged("its format is not known")),
    }
}

/// Values bound for each guard.
pub(super) const GUARD_BINDS: usize = 7;

pub(super) fn bind_partition(arguments: &mut MySqlArguments, row: &Partition) -> Result<()> {
    bind_generation(arguments, &row.generation)?;
    add(arguments, row.start.as_bytes())?;
    add(arguments, row.next.as_bytes())
}

pub(super) fn partition(row: &MySqlRow) -> Result<Partition> {
    Ok(Partition {
        generation: generation(row, 0, 1)?,
        start: Position::new(blob(row, 2)?)?,
        next: Position::new(blob(row, 3)?)?,
    })
}

fn bind_generation(arguments: &mut MySqlArguments, generation: &Generation) -> Result<()> {
    add(arguments, generation.number)?;
    add(arguments, generation.owner.0.to_be_bytes().as_slice())
}

fn generation(row: &MySqlRow, number: usize, owner: usize) -> Result<Generation> {
    Ok(Generation { number: unsigned(row, number)?, owner: Owner(id(blob(row, owner)?)?) })
}

pub(super) fn bind_range(arguments: &mut MySqlArguments, range: &Range) -> Result<()> {
    if let Some(after) = &range.after {
        check_length(after)?;
    }
    add(arguments, range.after.as_ref().map_or(&[][..], Key::as_bytes))?;
    add(arguments, range.until.as_ref().map(Key::as_bytes))?;
    bind_generation(arguments, &range.epoch)?;
    let state = match range.state {
        RangeState::Open => "open",
        RangeState::Copying => "copying",
        RangeState::Done => "done",
    };
    add(arguments, state.as_bytes())?;
    let (progress, reached) = match &range.progress {
        Progress::Start => ("start", None),
        Progress::After(key) => ("after", Some(key.as_bytes())),
        Progress::End => ("end", None),
    };
    add(arguments, progress.as_bytes())?;
    add(arguments, reached)?;
    add(arguments, range.batches)
}

pub(super) fn range(row: &MySqlRow) -> Result<Range> {
    Ok(Range {
        after: Some(key(row, 0)?).filter(|after| !after.as_bytes().is_empty()),
        until: maybe(row, 1)?.map(|bytes| Key::from_bytes(bytes.to_vec())),
        epoch: generation(row, 2, 3)?,
        state: match blob(row, 4)? {
            b"open" => RangeState::Open,
            b"copying" => RangeState::Copying,
            b"done" => RangeState::Done,
            _ => return Err(damaged("a range is in no state that is known")),
        },
        progress: match blob(row, 5)? {
            b"start" => Progress::Start,
            b"after" => Progress::After(key(row, 6)?),
            b"end" => Progress::End,
            _ => return Err(damaged("the progress of a range is not known")),
        },
        batches: unsigned(row, 7)?,
    })
}

/// The bounds of a range, the upper one where there is one.
pub(super) fn bind_bounds(
    arguments: &mut MySqlArguments,
    source_table: &str,
    range: &Range,
) -> Result<()> {
    add(arguments, source_table.as_bytes())?;
    add(arguments, range.after.as_ref().map_or(&[][..], Key::as_bytes))?;
    match &range.until {
        Some(until) => add(arguments, until.as_bytes()),
        None => Ok(()),
    }
}

pub(super) fn bind_table(arguments: &mut MySqlArguments, table: GuardTable<'_>) -> Result<()> {
    add(arguments, table.source_table.as_bytes())?;
    add(arguments, table.target_table.as_bytes())
}

pub(super) fn bind_guard(arguments: &mut MySqlArguments, key: &Key, row: &GuardRow) -> Result<()> {
    check_length(key)?;
    add(arguments, key.as_bytes())?;
    add(arguments, row.guard.version.as_bytes())?;
    add(
        arguments,
        match row.guard.kind {
            Kind::None => 0_u8,
            Kind::Present => 1,
            Kind::Deleted => 2,
            Kind::Dirty => 3,
        },
    )?;
    let lease = row.lease.map(u128::to_be_bytes);
    add(arguments, lease.as_ref().map(<[u8; 16]>::as_slice))
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
    Ok((key(row, 0)?, guard(row, 1)?))
}

/// A guard as an interval scan finds it.
pub(super) fn found_guard(row: &MySqlRow) -> Result<FoundGuard> {
    let target_table = std::str::from_utf8(blob(row, 1)?)
        .map_err(|_| damaged("the name of a table is not text"))?;
    Ok(FoundGuard { key: key(row, 0)?, target_table: target_table.to_owned(), row: guard(row, 2)? })
}

/// Version, kind and lease, in three columns from `first` on.
fn guard(row: &MySqlRow, first: usize) -> Result<GuardRow> {
    let kind = match unsigned(row, first + 1)? {
        0 => Kind::None,
        1 => Kind::Present,
        2 => Kind::Deleted,
        3 => Kind::Dirty,
        _ => return Err(damaged("a guard is of no kind that is known")),
    };
    let lease = maybe(row, first + 2)?.map(id).transpose()?;
    Ok(GuardRow { guard: Guard { version: Version::new(blob(row, first)?)?, kind }, lease })
}

pub(super) fn key(row: &MySqlRow, column: usize) -> Result<Key> {
    Ok(Key::from_bytes(blob(row, column)?.to_vec()))
}

pub(super) fn count(row: &MySqlRow) -> Result<u64> {
    unsigned(row, 0)
}

fn maybe(row: &MySqlRow, column: usize) -> Result<Option<&[u8]>> {
    let raw = row.try_get_raw(column).map_err(|error| damaged("a column lacks").because(error))?;
    Ok(bytes(raw))
}

fn blob(row: &MySqlRow, column: usize) -> Result<&[u8]> {
    maybe(row, column)?.ok_or_else(|| damaged("a value is null").with("column", column))
}

/// Little-endian, in as many bytes as the column's type has.
fn unsigned(row: &MySqlRow, column: usize) -> Result<u64> {
    let bytes = blob(row, column)?;
    if bytes.len() > 8 {
        return Err(damaged("a value is not of its type").with("column", column));
    }
    Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
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

//! What the side tables hold, to and from the rows of any engine.
//!
//! An engine takes and gives values ([`SideArguments`], [`SideRow`]); what they mean is the same on
//! all of them, and so is what cannot be: a value that nobody of us wrote so.

use super::{FoundGuard, GuardRow, GuardTable};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::position::{Generation, Owner, Position, Version};
use crate::protocol::{Guard, Kind, Partition, Progress, Range, RangeState};

/// The format of the side tables that this program writes.
const FORMAT: u64 = 1;

/// A row of a side table, as its engine gives it. Whatever is not of the type that is asked for is
/// [`damaged`].
pub(super) trait SideRow {
    fn maybe_bytes(&self, column: usize) -> Result<Option<&[u8]>>;

    fn text(&self, column: usize) -> Result<&str>;

    fn number(&self, column: usize) -> Result<u64>;

    /// A number in the column of a guard's kind, which is of a type of its own on some engines.
    fn kind(&self, column: usize) -> Result<u64> {
        self.number(column)
    }

    fn bytes(&self, column: usize) -> Result<&[u8]> {
        self.maybe_bytes(column)?.ok_or_else(|| damaged("a value is null").with("column", column))
    }
}

/// The values of a statement on a side table, in the order in which they are bound.
pub(super) trait SideArguments {
    fn maybe_bytes(&mut self, value: Option<&[u8]>) -> Result<()>;

    fn text(&mut self, value: &str) -> Result<()>;

    fn number(&mut self, value: u64) -> Result<()>;

    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.maybe_bytes(Some(value))
    }
}

/// A side table that nobody of us wrote so.
pub(super) fn damaged(problem: &'static str) -> Error {
    Error::new(ErrorKind::Unreadable, format!("read side table: {problem}")).hint(
        "the fences of this instance cannot be trusted: restore it, or remove the side tables and \
         migrate again",
    )
}

pub(super) fn bind_format(arguments: &mut impl SideArguments) -> Result<()> {
    arguments.number(FORMAT)
}

/// Refuses side tables that another program made sense of.
pub(super) fn check_format(row: &impl SideRow) -> Result<()> {
    match row.number(0)? {
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

/// The only column of a count.
pub(super) fn count(row: &impl SideRow) -> Result<u64> {
    row.number(0)
}

pub(super) fn key(row: &impl SideRow, column: usize) -> Result<Key> {
    Ok(Key::from_bytes(row.bytes(column)?.to_vec()))
}

pub(super) fn bind_partition(arguments: &mut impl SideArguments, row: &Partition) -> Result<()> {
    bind_generation(arguments, &row.generation)?;
    arguments.bytes(row.start.as_bytes())?;
    arguments.bytes(row.next.as_bytes())
}

pub(super) fn partition(row: &impl SideRow) -> Result<Partition> {
    Ok(Partition {
        generation: generation(row, 0)?,
        start: Position::new(row.bytes(2)?)?,
        next: Position::new(row.bytes(3)?)?,
    })
}

fn bind_generation(arguments: &mut impl SideArguments, generation: &Generation) -> Result<()> {
    arguments.number(generation.number)?;
    arguments.bytes(&generation.owner.0.to_be_bytes())
}

/// Number and owner, in two columns from `first` on.
fn generation(row: &impl SideRow, first: usize) -> Result<Generation> {
    Ok(Generation { number: row.number(first)?, owner: Owner(id(row.bytes(first + 1)?)?) })
}

pub(super) fn bind_range(arguments: &mut impl SideArguments, range: &Range) -> Result<()> {
    bind_after(arguments, range)?;
    arguments.maybe_bytes(range.until.as_ref().map(Key::as_bytes))?;
    bind_generation(arguments, &range.epoch)?;
    arguments.text(match range.state {
        RangeState::Open => "open",
        RangeState::Copying => "copying",
        RangeState::Done => "done",
    })?;
    let (progress, reached) = match &range.progress {
        Progress::Start => ("start", None),
        Progress::After(key) => ("after", Some(key.as_bytes())),
        Progress::End => ("end", None),
    };
    arguments.text(progress)?;
    arguments.maybe_bytes(reached)?;
    arguments.number(range.batches)
}

/// The lower bound of a range. It is part of a key and never null: the first range begins after
/// nothing.
pub(super) fn bind_after(arguments: &mut impl SideArguments, range: &Range) -> Result<()> {
    arguments.bytes(range.after.as_ref().map_or(&[][..], Key::as_bytes))
}

pub(super) fn range(row: &impl SideRow) -> Result<Range> {
    let until = row.maybe_bytes(1)?.map(|bytes| Key::from_bytes(bytes.to_vec()));
    Ok(Range {
        after: Some(key(row, 0)?).filter(|after| !after.as_bytes().is_empty()),
        until,
        epoch: generation(row, 2)?,
        state: match row.text(4)? {
            "open" => RangeState::Open,
            "copying" => RangeState::Copying,
            "done" => RangeState::Done,
            _ => return Err(damaged("a range is in no state that is known")),
        },
        progress: match row.text(5)? {
            "start" => Progress::Start,
            "after" => Progress::After(key(row, 6)?),
            "end" => Progress::End,
            _ => return Err(damaged("the progress of a range is not known")),
        },
        batches: row.number(7)?,
    })
}

pub(super) fn bind_table(arguments: &mut impl SideArguments, table: GuardTable<'_>) -> Result<()> {
    arguments.text(table.source_table)?;
    arguments.text(table.target_table)
}

pub(super) fn bind_guard(
    arguments: &mut impl SideArguments,
    key: &Key,
    row: &GuardRow,
) -> Result<()> {
    arguments.bytes(key.as_bytes())?;
    arguments.bytes(row.guard.version.as_bytes())?;
    arguments.number(kind_number(row.guard.kind).into())?;
    let lease = row.lease.map(u128::to_be_bytes);
    arguments.maybe_bytes(lease.as_ref().map(<[u8; 16]>::as_slice))
}

/// What stands for a kind.
pub(super) fn kind_number(kind: Kind) -> u8 {
    match kind {
        Kind::None => 0,
        Kind::Present => 1,
        Kind::Deleted => 2,
        Kind::Dirty => 3,
    }
}

/// Version, kind and lease, in three columns from `first` on.
pub(super) fn guard(row: &impl SideRow, first: usize) -> Result<GuardRow> {
    let kind = match row.kind(first + 1)? {
        0 => Kind::None,
        1 => Kind::Present,
        2 => Kind::Deleted,
        3 => Kind::Dirty,
        _ => return Err(damaged("a guard is of no kind that is known")),
    };
    let lease = row.maybe_bytes(first + 2)?.map(id).transpose()?;
    Ok(GuardRow { guard: Guard { version: Version::new(row.bytes(first)?)?, kind }, lease })
}

/// A guard as an interval scan finds it.
pub(super) fn found_guard(row: &impl SideRow) -> Result<FoundGuard> {
    Ok(FoundGuard { key: key(row, 0)?, target_table: row.text(1)?.to_owned(), row: guard(row, 2)? })
}

fn id(bytes: &[u8]) -> Result<u128> {
    let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| damaged("an id is not of 16 bytes"))?;
    Ok(u128::from_be_bytes(bytes))
}

//! What goes into one atomic step of a target, and what comes out.

use crate::batch::Batch;
use crate::key::Key;
use crate::layout::TargetLayout;
use crate::position::{Generation, Position, Version};
use crate::protocol::{Effect, Progress};
use std::sync::Arc;

/// What an engine can change in one atomic step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtomicStep {
    /// A batch with its guards, the range and the position.
    Transaction,
    /// One row and the cells in it.
    Row,
    /// One key and its companion.
    Key,
}

/// Where a queue partition begins for this migration.
#[derive(Debug, Clone)]
pub struct StartPosition {
    /// The partition's name.
    pub partition: String,
    /// The queue's end, noted before the first read of the source.
    pub position: Position,
}

/// Changes of one partition in `[from, next)`, as far as they belong to one instance.
#[derive(Debug)]
pub struct LiveStep<'a> {
    /// The partition's name.
    pub partition: &'a str,
    /// The consumer's claim.
    pub generation: Generation,
    /// Where the batch begins in the queue.
    pub from: Position,
    /// Where it ends; the partition's position afterwards, also where no change belongs here.
    pub next: Position,
    /// The changes, by target table.
    pub writes: &'a [LiveWrites],
}

/// Changes of one target table, at most one per record.
#[derive(Debug)]
pub struct LiveWrites {
    /// The source table, whose ranges the records belong to.
    pub source_table: Arc<str>,
    /// The target table.
    pub target: Arc<TargetLayout>,
    /// The changes in queue order.
    pub entries: Vec<LiveEntry>,
    /// Records that `Set` entries refer to, in the target's schema.
    pub records: Batch,
    /// Keys that `Delete` entries refer to, in the target's key schema.
    pub keys: Batch,
}

/// One change of one target record.
#[derive(Debug, Clone)]
pub struct LiveEntry {
    /// Its range key, which also names its guard.
    pub key: Key,
    /// Its place in the source's commit order.
    pub version: Version,
    /// Its place in the queue.
    pub position: Position,
    /// What it does.
    pub effect: Effect,
    /// Index in `records` or `keys`.
    pub row: usize,
}

/// What became of the entries of one [`LiveWrites`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Entries written.
    pub applied: u64,
    /// Entries whose very version was there already, or that lie before the instance's position.
    pub duplicate: u64,
    /// Entries older than what is there.
    pub stale: u64,
}

/// What became of a batch of live changes on one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveOutcome {
    /// Applied, and the position moved.
    Applied {
        /// One per [`LiveWrites`] of the step, in its order: a change that became several records
        /// is counted once, by the caller.
        tallies: Vec<Tally>,
    },
    /// A newer consumer owns the partition.
    Fenced,
    /// The instance lost its tail: claim again.
    LostTail,
    /// The batch begins after this instance's position: go back to it.
    Gap(Position),
}

/// One batch of the copy, as far as it belongs to one instance.
#[derive(Debug)]
pub struct CopyStep<'a> {
    /// The source table.
    pub source_table: &'a str,
    /// The range's lower bound, which names it.
    pub range_after: Option<&'a Key>,
    /// The worker's claim.
    pub epoch: Generation,
    /// [`Range::batches`](crate::protocol::Range::batches) on this instance as this worker found it
    /// with its claim, or left it with its last batch. Every batch that is applied adds one, a
    /// sample's excepted.
    pub left: u64,
    /// The progress after this batch, which also makes the range `Copying`; `None` for a sample,
    /// which changes neither.
    pub next: Option<&'a Progress>,
    /// First and last range key of the batch, over all its records; `None` if it has none.
    pub span: Option<(&'a Key, &'a Key)>,
    /// The records, by target table.
    pub writes: &'a [CopyWrites],
}

/// Copied records of one target table.
#[derive(Debug)]
pub struct CopyWrites {
    /// The target table.
    pub target: Arc<TargetLayout>,
    /// The records, in the target's schema, in the source's scan order.
    pub records: Batch,
}

/// What became of a batch of the copy on one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyOutcome {
    /// Written, and the progress moved.
    Applied {
        /// Records inserted.
        inserted: u64,
        /// Records that were there without a guard: copied before.
        existing: u64,
        /// Records that a guard refused: live data won.
        refused: u64,
        /// Range keys to read again, because the source is behind a command.
        later: Vec<Key>,
    },
    /// The range is done here.
    Done,
    /// Another worker has the range.
    Fenced,
    /// The instance is not where this worker left it.
    LostTail,
}

/// Guards of a range that have done their duty, and what that rests on.
#[derive(Debug)]
pub struct PurgeStep<'a> {
    /// The source table.
    pub source_table: &'a str,
    /// The range's lower bound, which names it.
    pub range_after: Option<&'a Key>,
    /// The highest version that may go.
    pub below: Version,
    /// The queue partition that every guard of the range comes from.
    pub partition: &'a str,
    /// Where in it every change up to `below` lies before; whether this instance has applied them
    /// is read in the step itself.
    pub passed: Position,
    /// Whether the source showed everything before `passed`, and before what any instance had
    /// applied.
    pub source_shows: bool,
    /// Whether a dead letter was open.
    pub open_dead_letters: bool,
    /// Most guards to remove.
    pub limit: usize,
}

/// Records that a repair read from the source after it placed its lease.
#[derive(Debug)]
pub struct RepairStep<'a> {
    /// The source table, whose ranges the records belong to.
    pub source_table: &'a str,
    /// The target table.
    pub target: &'a Arc<TargetLayout>,
    /// The lease that was placed.
    pub lease: u128,
    /// One entry per record.
    pub entries: &'a [RepairEntry],
    /// Records that entries refer to, in the target's schema.
    pub records: &'a Batch,
    /// Keys of records to remove, in the target's key schema.
    pub keys: &'a Batch,
}

/// What the source holds for one record.
#[derive(Debug, Clone)]
pub struct RepairEntry {
    /// Its range key.
    pub key: Key,
    /// Whether the source has it.
    pub row: SourceRow,
    /// The source record's own version, where it has one.
    pub source_version: Option<Version>,
    /// The version of the dead letter being replayed, if that is what this is.
    pub replayed: Option<Version>,
}

/// What the source had of a record when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceRow {
    /// A record: the one of this index in `records`.
    Present(usize),
    /// None: its key is the one of this index in `keys`.
    Absent(usize),
}

/// Something a migration keeps in a store beside the data.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SideTable {
    /// Its name.
    pub name: String,
    /// Rows of this migration in it. An engine that has to look at every row to count them counts
    /// no further than to [`SIDE_ROWS_COUNTED_MAX`].
    pub rows: u64,
}

/// How far the rows of a side table are counted: enough to say that there are many.
pub const SIDE_ROWS_COUNTED_MAX: u64 = 1_000_000;

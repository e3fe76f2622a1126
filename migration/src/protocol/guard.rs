//! What the guard of one target record allows.

use super::Partition;

/// What a guard says of its record. A record without a guard row has never been written live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The last write put the record there.
    Present,
    /// The last write deleted it: the guard is its tombstone.
    Deleted,
    /// A command came before the value it applies to; the copy has to bring that value.
    Dirty,
    /// Nothing was written; the row only carries the lease of a repair.
    None,
}

/// The fence of one target record, kept in the target beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guard<V> {
    /// Version of the last write; meaningless while `kind` is [`Kind::None`].
    pub version: V,
    /// What the last write did.
    pub kind: Kind,
}

impl<V> Guard<V> {
    /// Treats a guard that only carries a lease as missing, which is what it means to a writer.
    fn effective(guard: Option<&Self>) -> Option<&Self> {
        guard.filter(|guard| guard.kind != Kind::None)
    }
}

/// What a live change does to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Gives the whole record.
    Set,
    /// Removes it.
    Delete,
    /// Adds to what is there (a command such as increment).
    Delta,
}

/// What to do with one live change. Whatever it is, the lease of a repair under way is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Live {
    /// Write the record; the guard becomes (version, present).
    Set,
    /// Remove the record; the guard becomes (version, deleted).
    Delete,
    /// Apply the command to what is there, or to zero; the guard becomes (version, present).
    Add,
    /// Leave the record; the guard becomes (version, dirty), and the copy brings the base.
    MarkDirty,
    /// This very change has been applied before.
    SkipDuplicate,
    /// A newer change has been applied.
    SkipStale,
}

/// Decides on one live change. `range_done`: the copy of the range has finished.
pub fn live<V: Ord>(
    guard: Option<&Guard<V>>,
    version: &V,
    effect: Effect,
    range_done: bool,
) -> Live {
    let guard = Guard::effective(guard);
    if let Some(guard) = guard {
        match version.cmp(&guard.version) {
            std::cmp::Ordering::Less => return Live::SkipStale,
            std::cmp::Ordering::Equal => return Live::SkipDuplicate,
            std::cmp::Ordering::Greater => {}
        }
    }
    match effect {
        Effect::Set => Live::Set,
        Effect::Delete => Live::Delete,
        Effect::Delta => {
            let has_base =
                guard.is_some_and(|guard| matches!(guard.kind, Kind::Present | Kind::Deleted));
            if has_base || range_done { Live::Add } else { Live::MarkDirty }
        }
    }
}

/// What to do with one record that the copy read from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Copy {
    /// Insert it unless the target holds the record already. No guard is written, except where
    /// commands apply to the table: there the guard becomes (source version, present) where the
    /// record was inserted.
    InsertIfAbsent,
    /// Write it; the guard becomes (source version, present). Like every write that leaves a guard,
    /// it ends the lease of a repair that is under way.
    Overwrite,
    /// The source is behind a command that was seen: read it again later.
    Later,
    /// Live data wins.
    Skip,
}

/// Decides on one copied record. `source_version`: the record's own version, where it has one.
pub fn copy<V: Ord>(guard: Option<&Guard<V>>, source_version: Option<&V>) -> Copy {
    match Guard::effective(guard) {
        None => Copy::InsertIfAbsent,
        Some(guard) if guard.kind == Kind::Dirty => match source_version {
            Some(version) if *version >= guard.version => Copy::Overwrite,
            _ => Copy::Later,
        },
        Some(_) => Copy::Skip,
    }
}

/// What to do with a record that the source did not have when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyAbsent {
    /// Remove it: its command applied to a record that was deleted since. The guard becomes (its
    /// own version, deleted).
    Remove,
    /// The source was behind the command: read it again later.
    Later,
    /// Nothing was asked for.
    Skip,
}

/// Decides on a record that the source did not have. `source_shown`: the version up to which the
/// source showed everything when it was read.
pub fn copy_absent<V: Ord>(guard: Option<&Guard<V>>, source_shown: &V) -> CopyAbsent {
    match guard {
        Some(guard) if guard.kind == Kind::Dirty => {
            if *source_shown >= guard.version {
                CopyAbsent::Remove
            } else {
                CopyAbsent::Later
            }
        }
        _ => CopyAbsent::Skip,
    }
}

/// What to do with a record that a repair has read from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repair {
    /// Nothing wrote the record since the lease was placed: write what was read, end the lease.
    Write,
    /// A live write took the lease away, or the source is behind: place a lease and read again.
    Redo,
}

/// Decides on a repair. `lease_is_mine`: the guard still carries the lease this repair placed.
pub fn repair<V: Ord>(
    guard: Option<&Guard<V>>,
    lease_is_mine: bool,
    source_version: Option<&V>,
) -> Repair {
    let behind = match (Guard::effective(guard), source_version) {
        (Some(guard), Some(version)) => *version < guard.version,
        _ => false,
    };
    if lease_is_mine && !behind { Repair::Write } else { Repair::Redo }
}

/// How far the source must show its changes before a repair may read it, once its lease is placed:
/// all that was applied here, and the dead letter that is replayed, which the consumer writes
/// before `next` passes it. `letter_end`: the position after the letter.
pub fn repair_barrier<O, P: Ord + Clone>(partition: &Partition<O, P>, letter_end: Option<&P>) -> P {
    let next = &partition.next;
    letter_end.map_or(next, |end| next.max(end)).clone()
}

/// The version a repaired guard gets: the highest of its own, the source's and the replayed one.
/// Where nobody has ever named one it is `lowest`, which every change exceeds: a repair always
/// leaves a guard, or a worker that read before it could bring back what it removed.
pub fn repaired_version<V: Ord>(
    guard: Option<Guard<V>>,
    source_version: Option<V>,
    replayed: Option<V>,
    lowest: V,
) -> V {
    let own = guard.filter(|guard| guard.kind != Kind::None).map(|guard| guard.version);
    own.into_iter().chain(source_version).chain(replayed).fold(lowest, V::max)
}

/// How a dead letter is replayed on one target record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Replay {
    /// Like a live change: [`live`] decides.
    Live,
    /// By a repair of the record from the source, with the letter's version.
    Repair,
}

/// Decides how a dead letter is replayed. Only a guard can say whether a later change of the
/// record has been applied, and no guard tells whether a command is already in a value.
pub fn replay<V>(guard: Option<&Guard<V>>, effect: Effect) -> Replay {
    match Guard::effective(guard) {
        Some(_) if effect != Effect::Delta => Replay::Live,
        _ => Replay::Repair,
    }
}

//! One instance of the target: everything here changes in one atomic step, and is lost with the
//! instance's tail.

use crate::source::{KEYS_MAX, Key, Position, Row, Version};
use migration::position::Generation;
use migration::protocol::{Guard, Kind, Partition, Progress, Range, RangeState};
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

/// Most target instances.
pub const INSTANCES_MAX: usize = 2;
/// Ranges there are after the one split that two keys allow.
pub(crate) const RANGES_MAX: usize = 2;

/// Who claims: the process's place among its like, from 1; [`NOBODY`] is one that has given up.
pub(crate) type Owner = u8;

/// The owner of claims that nobody stands behind any more.
pub(crate) const NOBODY: Owner = 0;

/// One target record with its guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Record {
    /// What a reader of the target sees.
    pub(crate) row: Option<Row>,
    /// The guard's version and kind.
    pub(crate) guard: Option<Guard<Version>>,
    /// Whether the guard carries the lease of the repair that is under way.
    pub(crate) leased: bool,
    /// Not in the real target: the highest version that was applied live or by a repair.
    pub(crate) floor: Version,
    /// Not in the real target: what the source showed to the repair that removed the row.
    pub(crate) removed_at: Version,
    /// Not in the real target: the record is wrong from the start and waits for a repair.
    pub(crate) wrong: bool,
}

impl Record {
    /// The guard as the target's row has it: a lease needs a row, if only of kind none.
    pub(crate) fn guard_row(&self) -> Option<Guard<Version>> {
        self.guard.or(self.leased.then_some(Guard { version: 0, kind: Kind::None }))
    }
}

/// The instances of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    instances: [Instance; INSTANCES_MAX],
    count: usize,
}

impl Target {
    pub(crate) fn new(instance: Instance, count: usize) -> Self {
        Self { instances: [instance; INSTANCES_MAX], count }
    }
}

impl Deref for Target {
    type Target = [Instance];

    fn deref(&self) -> &[Instance] {
        &self.instances[..self.count]
    }
}

impl DerefMut for Target {
    fn deref_mut(&mut self) -> &mut [Instance] {
        &mut self.instances[..self.count]
    }
}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

/// One instance of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Instance {
    /// By source key.
    pub(crate) records: [Record; KEYS_MAX],
    /// `F`, in order.
    pub(crate) ranges: [Option<Range<Owner, Key>>; RANGES_MAX],
    /// `P`.
    pub(crate) partition: Partition<Owner, Position>,
    /// By position: whether a dead letter was replayed here.
    pub(crate) replayed: u8,
}

impl Instance {
    /// SETUP: one open range, and the queue's end as the start.
    pub(crate) fn set_up(start: Position) -> Self {
        let nobody = Generation { number: 0, owner: NOBODY };
        let everything = Range {
            after: None,
            until: None,
            epoch: nobody,
            state: RangeState::Open,
            progress: Progress::Start,
            batches: 0,
        };
        Self {
            records: [Record::default(); KEYS_MAX],
            ranges: [Some(everything), None],
            partition: Partition { generation: nobody, start, next: start },
            replayed: 0,
        }
    }

    /// The place of the range that `key` belongs to.
    pub(crate) fn range_of(&self, key: Key) -> Option<usize> {
        self.ranges.iter().position(|range| range.is_some_and(|range| range.contains(&key)))
    }

    /// Whether every range is done.
    pub(crate) fn is_done(&self) -> bool {
        self.ranges.iter().flatten().all(|range| range.state == RangeState::Done)
    }

    /// How many guards of a range are dirty.
    pub(crate) fn dirty_count(&self, range: &Range<Owner, Key>) -> u64 {
        let dirty = |record: &Record| record.guard.is_some_and(|guard| guard.kind == Kind::Dirty);
        let records = (0u8..).zip(&self.records);
        records.map(|(key, record)| u64::from(range.contains(&key) && dirty(record))).sum()
    }
}

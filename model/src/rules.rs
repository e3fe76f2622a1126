//! The decisions: the production functions, or what is left of them without a part.
//!
//! A weaker form calls the production function too, and only hides from it what it may not see.
//! Nothing in production code knows that these exist.

use crate::config::{Config, Part};
use crate::source::{Key, Position, Version};
use crate::target::{Owner, Record};
use migration::position::Generation;
use migration::protocol::{
    self, Admission, Claim, Copy, CopyAdmission, Effect, Finish, Guard, Kind, Live, Partition,
    Progress, Range, RangeState, Replay,
};

impl Config {
    /// Does a claim of a partition or a range take effect here?
    pub(crate) fn claim(&self, current: &Generation<Owner>, mine: &Generation<Owner>) -> Claim {
        protocol::claim(&self.seen_claim(current, mine), mine)
    }

    /// A claim as the tests that are left see it.
    fn seen_claim(
        &self,
        current: &Generation<Owner>,
        mine: &Generation<Owner>,
    ) -> Generation<Owner> {
        let owners = self.has(Part::Owners);
        if current.number == mine.number && !owners { *mine } else { *current }
    }

    /// May a batch of live changes that begins at `from` be applied here?
    pub(crate) fn admit_live(
        &self,
        partition: &Partition<Owner, Position>,
        mine: &Generation<Owner>,
        from: Position,
    ) -> Admission {
        let mut seen = *partition;
        seen.generation = if self.has(Part::GenerationFence) {
            self.seen_claim(&partition.generation, mine)
        } else {
            *mine
        };
        if !self.has(Part::GapTest) {
            seen.next = seen.next.max(from);
        }
        protocol::admit_live(Some(&seen), mine, &from)
    }

    /// Is the change at `position` still to be applied here?
    pub(crate) fn is_due(
        &self,
        partition: &Partition<Owner, Position>,
        position: Position,
    ) -> bool {
        partition.is_due(&position) || !self.has(Part::NextFilter)
    }

    /// Moves the partition to the end of a batch.
    pub(crate) fn advance(&self, partition: &mut Partition<Owner, Position>, end: Position) {
        if self.has(Part::NextMax) {
            partition.advance(end);
        } else {
            partition.next = end;
        }
    }

    /// What does a live change do to a record?
    pub(crate) fn live(
        &self,
        record: &Record,
        version: Version,
        effect: Effect,
        range_done: bool,
    ) -> Live {
        let guard = record.guard_row().filter(|_| self.has(Part::Guard));
        // A command that is taken for applied to a base is one whose range is taken for done.
        let base_is_there = range_done || !self.has(Part::DirtyMark);
        protocol::live(guard.as_ref(), &version, effect, base_is_there)
    }

    /// What does a copied row do to a record?
    pub(crate) fn copy(&self, record: &Record, source_version: Option<Version>) -> Copy {
        let guard = record.guard_row().filter(|_| self.has(Part::Guard));
        protocol::copy(guard.as_ref(), source_version.as_ref())
    }

    /// May a batch of the copy be written here? `believed`: the progress the worker thinks it left.
    pub(crate) fn admit_copy(
        &self,
        range: Option<&Range<Owner, Key>>,
        mine: &Generation<Owner>,
        left: u64,
        believed: &Progress<Key>,
    ) -> CopyAdmission {
        let seen = range.map(|range| self.seen(range, mine, left, believed));
        protocol::admit_copy(seen.as_ref(), mine, left)
    }

    /// May the range be marked as done here?
    pub(crate) fn finish(
        &self,
        range: Option<&Range<Owner, Key>>,
        mine: &Generation<Owner>,
        left: u64,
        dirty_count: u64,
    ) -> Finish {
        let seen = range.map(|range| {
            let mut seen = self.seen(range, mine, left, &Progress::End);
            if !self.has(Part::ProgressTest) {
                seen.progress = Progress::End;
            }
            seen
        });
        let dirty_count = if self.has(Part::DirtyTest) { dirty_count } else { 0 };
        protocol::finish(seen.as_ref(), mine, left, dirty_count)
    }

    /// A range as the tests that are left see it.
    fn seen(
        &self,
        range: &Range<Owner, Key>,
        mine: &Generation<Owner>,
        left: u64,
        believed: &Progress<Key>,
    ) -> Range<Owner, Key> {
        let mut seen = *range;
        let shared = !self.has(Part::EpochOfTakeover) && range.epoch.number == mine.number;
        let fenced = self.has(Part::EpochFence) && !shared;
        seen.epoch = if fenced { self.seen_claim(&range.epoch, mine) } else { *mine };
        if !self.has(Part::DoneFence) {
            seen.state = RangeState::Copying;
        }
        let progress_is_right = !self.has(Part::BatchCount) && range.progress >= *believed;
        if !self.has(Part::ProgressTest) || progress_is_right {
            seen.batches = left;
        }
        seen
    }

    /// How is a dead letter replayed?
    pub(crate) fn replay(&self, record: &Record, effect: Effect) -> Replay {
        let known = Guard { version: 0, kind: Kind::Deleted };
        let seen = if self.has(Part::ReplayByRepair) { record.guard_row() } else { Some(known) };
        protocol::replay(seen.as_ref(), effect)
    }

    /// What must the source show before a repair may read it?
    pub(crate) fn repair_barrier(
        &self,
        partition: &Partition<Owner, Position>,
        letter: Option<Position>,
    ) -> Position {
        if !self.has(Part::RepairBarrier) {
            return 0;
        }
        let letter_end = letter.filter(|_| self.has(Part::LetterBarrier)).map(|letter| letter + 1);
        protocol::repair_barrier(partition, letter_end.as_ref())
    }

    /// May a repair write what it read?
    pub(crate) fn repair(
        &self,
        record: &Record,
        source_version: Option<Version>,
    ) -> protocol::Repair {
        let leased = record.leased || !self.has(Part::LeaseTest);
        protocol::repair(record.guard_row().as_ref(), leased, source_version.as_ref())
    }

    /// The guard that a repair leaves.
    pub(crate) fn repaired_guard(
        &self,
        record: &Record,
        kind: Kind,
        source_version: Option<Version>,
        replayed: Option<Version>,
    ) -> Option<Guard<Version>> {
        let lowest = 0;
        let own = record.guard_row();
        let version = protocol::repaired_version(own, source_version, replayed, lowest);
        let leaves_none = version == lowest && !self.has(Part::RepairGuard);
        (!leaves_none).then_some(Guard { version, kind })
    }

    /// May a guard be purged?
    pub(crate) fn purge(
        &self,
        range: &Range<Owner, Key>,
        open_letters: bool,
        shown: bool,
        passed: bool,
    ) -> bool {
        let open_letters = open_letters && self.has(Part::PurgeAfterLetters);
        let passed = passed || !self.has(Part::PurgeAfterNext);
        protocol::purge(range, open_letters, shown && passed)
    }
}

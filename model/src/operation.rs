//! What an operator may do at any time: purge guards, split a range.

use crate::config::Part;
use crate::faults::spend;
use crate::source::Key;
use crate::state::State;
use crate::system::System;
use migration::protocol::{self, RangeState};

/// Where a range is split: after the first of two keys.
const SPLIT_AFTER: Key = 0;

impl State {
    /// Whether a split has begun that this instance lacks.
    pub(crate) fn is_catching_up_split(&self, instance: usize) -> bool {
        let has_split = |i: usize| self.target[i].ranges[1].is_some();
        !has_split(instance) && (0..self.target.len()).any(has_split)
    }

    /// Whether every range is done on every instance, read now.
    pub(crate) fn is_done(&self) -> bool {
        self.target.iter().all(crate::target::Instance::is_done)
    }
}

impl System {
    /// PURGE: removes one guard, and raises the epoch of its range in the same step.
    pub(crate) fn purge(&self, s: &mut State, key: Key, i: usize) -> Option<()> {
        let place = s.target[i].range_of(key)?;
        let guard = s.target[i].records[usize::from(key)].guard?;
        let range = s.target[i].ranges[place]?;
        (range.state == RangeState::Done && s.is_done()).then_some(())?;
        let shown = guard.version <= s.source.shown();
        let passed = s.source.is_past(s.target[i].partition.next, guard.version);
        self.config.purge(&range, s.open_letters(), shown, passed).then_some(())?;
        spend(&mut s.chores.purges)?;
        let record = &mut s.target[i].records[usize::from(key)];
        record.guard = None;
        record.leased = false;
        if let Some(range) = &mut s.target[i].ranges[place] {
            range.epoch.number += u64::from(self.config.has(Part::EpochOfPurge));
        }
        Some(())
    }

    /// SPLIT: on one instance; whoever finds it on some and not on others goes on with it.
    pub(crate) fn split(&self, s: &mut State, i: usize) -> Option<()> {
        let parent = s.target[i].ranges[0]?;
        let (lower, upper) = protocol::split(&parent, &SPLIT_AFTER)?;
        if !s.is_catching_up_split(i) {
            spend(&mut s.chores.splits)?;
        }
        s.target[i].ranges = [Some(lower), Some(upper)];
        Some(())
    }
}

//! BACKFILL: a worker, from its claim of a range to the mark that it is done.

mod copy;

use crate::config::Part;
use crate::faults::spend;
use crate::source::Key;
use crate::state::{Holder, Slot, State, Worker, WorkerStep};
use crate::system::System;
use crate::target::{Instance, Owner};
use migration::protocol::{Claim, Finish, Kind, Progress, Range, RangeState};

impl State {
    /// Whether a claim of this worker would take the range from another that only pauses.
    pub(crate) fn is_takeover(&self, worker: usize, range: usize) -> bool {
        let mut others = self.workers.iter().enumerate().filter(|(other, _)| *other != worker);
        others.any(|(_, other)| other.step != WorkerStep::Idle && other.range == range)
    }

    /// Whether no instance lacks a split that another has.
    fn splits_agree(&self) -> bool {
        let is_split = |instance: &Instance| instance.ranges[1].is_some();
        self.target.iter().all(|instance| is_split(instance) == is_split(&self.target[0]))
    }

    /// A range on every instance that has it.
    fn ranges(&self, place: usize) -> impl Iterator<Item = Range<Owner, Key>> {
        self.target.iter().filter_map(move |instance| instance.ranges[place])
    }

    /// Gives up a range; whoever claims it goes on from its progress.
    fn abandon(&mut self, worker: usize) -> Option<()> {
        self.retire_worker(worker, Holder::Nobody);
        Some(())
    }
}

impl System {
    /// Chooses a number above any seen. Another may choose the same before it claims.
    pub(crate) fn claim(&self, s: &mut State, w: usize, place: usize) -> Option<()> {
        let busy = s.workers.iter().filter(|worker| worker.step != WorkerStep::Idle).count();
        (s.workers[w].step == WorkerStep::Idle && busy < self.config.workers).then_some(())?;
        let has_work = s.ranges(place).any(|range| range.state != RangeState::Done);
        (has_work && s.splits_agree()).then_some(())?;
        let takeover = s.is_takeover(w, place);
        if takeover {
            spend(&mut s.faults.takeover)?;
        }
        let seen = s.ranges(place).map(|range| range.epoch.number).max().unwrap_or_default();
        let shares = takeover && !self.config.has(Part::EpochOfTakeover);
        let number = if shares { seen } else { seen + 1 };
        s.workers[w] =
            Worker { step: WorkerStep::Claiming, range: place, number, ..Worker::default() };
        if shares { self.resume(s, w) } else { Some(()) }
    }

    /// Claims the range on the next instance. One that is outbid looks for other work.
    pub(crate) fn claim_range(&self, s: &mut State, w: usize) -> Option<()> {
        let (worker, mine) = (s.workers[w], s.epoch(w));
        let Some(range) = &mut s.target[worker.next].ranges[worker.range] else {
            return s.abandon(w);
        };
        match self.config.claim(&range.epoch, &mine) {
            Claim::Take => {
                range.epoch = mine;
                // Batches are compared under one epoch only, so each may count its own.
                range.batches = 0;
                if range.state == RangeState::Open {
                    range.state = RangeState::Copying;
                }
            }
            Claim::Held => {}
            Claim::Outbid { .. } => return s.abandon(w),
        }
        s.workers[w].next += 1;
        if s.workers[w].next == self.config.instances { self.resume(s, w) } else { Some(()) }
    }

    /// Starts copying from the smallest progress of all instances.
    fn resume(&self, s: &mut State, w: usize) -> Option<()> {
        let Worker { range: place, number, .. } = s.workers[w];
        let smallest = s.ranges(place).map(|range| range.progress).min();
        let Some(smallest) = smallest.filter(|_| s.splits_agree()) else {
            return s.abandon(w);
        };
        let mut worker =
            Worker { step: WorkerStep::Copying, range: place, number, ..Worker::default() };
        for (left, range) in worker.left.iter_mut().zip(s.ranges(place)) {
            *left = range.batches;
        }
        worker.slots.fill(Slot::Done);
        for key in self.keys().filter(|key| s.ranges(place).any(|range| range.contains(key))) {
            let copied = match smallest {
                Progress::Start => false,
                Progress::After(reached) => key <= reached,
                Progress::End => true,
            };
            if !copied {
                worker.slots[usize::from(key)] = Slot::Todo;
            }
        }
        s.workers[w] = worker;
        Some(())
    }

    /// Marks the range as done on the next instance.
    pub(crate) fn finish_range(&self, s: &mut State, w: usize) -> Option<()> {
        let worker = s.workers[w];
        worker.slots.iter().all(|slot| *slot == Slot::Done).then_some(())?;
        let (i, mine) = (worker.next, s.epoch(w));
        let found = s.target[i].ranges[worker.range];
        let dirty_count = found.map_or(0, |range| s.target[i].dirty_count(&range));
        match self.config.finish(found.as_ref(), &mine, worker.left[i], dirty_count) {
            Finish::Mark => {
                let range = s.target[i].ranges[worker.range].as_mut()?;
                range.state = RangeState::Done;
                range.epoch.number += u64::from(self.config.has(Part::EpochOfPurge));
            }
            Finish::AlreadyDone => {}
            Finish::Dirty => return self.serve_dirty(s, w, i, &found?),
            Finish::Fenced | Finish::LostTail | Finish::NotAtEnd => return s.abandon(w),
        }
        s.workers[w].next += 1;
        if s.workers[w].next == self.config.instances { s.abandon(w) } else { Some(()) }
    }

    /// Puts the keys with a dirty guard on an instance back among those to copy there.
    fn serve_dirty(
        &self,
        s: &mut State,
        w: usize,
        i: usize,
        range: &Range<Owner, Key>,
    ) -> Option<()> {
        for key in self.keys().filter(|key| range.contains(key)).map(usize::from) {
            let guard = s.target[i].records[key].guard;
            if guard.is_some_and(|guard| guard.kind == Kind::Dirty) {
                s.workers[w].slots[key] = Slot::Todo;
                s.workers[w].written[key][..self.config.instances].fill(true);
                s.workers[w].written[key][i] = false;
            }
        }
        Some(())
    }
}

//! LIVE: a consumer of the partition, from its claim to the offset it commits.

use crate::config::{Lock, Part};
use crate::faults::spend;
use crate::source::{Event, Position, Row};
use crate::state::{Consumer, ConsumerStep, Flaw, Holder, State};
use crate::system::System;
use crate::target::Record;
use migration::protocol::{Admission, Claim, Effect, Guard, Kind, Live, RangeState};

impl State {
    /// Whether a claim of this consumer would take the partition from another that only pauses.
    pub(crate) fn is_rebalance(&self, consumer: usize) -> bool {
        let mut others = self.consumers.iter().enumerate().filter(|(other, _)| *other != consumer);
        others.any(|(_, other)| other.step != ConsumerStep::Standby)
    }

    /// The smallest position of all instances.
    fn smallest_next(&self) -> Position {
        self.target.iter().map(|instance| instance.partition.next).min().unwrap_or_default()
    }

    /// Gives up the partition, until nobody else has it.
    fn stand_by(&mut self, consumer: usize) -> Option<()> {
        self.retire_consumer(consumer, Holder::Nobody);
        Some(())
    }
}

impl System {
    /// ASSIGN(p): chooses a number above any seen. Another may choose the same before it claims.
    pub(crate) fn assign(&self, s: &mut State, c: usize) -> Option<()> {
        (s.consumers[c].step == ConsumerStep::Standby && self.consumes(s)).then_some(())?;
        if s.is_rebalance(c) {
            spend(&mut s.faults.rebalance)?;
        }
        let numbers = s.target.iter().map(|instance| instance.partition.generation.number);
        let number = numbers.max().unwrap_or_default() + 1;
        s.consumers[c] = Consumer { step: ConsumerStep::Claiming, number, ..Consumer::default() };
        Some(())
    }

    /// Claims the partition on the next instance. After the last one, resumes at the smallest
    /// position. One that is outbid stands by instead of bidding again at once.
    pub(crate) fn claim_partition(&self, s: &mut State, c: usize) -> Option<()> {
        let mine = s.generation(c);
        let partition = &mut s.target[s.consumers[c].next].partition;
        match self.config.claim(&partition.generation, &mine) {
            Claim::Take => partition.generation = mine,
            Claim::Held => {}
            Claim::Outbid { .. } => return s.stand_by(c),
        }
        s.consumers[c].next += 1;
        if s.consumers[c].next == self.config.instances {
            self.resume_at(s, c, s.smallest_next());
        }
        Some(())
    }

    fn resume_at(&self, s: &mut State, c: usize, from: Position) {
        let number = s.consumers[c].number;
        s.consumers[c] =
            Consumer { step: ConsumerStep::Ready, number, from, ..Consumer::default() };
    }

    /// Polls a batch.
    pub(crate) fn poll(&self, s: &mut State, c: usize, size: u8) -> Option<()> {
        let to = s.consumers[c].from + size;
        (to <= s.source.end() && self.consumes(s)).then_some(())?;
        s.consumers[c].to = to;
        s.consumers[c].step = if self.config.lock == Lock::Noise {
            ConsumerStep::Applying
        } else {
            ConsumerStep::Polled
        };
        Some(())
    }

    /// Looks at the fences without a batch to apply. Without new changes a lost tail would
    /// otherwise stay unnoticed for ever.
    pub(crate) fn look(&self, s: &mut State, c: usize) -> Option<()> {
        let (mine, from) = (s.generation(c), s.consumers[c].from);
        (from == s.source.end() && self.config.has(Part::IdleLook)).then_some(())?;
        let look = |i: usize| self.config.admit_live(&s.target[i].partition, &mine, from);
        let found = (0..self.config.instances).map(look).find(|found| *found != Admission::Go)?;
        self.turn_back(s, c, found)
    }

    /// What a consumer does that may not apply its batch.
    fn turn_back(&self, s: &mut State, c: usize, found: Admission) -> Option<()> {
        match found {
            Admission::Fenced | Admission::LostTail => s.stand_by(c),
            Admission::Gap | Admission::Go => {
                s.free_locks(Holder::Consumer(c));
                self.resume_at(s, c, s.smallest_next());
                Some(())
            }
        }
    }

    /// Goes on once the locks of the batch are free. Where both sides lock, takes them.
    pub(crate) fn pass_locks(&self, s: &mut State, c: usize) -> Option<()> {
        let keys = s.batch_keys(c);
        let is_free = |key: &usize| s.locks[*key] == Holder::Nobody;
        keys.iter().all(is_free).then_some(())?;
        if self.config.lock == Lock::Blocking {
            keys.iter().for_each(|key| s.locks[*key] = Holder::Consumer(c));
        }
        s.consumers[c].step = ConsumerStep::Applying;
        Some(())
    }

    /// Revokes the locks of the batch that others still hold, and goes on.
    pub(crate) fn revoke_locks(&self, s: &mut State, c: usize) -> Option<()> {
        let keys = s.batch_keys(c);
        keys.iter().any(|key| s.locks[*key] != Holder::Nobody).then_some(())?;
        keys.iter().for_each(|key| s.locks[*key] = Holder::Nobody);
        s.consumers[c].step = ConsumerStep::Applying;
        Some(())
    }

    /// Makes the batch's undecodable messages durable as dead letters.
    pub(crate) fn bury(&self, s: &mut State, c: usize) -> Option<()> {
        let consumer = s.consumers[c];
        let may = self.config.has(Part::LetterFirst) || consumer.is_applied(self.config.instances);
        let letters = s.unreadable(c) & !s.letters;
        (may && letters != 0).then_some(())?;
        s.letters |= letters;
        Some(())
    }

    /// Applies the batch on one instance, in one atomic step.
    pub(crate) fn apply(&self, s: &mut State, c: usize, i: usize) -> Option<()> {
        let consumer = s.consumers[c];
        (!consumer.applied[i]).then_some(())?;
        let buried = s.unreadable(c) & !s.letters == 0;
        (buried || !self.config.has(Part::LetterFirst)).then_some(())?;

        let mine = s.generation(c);
        let admission = self.config.admit_live(&s.target[i].partition, &mine, consumer.from);
        if admission != Admission::Go {
            return self.turn_back(s, c, admission);
        }
        if mine.number < s.target[i].partition.generation.number {
            s.flaw = Flaw::OldClaim;
        }
        for position in consumer.from..consumer.to {
            let event = s.source.event(position);
            if event.change.decodable && self.config.is_due(&s.target[i].partition, event.position)
            {
                self.apply_change(s, i, event);
            }
        }
        self.config.advance(&mut s.target[i].partition, consumer.to);
        s.consumers[c].applied[i] = true;
        Some(())
    }

    /// Applies one change to its record on one instance.
    pub(crate) fn apply_change(&self, s: &mut State, i: usize, event: Event) {
        let change = event.change;
        let version =
            if self.config.has(Part::Versions) { event.version } else { event.position + 1 };
        let set = Row::set(change.home, event.version);
        let effect = match change.effect {
            // The row may have been here before it moved away.
            Effect::Set if self.placed(Some(set), i).is_none() => Effect::Delete,
            effect => effect,
        };
        let instance = &mut s.target[i];
        let range = instance.range_of(change.key).and_then(|place| instance.ranges[place]);
        let range_done = range.is_some_and(|range| range.state == RangeState::Done);
        let record = &mut instance.records[usize::from(change.key)];
        record.leased = false;
        let decision = self.config.live(record, version, effect, range_done);
        let kind = match decision {
            Live::Set => {
                record.row = Some(set);
                Kind::Present
            }
            Live::Delete => {
                record.row = None;
                Kind::Deleted
            }
            Live::Add => {
                record.row = Some(Row::plus(record.row, event.version));
                Kind::Present
            }
            Live::MarkDirty => Kind::Dirty,
            Live::SkipDuplicate | Live::SkipStale => return,
        };
        self.note_live(record, Guard { version, kind }, event.version);
    }

    fn note_live(&self, record: &mut Record, guard: Guard<u8>, version: u8) {
        let leaves_none = guard.kind == Kind::Deleted && !self.config.has(Part::Tombstones);
        record.guard = (self.config.has(Part::Guard) && !leaves_none).then_some(guard);
        if guard.kind != Kind::Dirty {
            record.floor = record.floor.max(version);
            record.removed_at = 0;
        }
    }

    /// Commits the offset, which is only a hint, and goes on behind the batch.
    pub(crate) fn commit_offset(&self, s: &mut State, c: usize) -> Option<()> {
        let consumer = s.consumers[c];
        let buried = s.unreadable(c) & !s.letters == 0;
        (consumer.is_applied(self.config.instances) && buried).then_some(())?;
        s.free_locks(Holder::Consumer(c));
        self.resume_at(s, c, consumer.to);
        Some(())
    }
}

impl Consumer {
    fn is_applied(&self, instances: usize) -> bool {
        self.applied[..instances].iter().all(|applied| *applied)
    }
}

impl State {
    /// The entities of a consumer's batch.
    fn batch_keys(&self, c: usize) -> Vec<usize> {
        let batch = self.consumers[c].from..self.consumers[c].to;
        batch.map(|position| usize::from(self.source.event(position).change.key)).collect()
    }

    /// By position: what in a consumer's batch cannot be decoded.
    fn unreadable(&self, c: usize) -> u8 {
        let batch = self.consumers[c].from..self.consumers[c].to;
        batch
            .filter(|position| !self.source.event(*position).change.decodable)
            .fold(0, |letters, position| letters | 1 << position)
    }

    pub(crate) fn free_locks(&mut self, of: Holder) {
        for holder in self.locks.iter_mut().filter(|holder| **holder == of) {
            *holder = Holder::Nobody;
        }
    }
}

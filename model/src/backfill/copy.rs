//! The keys of a range: lock, read, write on every instance, release.

use crate::config::{Changes, Lock, Part};
use crate::source::{Key, Row, Version};
use crate::state::{Flaw, Holder, Slot, State, Worker};
use crate::system::System;
use crate::target::{INSTANCES_MAX, Owner, Record};
use migration::protocol::{self, Copy, CopyAbsent, CopyAdmission, Guard, Kind, Progress, Range};

impl System {
    /// Locks the next key. One that is locked by somebody else is put off, and after three tries
    /// written without its lock; where both sides rely on the lock, it is waited for.
    pub(crate) fn lock_key(&self, s: &mut State, w: usize, key: Key) -> Option<()> {
        let worker = &s.workers[w];
        let lower = &worker.slots[..usize::from(key)];
        (!lower.contains(&Slot::Todo)).then_some(())?;
        let begun = |slot: &&Slot| !matches!(slot, Slot::Todo | Slot::Done);
        (worker.slots.iter().filter(begun).count() < self.config.in_flight).then_some(())?;
        let holder = &mut s.locks[usize::from(key)];
        match self.config.lock {
            Lock::Noise => {}
            Lock::Blocking => {
                (*holder == Holder::Nobody).then_some(())?;
                *holder = Holder::Worker(w);
            }
            Lock::Revocable => {
                if *holder == Holder::Nobody {
                    *holder = Holder::Worker(w);
                }
            }
        }
        s.workers[w].slots[usize::from(key)] = Slot::Locked;
        // Where nobody honours the lock, taking it is no step of its own.
        if self.config.lock == Lock::Noise { self.read(s, w, key).or(Some(())) } else { Some(()) }
    }

    /// Reads the source, once it shows everything below the highest start of all instances.
    pub(crate) fn read(&self, s: &mut State, w: usize, key: Key) -> Option<()> {
        let start = s.target.iter().map(|instance| instance.partition.start).max()?;
        (s.source.shows(start) || !self.config.has(Part::StartBarrier)).then_some(())?;
        let shown = if self.config.changes == Changes::Add { s.source.shown() } else { 0 };
        let row = s.source.read(key);
        s.workers[w].slots[usize::from(key)] = Slot::Read { row, shown };
        Some(())
    }

    /// Tests the guard in a step of its own: what the protocol must not do.
    pub(crate) fn test(&self, s: &mut State, w: usize, key: Key) -> Option<()> {
        (!self.config.has(Part::AtomicTest)).then_some(())?;
        let slot = &mut s.workers[w].slots[usize::from(key)];
        let Slot::Read { row, .. } = *slot else { return None };
        let record = &s.target[0].records[usize::from(key)];
        let insert = self.config.copy(record, None) == Copy::InsertIfAbsent && record.row.is_none();
        *slot = Slot::Tested { row, insert };
        Some(())
    }

    /// Writes one key to one instance, in one atomic step.
    pub(crate) fn write(&self, s: &mut State, w: usize, key: Key, i: usize) -> Option<()> {
        let worker = s.workers[w];
        let slot = worker.slots[usize::from(key)];
        let is_due = match slot {
            Slot::Read { .. } => {
                !worker.written[usize::from(key)][i] && self.config.has(Part::AtomicTest)
            }
            Slot::Tested { .. } => true,
            _ => false,
        };
        is_due.then_some(())?;

        let mine = s.epoch(w);
        let range = s.target[i].ranges[worker.range];
        let believed = range.map_or(Progress::Start, |range| worker.progress(&range, i));
        match self.config.admit_copy(range.as_ref(), &mine, worker.left[i], &believed) {
            CopyAdmission::Go => {}
            CopyAdmission::Done => {
                self.count_written(s, w, key, i);
                return Some(());
            }
            CopyAdmission::LostTail | CopyAdmission::Fenced => return s.abandon(w),
        }
        let range = range.filter(|range| range.contains(&key))?;
        if mine.number < range.epoch.number {
            s.flaw = Flaw::OldClaim;
        }
        let record = &mut s.target[i].records[usize::from(key)];
        let copied = match slot {
            Slot::Read { row, shown } => self.copy_row(record, self.placed(row, i), shown),
            Slot::Tested { row, insert } => {
                record.row = if insert { row } else { record.row };
                Copied::Settled
            }
            _ => return None,
        };
        match copied {
            Copied::Settled => {}
            Copied::UndidRepair => s.flaw = Flaw::UndidRepair,
            Copied::Later => {
                s.workers[w].slots[usize::from(key)] = Slot::Todo;
                s.free_lock(key, w);
                return Some(());
            }
        }
        self.count_written(s, w, key, i);
        let progress = s.workers[w].progress(&range, i);
        let range = s.target[i].ranges[worker.range].as_mut()?;
        range.progress = progress;
        range.batches += 1;
        s.workers[w].left[i] = range.batches;
        Some(())
    }

    /// Writes what was read into one record.
    fn copy_row(&self, record: &mut Record, row: Option<Row>, shown: Version) -> Copied {
        let Some(row) = row else {
            return self.copy_absence(record, shown);
        };
        let source_version = self.config.row_versions.then_some(row.version);
        match self.config.copy(record, source_version) {
            Copy::InsertIfAbsent if record.row.is_none() => {
                let undid_repair = row.version < record.removed_at;
                record.row = Some(row);
                if self.config.changes == Changes::Add && self.config.has(Part::CopyGuard) {
                    self.leave_guard(record, row.version, Kind::Present);
                }
                if undid_repair { Copied::UndidRepair } else { Copied::Settled }
            }
            Copy::Overwrite => {
                record.row = Some(row);
                self.leave_guard(record, row.version, Kind::Present);
                Copied::Settled
            }
            Copy::Later => Copied::Later,
            Copy::InsertIfAbsent | Copy::Skip => Copied::Settled,
        }
    }

    /// Notes a key as written on an instance, and everywhere if it was the last.
    fn count_written(&self, s: &mut State, w: usize, key: Key, i: usize) {
        let worker = &mut s.workers[w];
        let written = &mut worker.written[usize::from(key)];
        written[i] = true;
        if written[..self.config.instances].iter().all(|written| *written) {
            *written = [false; INSTANCES_MAX];
            // Without a lock there is nothing to release.
            let unlocked = self.config.lock == Lock::Noise;
            worker.slots[usize::from(key)] = if unlocked { Slot::Done } else { Slot::Written };
        }
    }

    /// Releases the lock of a key that is written everywhere.
    pub(crate) fn release(&self, s: &mut State, w: usize, key: Key) -> Option<()> {
        let slot = &mut s.workers[w].slots[usize::from(key)];
        (*slot == Slot::Written).then_some(())?;
        *slot = Slot::Done;
        s.free_lock(key, w);
        Some(())
    }

    /// Writes into one record that the source has no such row.
    fn copy_absence(&self, record: &mut Record, shown: Version) -> Copied {
        match (protocol::copy_absent(record.guard.as_ref(), &shown), record.guard) {
            (CopyAbsent::Remove, Some(dirty)) => {
                record.row = None;
                self.leave_guard(record, dirty.version, Kind::Deleted);
                Copied::Settled
            }
            (CopyAbsent::Later, _) => Copied::Later,
            (CopyAbsent::Skip | CopyAbsent::Remove, _) => Copied::Settled,
        }
    }

    /// Leaves a guard, which no repair that read before it may overrule.
    fn leave_guard(&self, record: &mut Record, version: Version, kind: Kind) {
        record.guard = Some(Guard { version, kind });
        record.leased &= !self.config.has(Part::CopyEndsLease);
    }
}

impl Worker {
    /// The progress on one instance: before the lowest key that is not committed there, whether it
    /// was put off or is in flight.
    fn progress(&self, range: &Range<Owner, Key>, i: usize) -> Progress<Key> {
        let mut progress = Progress::Start;
        for (key, (slot, written)) in (0u8..).zip(self.slots.iter().zip(&self.written)) {
            if !range.contains(&key) {
                continue;
            }
            if !(written[i] || matches!(slot, Slot::Written | Slot::Done)) {
                return progress;
            }
            progress = Progress::After(key);
        }
        Progress::End
    }
}

impl State {
    /// Releases a lock, if it is still this worker's.
    fn free_lock(&mut self, key: Key, worker: usize) {
        let holder = &mut self.locks[usize::from(key)];
        if *holder == Holder::Worker(worker) {
            *holder = Holder::Nobody;
        }
    }
}

/// What became of a row that was copied into a record.
enum Copied {
    Settled,
    Later,
    UndidRepair,
}

//! Everything that can happen, and who does it.

use crate::config::Lock;
use crate::source::{Change, Key, Position};
use crate::state::{ConsumerStep, PROCESSES, RepairStep, Slot, State, WorkerStep};
use crate::system::System;

/// One step of the world. Each is atomic; everything else may come between two of them.
///
/// A process that pauses is one that is not chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The application commits a change to the source.
    Change(Change),
    /// A committed change reaches the queue.
    Emit(u8),
    /// Readers of the source see one more change.
    Show,

    /// A consumer chooses the number of its claim; a second one if the first pauses.
    Assign(usize),
    /// It claims the partition on the next instance.
    ClaimPartition(usize),
    /// It polls a batch of so many changes.
    Poll(usize, u8),
    /// An idle consumer looks whether the instances are still where it left them.
    Look(usize),
    /// It writes what it cannot decode to the dead-letter store.
    Bury(usize),
    /// It finds the locks of its batch free, or takes them where both sides do.
    PassLocks(usize),
    /// It has waited long enough.
    RevokeLocks(usize),
    /// It applies its batch on an instance.
    Apply(usize, usize),
    /// It commits the offset.
    CommitOffset(usize),

    /// A worker chooses the number of its claim to a range; a second one if the first pauses.
    Claim(usize, usize),
    /// It claims the range on the next instance.
    ClaimRange(usize),
    /// It takes the lock of a key, or goes on without it.
    LockKey(usize, Key),
    /// It reads a key in the source.
    Read(usize, Key),
    /// It tests the guard, where that is a step of its own.
    Test(usize, Key),
    /// It writes a key to an instance.
    Write(usize, Key, usize),
    /// It releases the lock of a key.
    Release(usize, Key),
    /// It marks its range as done on the next instance.
    Finish(usize),

    /// Somebody wants a record repaired.
    WantRepair(usize, Key),
    /// A dead letter is replayed on an instance, as its record's guard says.
    Replay(Position, usize),
    /// A dead letter is replayed on an instance by a repair, whatever the guard says.
    ReplayByRepair(Position, usize),
    /// The repair places its lease.
    PlaceLease,
    /// The repair reads the source.
    ReadForRepair,
    /// The repair writes.
    WriteRepair,

    /// The guard of a record is purged on an instance.
    Purge(Key, usize),
    /// The range is split on an instance.
    Split(usize),

    /// The lease of a dead process runs out.
    Expire(Key),
    /// The lease of a living one runs out: it pauses, or a clock jumps.
    ExpireEarly(Key),
    /// The lock store forgets everything.
    Wipe,
    /// A worker dies.
    CrashWorker(usize),
    /// A consumer dies.
    CrashConsumer(usize),
    /// The repair dies.
    CrashRepair,
    /// A consumer polls again from an earlier offset.
    Rewind(usize, Position),
    /// An instance makes durable what it has.
    Sync(usize),
    /// An instance goes back to what it made durable.
    LoseTail,
}

impl Action {
    /// Whether it happens by itself, sooner or later, once the application and the operator rest
    /// and nothing goes wrong any more. In `before`, since a claim is a takeover only there.
    pub(crate) fn is_ordinary(self, before: &State) -> bool {
        match self {
            Self::Change(_)
            | Self::Purge(..)
            | Self::ExpireEarly(_)
            | Self::Wipe
            | Self::CrashWorker(_)
            | Self::CrashConsumer(_)
            | Self::CrashRepair
            | Self::Rewind(..)
            | Self::Sync(_)
            | Self::LoseTail => false,
            Self::Assign(consumer) => !before.is_rebalance(consumer),
            Self::Claim(worker, range) => !before.is_takeover(worker, range),
            Self::WantRepair(instance, key) => before.is_wrong(instance, key),
            Self::Split(instance) => before.is_catching_up_split(instance),
            _ => true,
        }
    }
}

impl System {
    /// Lists what might happen next; [`act`](Self::act) knows what can.
    pub(crate) fn list_actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.list_source(state, actions);
        for process in 0..PROCESSES {
            self.list_consumer(state, process, actions);
            self.list_worker(state, process, actions);
        }
        self.list_repair(state, actions);
        self.list_chores(state, actions);
        self.list_faults(state, actions);
    }

    fn list_source(&self, state: &State, actions: &mut Vec<Action>) {
        if state.source.made() < self.config.change_count {
            actions.extend(self.changes.iter().copied().map(Action::Change));
            if state.faults.poison > 0 {
                let unreadable = self.changes.iter().map(|c| Change { decodable: false, ..*c });
                actions.extend(unreadable.map(Action::Change));
            }
        }
        if self.config.reordered {
            actions.extend((0..state.source.made()).map(Action::Emit));
        }
        if self.config.source_lags {
            actions.push(Action::Show);
        }
    }

    fn list_consumer(&self, state: &State, c: usize, actions: &mut Vec<Action>) {
        let consumer = &state.consumers[c];
        match consumer.step {
            ConsumerStep::Standby => actions.push(Action::Assign(c)),
            ConsumerStep::Claiming => actions.push(Action::ClaimPartition(c)),
            ConsumerStep::Ready => {
                actions.extend((1..=self.config.live_batch).map(|size| Action::Poll(c, size)));
                actions.push(Action::Look(c));
                if state.faults.rewind > 0 {
                    actions.extend((0..consumer.from).map(|to| Action::Rewind(c, to)));
                }
            }
            ConsumerStep::Polled => {
                actions.push(Action::PassLocks(c));
                if self.config.lock == Lock::Revocable {
                    actions.push(Action::RevokeLocks(c));
                }
            }
            ConsumerStep::Applying => {
                actions.extend((0..self.config.instances).map(|i| Action::Apply(c, i)));
                if self.config.faults.poison > 0 {
                    actions.push(Action::Bury(c));
                }
                actions.push(Action::CommitOffset(c));
            }
        }
    }

    fn list_worker(&self, state: &State, w: usize, actions: &mut Vec<Action>) {
        let worker = &state.workers[w];
        match worker.step {
            WorkerStep::Idle => {
                actions.extend((0..usize::from(self.config.keys)).map(|r| Action::Claim(w, r)));
            }
            WorkerStep::Claiming => actions.push(Action::ClaimRange(w)),
            WorkerStep::Copying => {
                for key in self.keys() {
                    match worker.slots[usize::from(key)] {
                        Slot::Todo => actions.push(Action::LockKey(w, key)),
                        Slot::Locked => actions.push(Action::Read(w, key)),
                        Slot::Read { .. } => {
                            let instances = 0..self.config.instances;
                            actions.extend(instances.map(|i| Action::Write(w, key, i)));
                            actions.push(Action::Test(w, key));
                        }
                        Slot::Tested { .. } => actions.push(Action::Write(w, key, 0)),
                        Slot::Written => actions.push(Action::Release(w, key)),
                        Slot::Done => {}
                    }
                }
                actions.push(Action::Finish(w));
            }
        }
    }

    fn list_repair(&self, state: &State, actions: &mut Vec<Action>) {
        match state.repair.step {
            RepairStep::Idle => {
                for instance in 0..self.config.instances {
                    if state.chores.repairs > 0 || self.config.wrong_target {
                        actions.extend(self.keys().map(|key| Action::WantRepair(instance, key)));
                    }
                    if state.letters != 0 {
                        let letters = 0..state.source.end();
                        actions.extend(letters.flat_map(|position| {
                            [
                                Action::Replay(position, instance),
                                Action::ReplayByRepair(position, instance),
                            ]
                        }));
                    }
                }
            }
            RepairStep::Wanted => actions.push(Action::PlaceLease),
            RepairStep::Leased { .. } => actions.push(Action::ReadForRepair),
            RepairStep::Read { .. } => actions.push(Action::WriteRepair),
        }
    }

    fn list_chores(&self, state: &State, actions: &mut Vec<Action>) {
        for instance in 0..self.config.instances {
            if state.chores.purges > 0 {
                actions.extend(self.keys().map(|key| Action::Purge(key, instance)));
            }
            if self.config.chores.splits > 0 {
                actions.push(Action::Split(instance));
            }
        }
    }

    fn list_faults(&self, state: &State, actions: &mut Vec<Action>) {
        let faults = &state.faults;
        if self.config.lock != Lock::Noise {
            for key in self.keys() {
                actions.extend([Action::Expire(key), Action::ExpireEarly(key)]);
            }
            actions.push(Action::Wipe);
        }
        for process in 0..PROCESSES {
            if faults.worker_crash > 0 {
                actions.push(Action::CrashWorker(process));
            }
            if faults.consumer_crash > 0 {
                actions.push(Action::CrashConsumer(process));
            }
        }
        if faults.repair_crash > 0 {
            actions.push(Action::CrashRepair);
        }
        if faults.lost_tail > 0 {
            actions.extend((0..self.config.instances).map(Action::Sync));
            actions.push(Action::LoseTail);
        }
    }

    /// Does one step; `None` if it cannot be done in this state.
    pub(crate) fn act(&self, s: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Change(change) => self.change(s, change),
            Action::Emit(index) => s.source.emit(index),
            Action::Show => s.source.show(),
            Action::Assign(c) => self.assign(s, c),
            Action::ClaimPartition(c) => self.claim_partition(s, c),
            Action::Poll(c, size) => self.poll(s, c, size),
            Action::Look(c) => self.look(s, c),
            Action::Bury(c) => self.bury(s, c),
            Action::PassLocks(c) => self.pass_locks(s, c),
            Action::RevokeLocks(c) => self.revoke_locks(s, c),
            Action::Apply(c, i) => self.apply(s, c, i),
            Action::CommitOffset(c) => self.commit_offset(s, c),
            Action::Claim(w, range) => self.claim(s, w, range),
            Action::ClaimRange(w) => self.claim_range(s, w),
            Action::LockKey(w, key) => self.lock_key(s, w, key),
            Action::Read(w, key) => self.read(s, w, key),
            Action::Test(w, key) => self.test(s, w, key),
            Action::Write(w, key, i) => self.write(s, w, key, i),
            Action::Release(w, key) => self.release(s, w, key),
            Action::Finish(w) => self.finish_range(s, w),
            Action::WantRepair(i, key) => self.want_repair(s, i, key),
            Action::Replay(position, i) => self.replay(s, position, i),
            Action::ReplayByRepair(position, i) => self.replay_by_repair(s, position, i),
            Action::PlaceLease => self.place_lease(s),
            Action::ReadForRepair => self.read_for_repair(s),
            Action::WriteRepair => self.write_repair(s),
            Action::Purge(key, i) => self.purge(s, key, i),
            Action::Split(i) => self.split(s, i),
            fault => self.fault(s, fault),
        }
    }
}

//! The state of the whole world: source, queue, target instances, lock store and processes.

use crate::config::{Chores, Faults};
use crate::source::{KEYS_MAX, Key, Position, Row, Source, Version};
use crate::target::{INSTANCES_MAX, Instance, NOBODY, Owner, Target};
use migration::position::Generation;

/// Consumers there are, and backfill workers at most.
pub const PROCESSES: usize = 2;

/// One state of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    pub(crate) source: Source,
    pub(crate) target: Target,
    /// What one instance goes back to if it loses its tail.
    pub(crate) durable: Option<Durable>,
    pub(crate) locks: [Holder; KEYS_MAX],
    /// By position: whether the dead-letter store holds a letter.
    pub(crate) letters: u8,
    pub(crate) workers: [Worker; PROCESSES],
    pub(crate) consumers: [Consumer; PROCESSES],
    pub(crate) repair: Repair,
    /// What may still go wrong.
    pub(crate) faults: Faults,
    /// What an operator may still do.
    pub(crate) chores: Chores,
    pub(crate) flaw: Flaw,
}

/// A wrong that a step did, kept where the state alone does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Flaw {
    None,
    /// A write under an old claim reached the target.
    OldClaim,
    /// The copy brought back what a repair had removed.
    UndidRepair,
}

/// An earlier state of an instance that would survive the loss of its tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Durable {
    pub(crate) instance: usize,
    pub(crate) state: Instance,
}

/// Who holds a key lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Holder {
    Nobody,
    Worker(usize),
    Consumer(usize),
    /// A process that died: the lease runs out.
    Dead,
}

/// What a process does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum WorkerStep {
    /// Chooses the number of a claim.
    #[default]
    Idle,
    /// Claims it on the next instance.
    Claiming,
    /// Locks, reads, writes and releases keys.
    Copying,
}

/// What a worker has done with one key of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Slot {
    /// Nothing yet, or put off.
    #[default]
    Todo,
    /// It holds the lock, or has tried often enough.
    Locked,
    /// It has read the source, and writes to the instances.
    Read { row: Option<Row>, shown: Version },
    /// It has tested the guard of the only instance: without the atomic test.
    Tested { row: Option<Row>, insert: bool },
    /// It has written everywhere.
    Written,
    /// It has released the lock.
    Done,
}

/// A backfill worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Worker {
    pub(crate) step: WorkerStep,
    /// The place of its range.
    pub(crate) range: usize,
    /// The number of its claim.
    pub(crate) number: u64,
    /// The next instance to claim or to finish.
    pub(crate) next: usize,
    /// By instance: the count of batches it left there.
    pub(crate) left: [u64; INSTANCES_MAX],
    pub(crate) slots: [Slot; KEYS_MAX],
    /// By key and instance: what is written there and not yet everywhere.
    pub(crate) written: [[bool; INSTANCES_MAX]; KEYS_MAX],
}

/// What a consumer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum ConsumerStep {
    /// Chooses the number of a claim, if nobody has the partition.
    #[default]
    Standby,
    /// Claims it on the next instance.
    Claiming,
    /// Polls.
    Ready,
    /// Waits for the locks of the batch, or revokes them.
    Polled,
    /// Applies the batch on every instance, then commits the offset.
    Applying,
}

/// A consumer of the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Consumer {
    pub(crate) step: ConsumerStep,
    /// The number of its claim.
    pub(crate) number: u64,
    /// The next instance to claim.
    pub(crate) next: usize,
    /// Where its batch, or its next poll, begins.
    pub(crate) from: Position,
    /// Where its batch ends.
    pub(crate) to: Position,
    /// By instance: whether the batch is applied there.
    pub(crate) applied: [bool; INSTANCES_MAX],
}

/// What the repair does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RepairStep {
    /// Nothing is to be repaired.
    Idle,
    /// Places its lease.
    Wanted,
    /// Waits for the source to show what lies before `barrier`, and reads.
    Leased { barrier: Position },
    /// Writes what it read, if it may.
    Read { row: Option<Row>, shown: Version },
}

/// The repair of one record on one instance, of `verify repair` or of the replay of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Repair {
    pub(crate) step: RepairStep,
    pub(crate) instance: usize,
    pub(crate) key: Key,
    pub(crate) letter: Option<Position>,
}

impl Repair {
    pub(crate) const IDLE: Self =
        Self { step: RepairStep::Idle, instance: 0, key: 0, letter: None };
}

/// The owner that a process writes into its claims.
pub(crate) fn owner_of(process: usize) -> Owner {
    [1, 2][process]
}

impl State {
    /// A worker's claim.
    pub(crate) fn epoch(&self, worker: usize) -> Generation<Owner> {
        Generation { number: self.workers[worker].number, owner: owner_of(worker) }
    }

    /// A consumer's claim.
    pub(crate) fn generation(&self, consumer: usize) -> Generation<Owner> {
        Generation { number: self.consumers[consumer].number, owner: owner_of(consumer) }
    }

    /// Every instance as it is, and as it may come back.
    pub(crate) fn instances_and_durable(&mut self) -> impl Iterator<Item = &mut Instance> {
        let durable = self.durable.as_mut().map(|durable| &mut durable.state);
        self.target.iter_mut().chain(durable)
    }

    /// Lets a worker give up its range. Its claim stays in the target; its locks stay behind only
    /// if it died.
    pub(crate) fn retire_worker(&mut self, worker: usize, locks: Holder) {
        self.workers[worker] = Worker::default();
        self.hand_over_locks(Holder::Worker(worker), locks);
        let owner = owner_of(worker);
        for range in self.instances_and_durable().flat_map(|i| i.ranges.iter_mut().flatten()) {
            if range.epoch.owner == owner {
                range.epoch.owner = NOBODY;
            }
        }
    }

    /// Lets a consumer give up the partition.
    pub(crate) fn retire_consumer(&mut self, consumer: usize, locks: Holder) {
        self.consumers[consumer] = Consumer::default();
        self.hand_over_locks(Holder::Consumer(consumer), locks);
        let owner = owner_of(consumer);
        for instance in self.instances_and_durable() {
            if instance.partition.generation.owner == owner {
                instance.partition.generation.owner = NOBODY;
            }
        }
    }

    fn hand_over_locks(&mut self, from: Holder, to: Holder) {
        for holder in self.locks.iter_mut().filter(|holder| **holder == from) {
            *holder = to;
        }
    }

    /// Ends the lease of the repair that is under way, also where a lost tail would bring it back:
    /// the next repair places another.
    pub(crate) fn end_lease(&mut self) {
        for record in self.instances_and_durable().flat_map(|i| i.records.iter_mut()) {
            record.leased = false;
        }
    }
}

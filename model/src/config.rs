//! What one run of the checker explores: how large the world is, what may go wrong in it, and
//! which part of the protocol is taken away.

/// One configuration of the model.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is peculiar about it.
    pub name: &'static str,
    /// What the run must show.
    pub expect: Expect,
    /// Whether it belongs to the subset that runs with every test.
    pub in_subset: bool,

    /// Source keys, at most [`KEYS_MAX`](crate::KEYS_MAX).
    pub keys: u8,
    /// Target instances, at most [`INSTANCES_MAX`](crate::INSTANCES_MAX).
    pub instances: usize,
    /// Backfill workers, at most [`PROCESSES`](crate::PROCESSES). There are always as many
    /// consumers.
    pub workers: usize,
    /// Where the target record of a source row lies.
    pub layout: Layout,
    /// What the application does to a row.
    pub changes: Changes,
    /// Changes it makes, at most [`CHANGES_MAX`](crate::CHANGES_MAX).
    pub change_count: u8,
    /// How many of them may lie before the start position: made, and perhaps not yet shown.
    pub before_start: u8,
    /// Whether the source shows a change later than the queue delivers it.
    pub source_lags: bool,
    /// Whether a source row tells its version.
    pub row_versions: bool,
    /// Whether the queue may deliver changes in another order than they were committed.
    pub reordered: bool,
    /// Which of double write and history comes first.
    pub order: Order,
    /// What becomes of the key lock.
    pub lock: Lock,
    /// Most changes in one batch of the live path.
    pub live_batch: u8,
    /// Most batches of the copy that one worker has read and not yet written everywhere.
    pub in_flight: usize,
    /// Whether the target starts with the history copied and one record wrong.
    pub wrong_target: bool,

    /// What may go wrong, and how often.
    pub faults: Faults,
    /// What an operator may do, and how often.
    pub chores: Chores,
    /// What is taken away from the protocol.
    pub without: &'static [Part],
}

/// What a run must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Every property holds, in every state; and rest is reachable from each, where searched.
    Pass,
    /// The property of this name is violated.
    Fail(&'static str),
    /// Every property holds, but from some states rest is not reachable.
    Stuck,
}

/// Where the target record of a source row lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A copy on every instance: the edge that is stored twice.
    Twice,
    /// On the instance that the row's content names: a change may move it, and no before-image
    /// says where it was, so the others get a tombstone.
    Moved,
}

/// What the application does to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// Sets and deletes.
    Set,
    /// Commands, and deletes: a value is the multiset of the commands in it, so that a lost and a
    /// doubled one both show.
    Add,
}

/// Which of double write and history comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Both at once.
    DualWrite,
    /// The queue is consumed only once the history is copied.
    CatchUp,
}

/// What becomes of the key lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Nobody honours it: every behaviour of a real lock store is one of these.
    Noise,
    /// The protocol's: a worker holds it, the live path waits and then revokes.
    Revocable,
    /// Both sides hold it, and each waits for the other: what the protocol replaces.
    Blocking,
}

/// How often each fault may happen in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Faults {
    /// The lease of a key lock runs out under its holder.
    pub expiry: u8,
    /// The lock store forgets everything.
    pub wipe: u8,
    /// A backfill worker dies.
    pub worker_crash: u8,
    /// A second worker claims a range while the first is only paused.
    pub takeover: u8,
    /// A consumer dies.
    pub consumer_crash: u8,
    /// A second consumer claims the partition while the first is only paused.
    pub rebalance: u8,
    /// A consumer polls again from an earlier offset.
    pub rewind: u8,
    /// An instance goes back to an earlier durable state.
    pub lost_tail: u8,
    /// A repair dies between its steps.
    pub repair_crash: u8,
    /// A message cannot be decoded.
    pub poison: u8,
}

/// How often each optional piece of operation may happen in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Chores {
    /// The guard of one record is purged on one instance.
    pub purges: u8,
    /// The range is split.
    pub splits: u8,
    /// Any record is repaired at any moment.
    pub repairs: u8,
}

/// A part of the protocol that a configuration may take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The guard of a record: without it the copy inserts wherever there is no row, and every live
    /// change is applied.
    Guard,
    /// A live delete leaves its guard.
    Tombstones,
    /// The guard is tested in the step of the write; without, in a step before it.
    AtomicTest,
    /// A change is older where its version says so; without, where it was polled earlier.
    Versions,
    /// Two claims of one number are told apart by their owners.
    Owners,
    /// A worker's epoch is tested in the step of its write.
    EpochFence,
    /// A takeover raises the range's epoch; without, both workers share it.
    EpochOfTakeover,
    /// `done` and a purge raise the range's epoch.
    EpochOfPurge,
    /// Nothing is copied into a range that is done.
    DoneFence,
    /// A worker tests in the step that nothing it wrote is lost, and finish that it is at the end.
    ProgressTest,
    /// It does so by counting batches; without, by the progress alone.
    BatchCount,
    /// A consumer's generation is tested in the step of its write.
    GenerationFence,
    /// A consumer without changes to apply looks at the fences all the same.
    IdleLook,
    /// A batch that begins after the partition's `next` is refused.
    GapTest,
    /// Changes before `next` are passed over.
    NextFilter,
    /// `next` never goes back.
    NextMax,
    /// Positions and ranges lie in the target and are lost with its tail.
    PositionsInTarget,
    /// The copy reads nothing before the source shows the start position.
    StartBarrier,
    /// A repair writes only while its lease stands.
    LeaseTest,
    /// A repair reads only what shows everything that was applied when its lease was placed.
    RepairBarrier,
    /// A dead letter whose record has no guard is replayed by a repair.
    ReplayByRepair,
    /// A replayed dead letter waits for the source to show it, too.
    LetterBarrier,
    /// A repair leaves a guard even where nobody names a version.
    RepairGuard,
    /// A dead letter is durable before the position passes it.
    LetterFirst,
    /// That a dead letter was replayed is noted in the target, in the step of the replay.
    LetterInTarget,
    /// Nothing is purged while a dead letter is open.
    PurgeAfterLetters,
    /// Nothing is purged before `next` has passed it.
    PurgeAfterNext,
    /// A command that finds no base leaves a dirty guard.
    DirtyMark,
    /// A range is not done while a guard in it is dirty.
    DirtyTest,
    /// A copied counter leaves a guard with the source's version.
    CopyGuard,
    /// A copy that leaves a guard ends the lease of a repair.
    CopyEndsLease,
}

impl Config {
    /// Whether a part of the protocol is in force.
    pub(crate) fn has(&self, part: Part) -> bool {
        !self.without.contains(&part)
    }
}

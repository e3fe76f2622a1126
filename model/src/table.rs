//! The configurations.

mod broken;
mod commands;
mod fences;
mod whole;

use crate::config::{Changes, Chores, Config, Expect, Faults, Layout, Lock, Order, Part};
use crate::state::PROCESSES;

/// Every configuration, in the order they are run: what must hold first, then what must break.
#[must_use]
pub fn configurations() -> Vec<Config> {
    let mut all = whole::configurations();
    all.extend(fences::configurations());
    all.extend(commands::configurations());
    all.extend(broken::configurations());
    all
}

/// No fault.
const QUIET: Faults = Faults {
    expiry: 0,
    wipe: 0,
    worker_crash: 0,
    takeover: 0,
    consumer_crash: 0,
    rebalance: 0,
    rewind: 0,
    lost_tail: 0,
    repair_crash: 0,
    poison: 0,
};

/// Each fault of the processes once.
const PROCESS_FAULTS: Faults =
    Faults { worker_crash: 1, takeover: 1, consumer_crash: 1, rebalance: 1, rewind: 1, ..QUIET };

/// Both sides run twice: nobody dies, each is only paused while another takes over.
const ZOMBIES: Faults = Faults { takeover: 1, rebalance: 1, ..QUIET };

/// What a lock that lives outside the target leaves of the protocol: it is all there is.
const PLAIN_LOCK: &[Part] =
    &[Part::Guard, Part::GenerationFence, Part::NextFilter, Part::EpochFence];

/// Nothing optional.
const NO_CHORES: Chores = Chores { purges: 0, splits: 0, repairs: 0 };

/// One key, one instance, three changes, nothing goes wrong; the lock is noise.
pub(crate) fn protocol(name: &'static str) -> Config {
    Config {
        name,
        expect: Expect::Pass,
        in_subset: false,
        keys: 1,
        instances: 1,
        workers: PROCESSES,
        layout: Layout::Twice,
        changes: Changes::Set,
        change_count: 3,
        before_start: 0,
        source_lags: false,
        row_versions: false,
        reordered: false,
        order: Order::DualWrite,
        lock: Lock::Noise,
        live_batch: 1,
        in_flight: 1,
        wrong_target: false,
        faults: QUIET,
        chores: NO_CHORES,
        without: &[],
    }
}

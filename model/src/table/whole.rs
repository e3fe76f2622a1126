//! The protocol as it is: every property must hold.

use super::{PROCESS_FAULTS, QUIET, ZOMBIES, protocol};
use crate::config::{Chores, Config, Faults, Layout, Lock, Order};

pub(super) fn configurations() -> Vec<Config> {
    let mut all = locks();
    all.extend(one_instance());
    all.extend(batches());
    all.extend(lost_tails());
    all.extend(instances());
    all.extend(purges_and_splits());
    all.extend(repairs());
    all.extend(letters());
    all
}

/// The key lock as the protocol uses it. Every other configuration ignores it altogether, which
/// covers all that a lock store may do; these show the steps themselves.
fn locks() -> Vec<Config> {
    let locked = |name| Config { lock: Lock::Revocable, ..protocol(name) };
    vec![
        Config {
            in_subset: true,
            faults: Faults { expiry: 1, wipe: 1, worker_crash: 1, takeover: 1, ..QUIET },
            ..locked("lock revoked; expiry, wipe, worker crash, takeover")
        },
        Config {
            faults: Faults { wipe: 1, consumer_crash: 1, rebalance: 1, rewind: 1, ..QUIET },
            ..locked("lock revoked; wipe, consumer crash, rebalance, rewind")
        },
        Config {
            source_lags: true,
            faults: Faults { expiry: 1, ..ZOMBIES },
            ..locked("lock revoked, S lags; expiry, takeover, rebalance")
        },
    ]
}

fn one_instance() -> Vec<Config> {
    vec![
        Config { faults: PROCESS_FAULTS, ..protocol("every fault of the processes") },
        Config {
            source_lags: true,
            faults: PROCESS_FAULTS,
            ..protocol("S lags; every fault of the processes")
        },
        Config {
            change_count: 4,
            source_lags: true,
            faults: ZOMBIES,
            ..protocol("S lags, 4 changes; takeover, rebalance")
        },
        Config {
            reordered: true,
            faults: Faults { rewind: 1, ..ZOMBIES },
            ..protocol("queue out of order; takeover, rebalance, rewind")
        },
        Config {
            reordered: true,
            source_lags: true,
            faults: ZOMBIES,
            ..protocol("queue out of order, S lags; takeover, rebalance")
        },
        Config {
            order: Order::CatchUp,
            source_lags: true,
            faults: PROCESS_FAULTS,
            ..protocol("catch-up order, S lags; every fault of the processes")
        },
        Config {
            in_subset: true,
            before_start: 1,
            source_lags: true,
            faults: ZOMBIES,
            ..protocol("a change before the start, S lags; takeover, rebalance")
        },
    ]
}

fn batches() -> Vec<Config> {
    vec![
        Config {
            live_batch: 2,
            source_lags: true,
            faults: Faults { rewind: 1, ..ZOMBIES },
            ..protocol("live batches of 2, S lags; takeover, rebalance, rewind")
        },
        Config {
            keys: 2,
            in_flight: 2,
            faults: ZOMBIES,
            ..protocol("2 keys, 2 batches in flight; takeover, rebalance")
        },
    ]
}

fn lost_tails() -> Vec<Config> {
    let lost = Faults { lost_tail: 1, ..QUIET };
    vec![
        Config {
            change_count: 2,
            source_lags: true,
            faults: Faults { takeover: 1, rebalance: 1, ..lost },
            ..protocol("S lags; lost tail, takeover, rebalance")
        },
        Config {
            keys: 2,
            in_flight: 2,
            change_count: 2,
            faults: Faults { takeover: 1, ..lost },
            ..protocol("2 keys, 2 batches in flight; lost tail, takeover")
        },
    ]
}

fn instances() -> Vec<Config> {
    let twice = |name| Config { instances: 2, ..protocol(name) };
    let moved = |name| Config { layout: Layout::Moved, ..twice(name) };
    vec![
        Config {
            change_count: 2,
            faults: Faults { rewind: 0, ..PROCESS_FAULTS },
            ..twice("2 instances, stored twice; crashes, takeover, rebalance")
        },
        Config {
            source_lags: true,
            faults: Faults { worker_crash: 1, consumer_crash: 1, ..QUIET },
            ..moved("2 instances, rows move, S lags; crashes")
        },
        Config {
            change_count: 1,
            faults: Faults { lost_tail: 1, takeover: 1, ..QUIET },
            ..moved("2 instances, rows move; lost tail, takeover")
        },
        Config {
            change_count: 2,
            faults: Faults { lost_tail: 1, rebalance: 1, ..QUIET },
            ..moved("2 instances, rows move; lost tail, rebalance")
        },
        Config {
            in_subset: true,
            keys: 2,
            in_flight: 2,
            change_count: 1,
            faults: Faults { lost_tail: 1, ..QUIET },
            ..twice("2 instances, 2 keys, 2 batches in flight; lost tail")
        },
    ]
}

fn purges_and_splits() -> Vec<Config> {
    let purge = Chores { purges: 1, ..Chores::default() };
    let split = |name| Config {
        keys: 2,
        chores: Chores { splits: 1, ..Chores::default() },
        ..protocol(name)
    };
    vec![
        Config {
            source_lags: true,
            chores: Chores { purges: 2, ..purge },
            faults: Faults { rewind: 1, ..ZOMBIES },
            ..protocol("purge, S lags; takeover, rebalance, rewind")
        },
        Config {
            in_subset: true,
            source_lags: true,
            chores: purge,
            faults: Faults { lost_tail: 1, rewind: 1, ..QUIET },
            ..protocol("purge, S lags; lost tail, rewind")
        },
        Config {
            instances: 2,
            layout: Layout::Moved,
            source_lags: true,
            chores: purge,
            faults: Faults { rebalance: 1, ..QUIET },
            ..protocol("purge, 2 instances, rows move, S lags; rebalance")
        },
        Config {
            in_flight: 2,
            change_count: 2,
            faults: Faults { worker_crash: 1, takeover: 1, ..QUIET },
            ..split("split, 2 batches in flight; crash, takeover")
        },
        Config {
            instances: 2,
            workers: 1,
            change_count: 1,
            faults: Faults { lost_tail: 1, ..QUIET },
            ..split("split, 2 instances, one worker; lost tail")
        },
    ]
}

fn repairs() -> Vec<Config> {
    let repaired =
        |name| Config { chores: Chores { repairs: 1, ..Chores::default() }, ..protocol(name) };
    let wrong = |name| Config { wrong_target: true, source_lags: true, ..protocol(name) };
    vec![
        Config {
            faults: Faults { repair_crash: 1, ..ZOMBIES },
            ..repaired("repair beside copy and live; takeover, rebalance, repair crash")
        },
        Config {
            source_lags: true,
            faults: ZOMBIES,
            ..repaired("repair beside copy and live, S lags; takeover, rebalance")
        },
        Config {
            source_lags: true,
            chores: Chores { purges: 1, repairs: 1, splits: 0 },
            faults: Faults { rebalance: 1, rewind: 1, ..QUIET },
            ..repaired("repair and purge, S lags; rebalance, rewind")
        },
        Config {
            in_subset: true,
            faults: Faults { repair_crash: 1, rebalance: 1, ..QUIET },
            ..wrong("repair of a wrong target, S lags; rebalance, repair crash")
        },
        Config {
            change_count: 2,
            faults: Faults { lost_tail: 1, rebalance: 1, ..QUIET },
            ..wrong("repair of a wrong target, S lags; lost tail, rebalance")
        },
    ]
}

fn letters() -> Vec<Config> {
    let poison = Faults { poison: 1, ..QUIET };
    vec![
        Config {
            source_lags: true,
            faults: Faults { consumer_crash: 1, rebalance: 1, ..poison },
            ..protocol("dead letter, S lags; consumer crash, rebalance")
        },
        Config {
            in_subset: true,
            source_lags: true,
            chores: Chores { purges: 1, ..Chores::default() },
            faults: Faults { rewind: 1, repair_crash: 1, ..poison },
            ..protocol("dead letter and purge, S lags; rewind, repair crash")
        },
        Config {
            change_count: 2,
            faults: Faults { lost_tail: 1, consumer_crash: 1, takeover: 1, ..poison },
            ..protocol("dead letter; lost tail, consumer crash, takeover")
        },
        Config {
            instances: 2,
            layout: Layout::Moved,
            change_count: 2,
            faults: Faults { consumer_crash: 1, ..poison },
            ..protocol("dead letter, 2 instances, rows move; consumer crash")
        },
    ]
}

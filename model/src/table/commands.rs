//! Commands: what a counter needs beyond rows that are set as a whole.

use super::{QUIET, ZOMBIES, protocol};
use crate::config::{Changes, Chores, Config, Expect, Faults, Lock, Part};
use crate::properties::{DONE_IS_CLEAN, EQUAL_AT_REST};

pub(super) fn configurations() -> Vec<Config> {
    let mut all = whole();
    all.extend(broken());
    all
}

/// Commands and deletes, on rows that tell their version.
fn commands(name: &'static str) -> Config {
    Config { changes: Changes::Add, row_versions: true, ..protocol(name) }
}

fn whole() -> Vec<Config> {
    vec![
        Config {
            faults: Faults { rewind: 1, ..ZOMBIES },
            ..commands("commands; takeover, rebalance, rewind")
        },
        Config {
            source_lags: true,
            faults: ZOMBIES,
            ..commands("commands, S lags; takeover, rebalance")
        },
        Config {
            in_subset: true,
            change_count: 2,
            source_lags: true,
            faults: Faults { lost_tail: 1, takeover: 1, ..QUIET },
            ..commands("commands, S lags; lost tail, takeover")
        },
        Config {
            instances: 2,
            source_lags: true,
            faults: Faults { worker_crash: 1, consumer_crash: 1, ..QUIET },
            ..commands("commands, 2 instances, S lags; crashes")
        },
        Config {
            chores: Chores { purges: 1, repairs: 1, splits: 0 },
            faults: Faults { rebalance: 1, ..QUIET },
            ..commands("commands, purge, repair; rebalance")
        },
    ]
}

fn broken() -> Vec<Config> {
    let without = |parts, name| Config {
        expect: Expect::Fail(EQUAL_AT_REST),
        in_subset: true,
        without: parts,
        ..commands(name)
    };
    vec![
        Config {
            lock: Lock::Blocking,
            ..without(
                &[Part::Guard, Part::DirtyMark, Part::CopyGuard],
                "commands, plain lock; no fault",
            )
        },
        without(&[Part::DirtyMark], "commands without dirty mark"),
        Config {
            expect: Expect::Fail(DONE_IS_CLEAN),
            source_lags: true,
            ..without(&[Part::DirtyTest], "commands, S lags; done beside a dirty guard")
        },
        without(&[Part::CopyGuard], "commands, copied rows without guard"),
        Config {
            chores: Chores { repairs: 1, ..Chores::default() },
            ..without(&[Part::CopyEndsLease], "commands, copy that leaves a repair its lease")
        },
    ]
}

//! The protocol with a part taken away: a property must break, or the part would not be needed.

use super::{PLAIN_LOCK, QUIET, ZOMBIES, protocol};
use crate::config::{Chores, Config, Expect, Faults, Lock, Order, Part};
use crate::properties::{EQUAL_AT_REST, NOTHING_COMES_BACK, OLD_CLAIMS_ARE_FENCED};

pub(super) fn configurations() -> Vec<Config> {
    let mut all = plain_lock();
    all.extend(guard());
    all.extend(fences());
    all.extend(positions());
    all.extend(repair());
    all.extend(letters());
    all
}

/// A part taken away from the protocol, or several that stand in for each other.
fn without(parts: &'static [Part], breaks: &'static str, name: &'static str) -> Config {
    Config { expect: Expect::Fail(breaks), in_subset: true, without: parts, ..protocol(name) }
}

/// The lock alone, which both sides hold while they write.
fn plain_lock() -> Vec<Config> {
    let locked =
        |name| Config { lock: Lock::Blocking, ..without(PLAIN_LOCK, NOTHING_COMES_BACK, name) };
    vec![
        without(PLAIN_LOCK, NOTHING_COMES_BACK, "no lock, no guard"),
        Config {
            faults: Faults { expiry: 1, ..QUIET },
            ..locked("plain lock, no guard; one expiry")
        },
        Config { faults: Faults { wipe: 1, ..QUIET }, ..locked("plain lock, no guard; one wipe") },
        Config {
            faults: Faults { rebalance: 1, ..QUIET },
            ..locked("plain lock, no guard; one rebalance")
        },
        Config { source_lags: true, ..locked("plain lock, no guard; S lags, no fault") },
    ]
}

fn guard() -> Vec<Config> {
    vec![
        Config {
            lock: Lock::Revocable,
            ..without(&[Part::Guard], NOTHING_COMES_BACK, "no guard, lock revoked, no fault")
        },
        without(&[Part::Tombstones], NOTHING_COMES_BACK, "no tombstones"),
        without(&[Part::AtomicTest], NOTHING_COMES_BACK, "guard tested, then written"),
        Config {
            reordered: true,
            ..without(
                &[Part::Versions],
                NOTHING_COMES_BACK,
                "offset as version, queue out of order",
            )
        },
    ]
}

fn fences() -> Vec<Config> {
    let purge = Chores { purges: 1, ..Chores::default() };
    let rebalance = Faults { rebalance: 1, ..QUIET };
    let takeover = Faults { takeover: 1, ..QUIET };
    vec![
        Config {
            chores: purge,
            faults: takeover,
            ..without(
                &[Part::EpochOfTakeover, Part::EpochOfPurge, Part::DoneFence, Part::ProgressTest],
                NOTHING_COMES_BACK,
                "purge; takeover without epoch, epoch not raised by done and purge",
            )
        },
        Config {
            chores: purge,
            faults: rebalance,
            ..without(
                &[Part::GenerationFence, Part::NextFilter],
                NOTHING_COMES_BACK,
                "purge; no generation fence, changes before next applied again",
            )
        },
        Config {
            chores: purge,
            faults: rebalance,
            ..without(
                &[Part::Owners, Part::NextFilter],
                NOTHING_COMES_BACK,
                "purge; owners not compared, changes before next applied again",
            )
        },
        Config {
            faults: takeover,
            ..without(
                &[Part::EpochFence, Part::ProgressTest],
                OLD_CLAIMS_ARE_FENCED,
                "no epoch fence; takeover",
            )
        },
        Config {
            faults: rebalance,
            ..without(
                &[Part::GenerationFence],
                OLD_CLAIMS_ARE_FENCED,
                "no generation fence; rebalance",
            )
        },
        Config {
            reordered: true,
            chores: purge,
            ..without(
                &[Part::PurgeAfterNext],
                NOTHING_COMES_BACK,
                "purge before next has passed; queue out of order",
            )
        },
    ]
}

fn positions() -> Vec<Config> {
    let lost = Faults { lost_tail: 1, ..QUIET };
    vec![
        Config {
            source_lags: true,
            before_start: 1,
            ..without(&[Part::StartBarrier], EQUAL_AT_REST, "no start barrier, S lags")
        },
        Config {
            source_lags: true,
            before_start: 1,
            order: Order::CatchUp,
            ..without(&[Part::StartBarrier], EQUAL_AT_REST, "no start barrier, S lags, catch-up")
        },
        Config {
            faults: lost,
            ..without(&[Part::PositionsInTarget], EQUAL_AT_REST, "positions outside T; lost tail")
        },
        Config {
            expect: Expect::Stuck,
            faults: lost,
            ..without(&[Part::IdleLook], "", "no look at the fences while idle; lost tail")
        },
        Config {
            keys: 2,
            change_count: 2,
            faults: lost,
            ..without(&[Part::GapTest], EQUAL_AT_REST, "no test for a gap; lost tail")
        },
        Config {
            keys: 2,
            change_count: 1,
            faults: lost,
            ..without(
                &[Part::ProgressTest],
                EQUAL_AT_REST,
                "no test of progress in step and finish; lost tail",
            )
        },
        Config {
            keys: 2,
            in_flight: 2,
            change_count: 1,
            faults: lost,
            ..without(
                &[Part::BatchCount],
                EQUAL_AT_REST,
                "progress instead of batches tested, 2 in flight; lost tail",
            )
        },
        Config {
            instances: 2,
            keys: 2,
            change_count: 1,
            faults: lost,
            ..without(
                &[Part::ProgressTest],
                EQUAL_AT_REST,
                "2 instances, no test of progress; lost tail",
            )
        },
        Config {
            faults: Faults { rewind: 1, ..QUIET },
            chores: Chores { purges: 1, ..Chores::default() },
            ..without(&[Part::NextMax], NOTHING_COMES_BACK, "no max on next, purge; rewind")
        },
    ]
}

fn repair() -> Vec<Config> {
    let repair = Chores { repairs: 1, ..Chores::default() };
    vec![
        Config {
            chores: repair,
            ..without(&[Part::LeaseTest], NOTHING_COMES_BACK, "repair without lease test")
        },
        Config {
            chores: repair,
            source_lags: true,
            ..without(&[Part::RepairBarrier], NOTHING_COMES_BACK, "repair without barrier, S lags")
        },
        Config {
            chores: repair,
            faults: ZOMBIES,
            ..without(&[Part::RepairGuard], NOTHING_COMES_BACK, "repair that leaves no guard")
        },
    ]
}

fn letters() -> Vec<Config> {
    let poison = Faults { poison: 1, ..QUIET };
    vec![
        Config {
            faults: Faults { consumer_crash: 1, ..poison },
            ..without(
                &[Part::LetterFirst],
                EQUAL_AT_REST,
                "dead letter after the position; consumer crash",
            )
        },
        Config {
            faults: Faults { lost_tail: 1, ..poison },
            ..without(
                &[Part::LetterInTarget],
                EQUAL_AT_REST,
                "dead letter closed outside T; lost tail",
            )
        },
        Config {
            source_lags: true,
            faults: poison,
            ..without(
                &[Part::LetterBarrier],
                NOTHING_COMES_BACK,
                "dead letter replayed before S shows it",
            )
        },
        Config {
            chores: Chores { purges: 1, ..Chores::default() },
            faults: Faults { rewind: 1, ..poison },
            ..without(
                &[Part::PurgeAfterLetters, Part::ReplayByRepair],
                NOTHING_COMES_BACK,
                "purge beside a dead letter, replayed like a live change",
            )
        },
    ]
}

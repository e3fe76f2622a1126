//! Parts that stand in for each other: with one of them left, every property must hold.

use super::{PLAIN_LOCK, QUIET, protocol};
use crate::config::{Chores, Config, Faults, Lock, Part};

pub(super) fn configurations() -> Vec<Config> {
    let with = |faults, without, name| Config {
        in_subset: true,
        chores: Chores { purges: 1, ..Chores::default() },
        faults,
        without,
        ..protocol(name)
    };
    let takeover = Faults { takeover: 1, ..QUIET };
    let rebalance = Faults { rebalance: 1, ..QUIET };
    let letter = Faults { poison: 1, rewind: 1, ..QUIET };
    vec![
        Config {
            in_subset: true,
            lock: Lock::Blocking,
            without: PLAIN_LOCK,
            ..protocol("plain lock, no guard; S first, no fault")
        },
        with(
            takeover,
            &[Part::EpochOfTakeover, Part::DoneFence, Part::ProgressTest],
            "purge; takeover without epoch, epoch raised by done and purge",
        ),
        with(
            takeover,
            &[Part::EpochOfTakeover, Part::EpochOfPurge, Part::ProgressTest],
            "purge; takeover without epoch, nothing copied into what is done",
        ),
        with(
            takeover,
            &[Part::EpochOfTakeover, Part::EpochOfPurge, Part::DoneFence],
            "purge; takeover without epoch, batches counted",
        ),
        with(
            rebalance,
            &[Part::GenerationFence],
            "purge; no generation fence, changes before next passed over",
        ),
        with(
            rebalance,
            &[Part::NextFilter],
            "purge; changes before next applied again, generation fence",
        ),
        Config {
            source_lags: true,
            ..with(
                letter,
                &[Part::PurgeAfterLetters],
                "purge beside a dead letter, replayed by a repair",
            )
        },
        Config {
            source_lags: true,
            ..with(
                letter,
                &[Part::ReplayByRepair],
                "purge after the dead letter, replayed like a live change",
            )
        },
        Config { reordered: true, ..with(QUIET, &[], "purge, queue out of order") },
    ]
}

//! The part of the reader that every decision touches.

use super::StageView;
use crate::bucket::FlagHash;
use crate::decide::{Decision, Reason, State, decide_with};
use crate::stage::{Record, Stage};
use crate::whitelist::{Sieve, Whitelist};
use arc_swap::ArcSwapOption;
use migration::clock::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Nanoseconds of the monotonic clock at which the deadline says that the rollback file is there.
const ROLLED_BACK: u64 = 0;

const LOADED: u64 = 1 << 16;
const MIRROR: u64 = 1 << 17;
const WHITELIST: u64 = 1 << 18;
const LATCHED: u64 = 1 << 19;

/// The word of the stage and the deadline until which it may be believed.
///
/// The refresher writes the word, the watcher the deadline; neither waits for the other.
#[derive(Debug, Default)]
pub(super) struct Hot {
    /// Generation in the high half, then flags, then basis points. Zero: never loaded.
    word: AtomicU64,
    /// On the coarse monotonic clock, or [`ROLLED_BACK`].
    deadline: AtomicU64,
    whitelist: ArcSwapOption<Whitelist>,
    /// Asked before `whitelist`, which costs more than the rest of a decision.
    sieve: Sieve,
    /// When the read of the store began whose result is in `word`, on the fine monotonic clock.
    read_began: AtomicU64,
    /// The same for people, in microseconds since the epoch; zero before the first read.
    read_at: AtomicI64,
    stage: ArcSwapOption<Stage>,
}

impl Hot {
    #[inline]
    pub(super) fn decide(&self, flag: FlagHash, key: &[u8]) -> Decision {
        let Some(state) = unpack(self.word.load(Ordering::Acquire)) else {
            return Decision::old(0, Reason::NeverLoaded);
        };
        let deadline = self.deadline.load(Ordering::Acquire);
        if coarse_now() >= deadline {
            let reason = if deadline == ROLLED_BACK { Reason::RolledBack } else { Reason::Stale };
            return Decision::old(state.generation, reason);
        }
        let listed = |hash| self.sieve.may_hold(hash) && self.is_listed(key);
        decide_with(state, || flag.with(key), listed)
    }

    #[cold]
    fn is_listed(&self, key: &[u8]) -> bool {
        self.whitelist.load().as_ref().is_some_and(|list| list.contains(key))
    }

    /// Takes over a record whose read began at `began`. The whitelist goes first: a word that
    /// counts on it must find it.
    pub(super) fn load(&self, record: &Record, flag: FlagHash, began: u64) {
        let whitelist = Whitelist::new(&record.whitelist);
        let listed = !whitelist.is_empty();
        self.sieve.show(record.whitelist.iter().map(|key| flag.with(key.as_bytes())));
        self.whitelist.store(listed.then(|| whitelist.into()));
        self.stage.store(Some(record.stage.into()));
        let state = record.state();
        self.word.store(
            pack(State { whitelist: state.whitelist && listed, ..state }),
            Ordering::Release,
        );
        self.confirm(began);
    }

    /// What the last read found is unchanged, by a read that began at `began`.
    pub(super) fn confirm(&self, began: u64) {
        self.read_at.store(Timestamp::now().0, Ordering::Relaxed);
        self.read_began.store(began, Ordering::Release);
    }

    /// When the read of the current snapshot began; zero before the first.
    pub(super) fn read_began(&self) -> u64 {
        self.read_began.load(Ordering::Acquire)
    }

    /// The old store answers from now on.
    pub(super) fn roll_back(&self) {
        self.deadline.store(ROLLED_BACK, Ordering::Release);
    }

    /// The word may be believed until `deadline`, on the monotonic clock.
    pub(super) fn believe_until(&self, deadline: u64) {
        // One nanosecond is past, but is not the mark of a rollback.
        self.deadline.store(deadline.max(ROLLED_BACK + 1), Ordering::Release);
    }

    pub(super) fn view(&self) -> StageView {
        let state = unpack(self.word.load(Ordering::Acquire));
        let deadline = self.deadline.load(Ordering::Acquire);
        let loaded = state.unwrap_or_default();
        let read_at = self.read_at.load(Ordering::Relaxed);
        StageView {
            generation: loaded.generation,
            stage: state.and_then(|_| self.stage.load().as_deref().copied()),
            basis_points: loaded.basis_points,
            mirror: loaded.mirror,
            rolled_back: deadline == ROLLED_BACK || loaded.rolled_back,
            stale: deadline != ROLLED_BACK && coarse_now() >= deadline,
            read_at: state.map(|_| Timestamp(read_at)),
        }
    }
}

fn pack(state: State) -> u64 {
    let flags =
        [(MIRROR, state.mirror), (WHITELIST, state.whitelist), (LATCHED, state.rolled_back)]
            .into_iter()
            .filter(|(_, on)| *on)
            .fold(LOADED, |word, (flag, _)| word | flag);
    u64::from(state.generation) << 32 | flags | u64::from(state.basis_points)
}

#[inline]
fn unpack(word: u64) -> Option<State> {
    if word & LOADED == 0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the fields of the word")]
    Some(State {
        generation: (word >> 32) as u32,
        basis_points: word as u16,
        mirror: word & MIRROR != 0,
        whitelist: word & WHITELIST != 0,
        rolled_back: word & LATCHED != 0,
    })
}

/// The monotonic clock as of the kernel's last tick, at most 10 ms ago: 2 ns where the exact clock
/// takes 20. It stands still while the machine is suspended; the watcher notices that within
/// [`super::WATCH_LAPSE`] of waking.
#[inline]
fn coarse_now() -> u64 {
    nanoseconds(ClockId::MonotonicCoarse)
}

/// The monotonic clock.
pub(super) fn now() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// The clock that goes on while the machine is suspended.
pub(super) fn now_with_suspend() -> u64 {
    nanoseconds(ClockId::Boottime)
}

#[inline]
fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Clocks since boot are never negative.
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// A duration in nanoseconds.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{pack, unpack};
    use crate::decide::State;
    use proptest::prelude::{any, proptest};
    use proptest::prop_assert_eq;

    proptest! {
        #[test]
        fn the_word_holds_every_state(
            generation in any::<u32>(),
            basis_points in 0_u16..=10_000,
            flags in any::<[bool; 3]>(),
        ) {
            let [mirror, whitelist, rolled_back] = flags;
            let state = State { generation, basis_points, mirror, whitelist, rolled_back };
            prop_assert_eq!(unpack(pack(state)), Some(state));
        }
    }

    #[test]
    fn an_empty_word_is_no_state() {
        assert_eq!(unpack(0), None);
    }
}

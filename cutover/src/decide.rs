//! The decision: which store answers one read. Pure, and the same code for every caller.

use crate::bucket::{BUCKETS, bucket, hash};
use crate::whitelist::Whitelist;

/// What the stage means for a read.
///
/// Small enough for one machine word, so that a reader can take it in a single atomic load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Grows with every change of the stage; zero before the first.
    pub generation: u32,
    /// Buckets, of 10,000, that the target answers.
    pub basis_points: u16,
    /// Whether reads are repeated on the other store and compared.
    pub mirror: bool,
    /// Whether the whitelist counts.
    pub whitelist: bool,
    /// Whether a rollback is latched.
    pub rolled_back: bool,
}

/// A store, by its role in the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// The source: what answered before the migration.
    Old,
    /// The target.
    New,
}

/// Why a read goes where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The stage sends every read the same way.
    Static,
    /// The key is on the whitelist.
    Whitelist,
    /// The key's bucket is inside, or outside, the share.
    Share,
    /// The big red switch is thrown.
    RolledBack,
    /// The reader's snapshot of the stage is too old to be trusted.
    Stale,
    /// The reader never saw the stage.
    NeverLoaded,
}

/// Where one read goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// The stage generation it was decided by: goes into logs and reports.
    pub generation: u32,
    /// The store that answers.
    pub store: Store,
    /// Whether to repeat the read on the other store, off the response path, and to report.
    pub mirror: bool,
    /// Why.
    pub reason: Reason,
}

impl Decision {
    /// The old store answers, alone: what every doubt ends in.
    #[inline]
    pub(crate) fn old(generation: u32, reason: Reason) -> Self {
        Self { generation, store: Store::Old, mirror: false, reason }
    }
}

/// Decides one read by the stage, the whitelist and the key.
pub fn decide(state: State, whitelist: &Whitelist, flag: &[u8], key: &[u8]) -> Decision {
    decide_with(state, || hash(flag, key), |_| whitelist.contains(key))
}

/// As [`decide`]; the hash is asked for only where it matters, and the whitelist, with the hash,
/// likewise.
#[inline]
pub(crate) fn decide_with(
    state: State,
    hash: impl FnOnce() -> u32,
    whitelisted: impl FnOnce(u32) -> bool,
) -> Decision {
    if state.rolled_back {
        return Decision::old(state.generation, Reason::RolledBack);
    }
    let share = u32::from(state.basis_points);
    let (store, reason) = if share >= BUCKETS {
        (Store::New, Reason::Static)
    } else if share == 0 && !state.whitelist {
        (Store::Old, Reason::Static)
    } else {
        let hash = hash();
        if state.whitelist && whitelisted(hash) {
            (Store::New, Reason::Whitelist)
        } else if share == 0 {
            (Store::Old, Reason::Static)
        } else if bucket(hash) < share {
            (Store::New, Reason::Share)
        } else {
            (Store::Old, Reason::Share)
        }
    };
    Decision { generation: state.generation, store, mirror: state.mirror, reason }
}

#[cfg(test)]
mod tests {
    use super::{Decision, Reason, State, Store, decide};
    use crate::whitelist::Whitelist;
    use proptest::prelude::{any, proptest};
    use proptest::{prop_assert, prop_assert_eq};

    const FLAG: &[u8] = b"orders.read";

    fn share(basis_points: u16) -> State {
        State { generation: 1, basis_points, mirror: true, whitelist: true, rolled_back: false }
    }

    fn ask(state: State, key: &str) -> Decision {
        decide(state, &Whitelist::default(), FLAG, key.as_bytes())
    }

    #[test]
    fn before_the_first_stage_the_old_store_answers_alone() {
        let decision = ask(State::default(), "user-1");
        assert_eq!((decision.store, decision.mirror), (Store::Old, false));
        assert_eq!(decision.reason, Reason::Static);
    }

    #[test]
    fn a_rollback_outweighs_the_whitelist_and_the_full_share() {
        let whitelist = Whitelist::new(["user-1"]);
        for basis_points in [0, 5_000, 10_000] {
            let state = State { rolled_back: true, ..share(basis_points) };
            let decision = decide(state, &whitelist, FLAG, b"user-1");
            assert_eq!(decision, Decision::old(1, Reason::RolledBack));
        }
    }

    #[test]
    fn the_whitelist_counts_only_from_its_stage_on() {
        let whitelist = Whitelist::new(["user-1"]);
        let mirror = State { whitelist: false, ..share(0) };
        assert_eq!(decide(mirror, &whitelist, FLAG, b"user-1").store, Store::Old);
        let listed = decide(share(0), &whitelist, FLAG, b"user-1");
        assert_eq!((listed.store, listed.reason), (Store::New, Reason::Whitelist));
        assert_eq!(decide(share(0), &whitelist, FLAG, b"user-2").store, Store::Old);
    }

    #[test]
    fn the_bucket_decides_at_exactly_its_hundredth_of_a_percent() {
        // Bucket 6763, by the reference vectors.
        assert_eq!(ask(share(6_763), "user-1").store, Store::Old);
        assert_eq!(ask(share(6_764), "user-1").store, Store::New);
    }

    proptest! {
        #[test]
        fn growing_the_share_by_any_step_only_adds_users(
            key in "[ -~]{0,24}",
            from in 0_u16..10_000,
        ) {
            let before = ask(share(from), &key).store;
            let after = ask(share(from + 1), &key).store;
            prop_assert!(before == Store::Old || after == Store::New, "{} left", key);
        }

        #[test]
        fn a_key_always_gets_the_same_answer(key in proptest::collection::vec(any::<u8>(), 0..40),
            basis_points in 0_u16..=10_000) {
            let whitelist = Whitelist::default();
            let first = decide(share(basis_points), &whitelist, FLAG, &key);
            prop_assert_eq!(first, decide(share(basis_points), &whitelist, FLAG, &key));
        }
    }

    #[test]
    fn each_key_crosses_over_once_between_nothing_and_everything() {
        for id in 0..200 {
            let key = format!("user-{id}");
            let crossings = (0..10_000_u16)
                .filter(|&s| ask(share(s), &key).store != ask(share(s + 1), &key).store)
                .count();
            assert_eq!(crossings, 1, "{key}");
        }
    }
}

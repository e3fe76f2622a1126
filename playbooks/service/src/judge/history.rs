//! Every state that each list was ever in, in order.

use crate::edge::ListDigest;

/// One state of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListState {
    /// The digest of the list in it.
    pub(super) digest: ListDigest,
    /// It did not hold before this moment.
    pub(super) begun_at: i64,
    /// It held by this moment.
    pub(super) committed_at: i64,
}

/// The states of one list. The first is the one that the flight began with.
#[derive(Debug, Clone)]
pub(super) struct ListHistory(Vec<ListState>);

/// A read, as far as a list's history is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) digest: ListDigest,
    pub(super) begun_at: i64,
    pub(super) ended_at: i64,
}

impl Default for ListHistory {
    fn default() -> Self {
        let begun_at = i64::MIN;
        Self(vec![ListState { digest: ListDigest::default(), begun_at, committed_at: begun_at }])
    }
}

impl ListHistory {
    /// The list as it is now.
    pub(super) fn last(&self) -> ListDigest {
        self.0.last().map(|state| state.digest).unwrap_or_default()
    }

    /// Puts an edge into the state that the flight began with.
    pub(super) fn begin_with(&mut self, digest: u128) {
        self.0[0].digest.add(digest);
    }

    /// A change led to this state.
    pub(super) fn push(&mut self, state: ListState) {
        self.0.push(state);
    }

    /// Whether the read saw a state that held at some moment while it was under way.
    pub(super) fn was_current(&self, seen: Seen) -> bool {
        self.matching(seen, 0).any(|place| {
            self.0.get(place + 1).is_none_or(|next| next.committed_at >= seen.begun_at)
        })
    }

    /// The earliest state from `floor` on that the read can have seen.
    pub(super) fn earliest(&self, seen: Seen, floor: usize) -> Option<usize> {
        self.matching(seen, floor).next()
    }

    /// How long ago the state that was seen had been superseded when the read began, at least: of
    /// the states that look the same, the latest. In microseconds, zero if it was current.
    pub(super) fn staleness(&self, seen: Seen) -> Option<i64> {
        let place = self.matching(seen, 0).next_back()?;
        let superseded = self.0.get(place + 1).map(|next| next.committed_at);
        Some(superseded.map_or(0, |at| (seen.begun_at - at).max(0)))
    }

    /// States with the digest that was seen that had begun by the time the read ended.
    fn matching(&self, seen: Seen, floor: usize) -> impl DoubleEndedIterator<Item = usize> {
        // States begin one after the other, so those that had not begun yet are the last ones.
        let begun = self.0.partition_point(|state| state.begun_at <= seen.ended_at);
        (floor.min(begun)..begun).filter(move |&place| self.0[place].digest == seen.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::{ListHistory, ListState, Seen};
    use crate::edge::ListDigest;

    fn digest(sum: u128) -> ListDigest {
        ListDigest { edges: 1, sum }
    }

    /// States 1, 2, 1, 3: each begun at 10, 20, 30 and committed a moment later.
    fn history() -> ListHistory {
        let mut history = ListHistory::default();
        history.begin_with(1);
        for (sum, begun_at) in [(2, 10), (1, 20), (3, 30)] {
            let committed_at = begun_at + 1;
            history.push(ListState { digest: digest(sum), begun_at, committed_at });
        }
        history
    }

    fn seen(sum: u128, begun_at: i64, ended_at: i64) -> Seen {
        Seen { digest: digest(sum), begun_at, ended_at }
    }

    #[test]
    fn a_read_is_current_only_while_its_state_holds() {
        let history = history();
        assert!(history.was_current(seen(2, 15, 16)));
        assert!(history.was_current(seen(2, 20, 25)), "the next state was not committed yet");
        assert!(!history.was_current(seen(2, 22, 25)));
        assert!(!history.was_current(seen(3, 5, 29)), "not begun when the read had ended");
    }

    #[test]
    fn staleness_counts_from_the_moment_the_latest_such_state_was_superseded() {
        let history = history();
        assert_eq!(history.staleness(seen(2, 100, 101)), Some(79));
        assert_eq!(history.staleness(seen(1, 100, 101)), Some(69));
        assert_eq!(history.staleness(seen(3, 100, 101)), Some(0));
        assert_eq!(history.staleness(seen(9, 100, 101)), None);
    }

    #[test]
    fn a_read_can_be_placed_at_or_after_an_earlier_one_only() {
        let history = history();
        assert_eq!(history.earliest(seen(1, 100, 101), 0), Some(0));
        assert_eq!(history.earliest(seen(1, 100, 101), 1), Some(2));
        assert_eq!(history.earliest(seen(2, 100, 101), 2), None, "the list went back");
    }
}

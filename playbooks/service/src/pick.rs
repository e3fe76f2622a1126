//! Which list is read next.

use crate::graph::Graph;
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Reads of a list that changed a moment ago, in percent: where a stale or resurrected edge would
/// show.
const RECENT_PERCENT: u32 = 10;
/// How many of the last changes count as a moment ago: half a second's worth.
const RECENT_MAX: usize = 1_024;
/// Reads of one of the longest lists, in thousandths. They are as expensive as thousands of others,
/// and no service shows 21,809 followers 500 times a second.
const LONGEST_PER_MILLE: u32 = 4;
/// How many are the longest.
const LONGEST: usize = 20;

/// What all pickers share.
#[derive(Debug)]
pub(crate) struct Lists {
    all: Vec<Arc<str>>,
    longest: Vec<Arc<str>>,
    recent: Mutex<VecDeque<Arc<str>>>,
}

impl Lists {
    /// The lists of a graph.
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut lists = graph.lists();
        lists.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let all: Vec<_> = lists.into_iter().map(|(list, _)| list).collect();
        let longest = all.iter().take(LONGEST).map(Arc::clone).collect();
        Self { all, longest, recent: Mutex::default() }
    }

    /// Notes that a list has just changed. The longest are picked often enough without.
    pub(crate) fn changed(&self, list: &str) {
        if self.longest.iter().any(|long| **long == *list) {
            return;
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(list.into());
    }
}

/// Picks lists, the same for the same seed and history.
#[derive(Debug)]
pub(crate) struct Picker {
    rng: SmallRng,
    lists: Arc<Lists>,
    /// The engineers' own lists, which they look at while they are on the whitelist.
    watched: Vec<Arc<str>>,
}

impl Picker {
    /// A picker that reads the `watched` lists more often than others.
    pub(crate) fn new(seed: u64, lists: Arc<Lists>, watched: &[String]) -> Self {
        let watched = watched.iter().map(|list| list.as_str().into()).collect();
        Self { rng: SmallRng::seed_from_u64(seed), lists, watched }
    }

    /// The next list; none if there is none.
    pub(crate) fn next(&mut self) -> Option<Arc<str>> {
        if self.rng.random_range(0..1_000) < LONGEST_PER_MILLE {
            return any(&mut self.rng, &self.lists.longest);
        }
        let percent = self.rng.random_range(0..100);
        if percent == 0 && !self.watched.is_empty() {
            return any(&mut self.rng, &self.watched);
        }
        if percent <= RECENT_PERCENT {
            let recent = self.lists.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if !recent.is_empty() {
                return recent.get(self.rng.random_range(0..recent.len())).cloned();
            }
        }
        any(&mut self.rng, &self.lists.all)
    }
}

fn any(rng: &mut SmallRng, lists: &[Arc<str>]) -> Option<Arc<str>> {
    (!lists.is_empty()).then(|| Arc::clone(&lists[rng.random_range(0..lists.len())]))
}

//! Of several changes of one record in a batch only the last remains, which is what the target
//! would hold in the end.

use super::outcome::Change;
use crate::key::Key;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Marks a change that a later one made superfluous.
const SUPERSEDED: usize = usize::MAX;

/// The last change of each record of one table.
#[derive(Debug, Default)]
pub(super) struct Latest(HashMap<Key, usize>);

impl Latest {
    /// Adds a change, or keeps the newer of two. Returns how many were given up.
    pub(super) fn add(&mut self, changes: &mut Vec<Change>, change: Change) -> usize {
        match self.0.entry(change.key.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(changes.len());
                changes.push(change);
                0
            }
            Entry::Occupied(mut entry) => {
                // The queue may deliver a change of one record after a newer one.
                if change.version >= changes[*entry.get()].version {
                    changes[*entry.get()].message = SUPERSEDED;
                    entry.insert(changes.len());
                    changes.push(change);
                }
                1
            }
        }
    }
}

/// Drops what was superseded.
pub(super) fn remove_superseded(changes: &mut Vec<Change>) {
    changes.retain(|change| change.message != SUPERSEDED);
}

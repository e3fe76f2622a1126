//! What source and target must hold: the seed, and every acknowledged change folded into it.

use super::finding::Findings;
use super::history::{ListHistory, ListState};
use super::names::Names;
use crate::edge::Edge;
use crate::oracle::{Effect, OracleLine};
use std::collections::HashMap;

/// The oracle's state, with the way it got there.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    names: Names,
    edges: HashMap<(u32, u32), Held>,
    lists: Vec<ListHistory>,
    last_id: i64,
    /// Changes by kind.
    pub(crate) upserts: u64,
    pub(crate) deletes: u64,
}

/// An edge that must be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    digest: u128,
    /// The comparison that has seen it last.
    seen: u8,
}

/// What an edge of a store turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    Same,
    Different,
    /// It must not be there.
    Extra,
    /// It was there before, in the same table.
    Twice,
}

impl Expected {
    /// An edge of the seed.
    pub(crate) fn begin_with(&mut self, edge: &Edge) {
        let (key, digest) = (self.key(edge), edge.digest());
        self.edges.insert(key, Held { digest, seen: 0 });
        self.lists[key.0 as usize].begin_with(digest);
    }

    /// An acknowledged change.
    pub(crate) fn acknowledge(&mut self, line: &OracleLine, findings: &mut Findings) {
        if line.id != self.last_id + 1 {
            let (last, id) = (self.last_id, line.id);
            findings.add("the oracle has a gap", || format!("{id} after {last}"));
        }
        self.last_id = line.id;
        let (key, digest) = match &line.effect {
            Effect::Upsert(edge) => (self.key(edge), Some(edge.digest())),
            Effect::Delete { package, dependent } => {
                ((self.list(package), self.names.number(dependent)), None)
            }
        };
        let before = match digest {
            Some(digest) => self.edges.insert(key, Held { digest, seen: 0 }),
            None => self.edges.remove(&key),
        };
        match digest {
            Some(_) => self.upserts += 1,
            None => self.deletes += 1,
        }
        let list = &mut self.lists[key.0 as usize];
        let mut now = list.last();
        if let Some(before) = before {
            now.remove(before.digest);
        }
        if let Some(digest) = digest {
            now.add(digest);
        }
        let (begun_at, committed_at) = (line.begun_at, line.committed_at);
        list.push(ListState { digest: now, begun_at, committed_at });
    }

    /// Edges that must be there.
    pub(crate) fn len(&self) -> usize {
        self.edges.len()
    }

    /// Holds an edge of a store against it, in comparison number `pass`.
    pub(super) fn meet(&mut self, edge: &Edge, pass: u8) -> Match {
        let numbers = (self.names.known(&edge.package), self.names.known(&edge.dependent));
        let (Some(package), Some(dependent)) = numbers else { return Match::Extra };
        match self.edges.get_mut(&(package, dependent)) {
            None => Match::Extra,
            Some(held) if held.seen == pass => Match::Twice,
            Some(held) => {
                held.seen = pass;
                if held.digest == edge.digest() { Match::Same } else { Match::Different }
            }
        }
    }

    /// The edges that comparison number `pass` has not met.
    pub(super) fn missing(&self, pass: u8) -> impl Iterator<Item = (&str, &str)> {
        let missing = self.edges.iter().filter(move |(_, held)| held.seen != pass);
        missing.map(|(key, _)| (self.names.name(key.0), self.names.name(key.1)))
    }

    /// The number and the history of a list.
    pub(super) fn history(&self, list: &str) -> Option<(u32, &ListHistory)> {
        let number = self.names.known(list)?;
        self.lists.get(number as usize).map(|history| (number, history))
    }

    /// The name of a list.
    pub(super) fn list_name(&self, number: u32) -> &str {
        self.names.name(number)
    }

    /// The history of a list by number.
    pub(super) fn history_of(&self, number: u32) -> &ListHistory {
        &self.lists[number as usize]
    }

    fn key(&mut self, edge: &Edge) -> (u32, u32) {
        (self.list(&edge.package), self.names.number(&edge.dependent))
    }

    fn list(&mut self, package: &str) -> u32 {
        let number = self.names.number(package);
        if self.lists.len() <= number as usize {
            self.lists.resize_with(number as usize + 1, ListHistory::default);
        }
        number
    }
}

//! A plain breadth-first search of our own, beside stateright's.
//!
//! It counts the states and transitions a second time, with another hash function; it gives the
//! shortest way to a violation, which stateright's search overwrites with later ones; and it walks
//! the graph backward from rest, because `eventually` in stateright takes a cycle for progress.

use crate::action::Action;
use crate::state::State;
use crate::system::System;
use stateright::{Expectation, Model, Property};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use xxhash_rust::xxh3::xxh3_64;

/// What a search has found.
#[derive(Debug)]
pub struct Search {
    /// Distinct states.
    pub states: usize,
    /// Transitions, those to known states included.
    pub transitions: usize,
    /// The first violation, by property, with the steps that lead to it.
    pub violation: Option<(&'static str, Vec<Action>)>,
    /// States from which rest is not reachable by ordinary steps; not counted after a violation.
    pub stuck: usize,
    /// The steps to one of them.
    pub way_to_stuck: Vec<Action>,
}

impl Search {
    /// The steps to what is wrong.
    #[must_use]
    pub fn way(&self) -> &[Action] {
        self.violation.as_ref().map_or(&self.way_to_stuck, |(_, way)| way)
    }
}

/// Walks the graph of a system.
#[must_use]
pub fn search(system: &System) -> Search {
    let properties: Vec<Property<System>> = system
        .properties()
        .into_iter()
        .filter(|property| property.expectation == Expectation::Always)
        .collect();
    let mut graph = Graph::default();
    let mut pending = VecDeque::new();
    for state in system.init_states() {
        graph.enter(state, None, &mut pending);
    }
    let mut actions = Vec::new();
    let mut transitions = pending.len();
    while let Some((id, state)) = pending.pop_front() {
        if let Some(broken) = properties.iter().find(|p| !(p.condition)(system, &state)) {
            let violation = Some((broken.name, graph.way_to(system, id)));
            let states = graph.fingerprints.len();
            return Search { states, transitions, violation, stuck: 0, way_to_stuck: Vec::new() };
        }
        if system.is_at_rest(&state) {
            graph.rest.push(id);
        }
        system.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let Some(next) = system.next_state(&state, action) else { continue };
            transitions += 1;
            let next_id = graph.enter(next, Some(id), &mut pending);
            if action.is_ordinary(&state) {
                graph.edges.push((next_id, id));
            }
        }
    }
    let stuck = graph.stuck();
    let way_to_stuck = stuck.first().map_or_else(Vec::new, |id| graph.way_to(system, *id));
    let states = graph.fingerprints.len();
    Search { states, transitions, violation: None, stuck: stuck.len(), way_to_stuck }
}

type Id = u32;

#[derive(Default)]
struct Graph {
    ids: HashMap<u64, Id, BuildHasherDefault<Identity>>,
    fingerprints: Vec<u64>,
    parents: Vec<Option<Id>>,
    /// (to, from) of every ordinary step.
    edges: Vec<(Id, Id)>,
    rest: Vec<Id>,
    hasher: StateHasher,
}

impl Graph {
    fn enter(
        &mut self,
        state: State,
        parent: Option<Id>,
        pending: &mut VecDeque<(Id, State)>,
    ) -> Id {
        let fingerprint = self.hasher.fingerprint(&state);
        let new = Id::try_from(self.fingerprints.len()).unwrap_or(Id::MAX);
        let id = *self.ids.entry(fingerprint).or_insert(new);
        if id == new {
            self.fingerprints.push(fingerprint);
            self.parents.push(parent);
            pending.push_back((id, state));
        }
        id
    }

    /// The states from which no ordinary steps lead to rest.
    fn stuck(&mut self) -> Vec<Id> {
        let edges = std::mem::take(&mut self.edges);
        let into = Incoming::new(self.fingerprints.len(), &edges);
        drop(edges);
        let mut reaches_rest = vec![false; self.fingerprints.len()];
        let mut pending = std::mem::take(&mut self.rest);
        for id in &pending {
            reaches_rest[index(*id)] = true;
        }
        while let Some(id) = pending.pop() {
            for from in into.of(id) {
                if !std::mem::replace(&mut reaches_rest[index(*from)], true) {
                    pending.push(*from);
                }
            }
        }
        (0..).zip(reaches_rest).filter(|(_, reaches)| !reaches).map(|(id, _)| id).collect()
    }

    /// The steps from an initial state.
    fn way_to(&self, system: &System, id: Id) -> Vec<Action> {
        let ids = std::iter::successors(Some(id), |id| self.parents[index(*id)]);
        let mut wanted: Vec<u64> = ids.map(|id| self.fingerprints[index(id)]).collect();
        let start = wanted.pop();
        let mut hasher = StateHasher::default();
        let mut starts = system.init_states().into_iter();
        let first = starts.find(|state| Some(hasher.fingerprint(state)) == start);
        let mut way = Vec::new();
        let Some(mut state) = first else { return way };
        let mut actions = Vec::new();
        while let Some(next) = wanted.pop() {
            system.actions(&state, &mut actions);
            let step = actions.drain(..).find_map(|action| {
                let found = system.next_state(&state, action)?;
                (hasher.fingerprint(&found) == next).then_some((action, found))
            });
            let Some((action, found)) = step else { return way };
            way.push(action);
            state = found;
        }
        way
    }
}

/// The edges of a graph by the state they lead to, without a vector for each.
struct Incoming {
    ends: Vec<usize>,
    from: Vec<Id>,
}

impl Incoming {
    fn new(states: usize, edges: &[(Id, Id)]) -> Self {
        let mut places = vec![0; states];
        for (to, _) in edges {
            places[index(*to)] += 1;
        }
        let mut sum = 0;
        for place in &mut places {
            sum += std::mem::replace(place, sum);
        }
        // Each place starts at its first edge and ends, once all are laid, behind its last.
        let mut from = vec![0; edges.len()];
        for (to, id) in edges {
            let place = &mut places[index(*to)];
            from[*place] = *id;
            *place += 1;
        }
        Self { ends: places, from }
    }

    fn of(&self, id: Id) -> &[Id] {
        let id = index(id);
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.from[start..self.ends[id]]
    }
}

fn index(id: Id) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

/// Hashes a state's bytes as `Hash` lists them.
#[derive(Default)]
struct StateHasher(Vec<u8>);

impl StateHasher {
    fn fingerprint(&mut self, state: &State) -> u64 {
        self.0.clear();
        state.hash(self);
        self.finish()
    }
}

impl Hasher for StateHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        xxh3_64(&self.0)
    }
}

/// The hasher of what is a hash already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

//! Which change comes next: a seeded mix over a graph with hot and cold lists.

use crate::edge::Edge;
use crate::graph::{EdgeKey, Graph};
use crate::store::Write;
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::collections::VecDeque;

/// How many of the last edges are remembered, to touch them again: the same edge several times in
/// one batch of the live path is a case of its own.
const RECENT_MAX: usize = 64;
/// How many removed edges are remembered, to bring them back.
const REMOVED_MAX: usize = 4_096;
/// A new edge is drawn this often before an update is made instead: two names out of 60,000 collide
/// rarely, so this is only met in a graph of a few names.
const DRAWS_MAX: usize = 16;

const CONSTRAINTS: [Option<&str>; 6] =
    [None, Some(""), Some(">= 2.36"), Some("= 1.0-1"), Some(">> 3:7.2~rc1"), Some("<< 99")];
const SECTIONS: [Option<&str>; 6] =
    [None, Some(""), Some("libs"), Some("admin"), Some("python"), Some("müsli")];
const KIB: [Option<i64>; 6] =
    [None, Some(0), Some(1), Some(28_591), Some(-1), Some(9_007_199_254_740_993)];

/// One change to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// An edge that does not exist.
    Insert(EdgeKey, Columns),
    /// One column of an edge that exists.
    Update(EdgeKey, Column),
    /// An edge that exists.
    Delete(EdgeKey),
}

/// The columns of a new edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) constraint: Option<&'static str>,
    pub(crate) section: Option<&'static str>,
    pub(crate) installed_kib: Option<i64>,
}

impl Columns {
    /// The new edge with these columns.
    pub(crate) fn edge(self, write: &Write<'_>) -> Edge {
        Edge {
            package: write.package.to_owned(),
            dependent: write.dependent.to_owned(),
            constraint: self.constraint.map(str::to_owned),
            section: self.section.map(str::to_owned),
            installed_kib: self.installed_kib,
            changed_at: write.changed_at,
        }
    }
}

/// The column that an update changes, with its new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Constraint(Option<&'static str>),
    Section(Option<&'static str>),
    InstalledKib(Option<i64>),
}

/// Makes up changes: 40 % inserts, half of them of edges that were deleted, 40 % updates, 20 %
/// deletes.
#[derive(Debug)]
pub(crate) struct Traffic {
    rng: SmallRng,
    recent: VecDeque<EdgeKey>,
    removed: VecDeque<EdgeKey>,
}

impl Traffic {
    /// Traffic that is the same for the same seed and graph.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(seed),
            recent: VecDeque::with_capacity(RECENT_MAX),
            removed: VecDeque::with_capacity(REMOVED_MAX),
        }
    }

    /// The next change; none if the graph is empty.
    pub(crate) fn next(&mut self, graph: &Graph) -> Option<Change> {
        let kind = self.rng.random_range(0..100);
        let change = match kind {
            0..20 => self.removed_edge(graph).or_else(|| self.new_edge(graph)),
            20..40 => self.new_edge(graph),
            40..60 => self.existing_edge(graph).map(Change::Delete),
            _ => None,
        };
        let change = change.or_else(|| {
            let edge = self.existing_edge(graph)?;
            Some(Change::Update(edge, self.column()))
        })?;
        self.remember(change);
        Some(change)
    }

    fn removed_edge(&mut self, graph: &Graph) -> Option<Change> {
        if self.removed.is_empty() {
            return None;
        }
        let place = self.rng.random_range(0..self.removed.len());
        let edge = self.removed.swap_remove_back(place)?;
        (!graph.contains(edge)).then(|| Change::Insert(edge, self.columns()))
    }

    fn new_edge(&mut self, graph: &Graph) -> Option<Change> {
        for _ in 0..DRAWS_MAX {
            let (package, _) = graph.any_edge(&mut self.rng)?;
            let edge = (package, graph.any_name(&mut self.rng)?);
            if edge.1 != package && !graph.contains(edge) {
                return Some(Change::Insert(edge, self.columns()));
            }
        }
        None
    }

    fn existing_edge(&mut self, graph: &Graph) -> Option<EdgeKey> {
        if !self.recent.is_empty() && self.rng.random_range(0..10) == 0 {
            let edge = self.recent[self.rng.random_range(0..self.recent.len())];
            if graph.contains(edge) {
                return Some(edge);
            }
        }
        graph.any_edge(&mut self.rng)
    }

    fn columns(&mut self) -> Columns {
        Columns {
            constraint: pick(&CONSTRAINTS, &mut self.rng),
            section: pick(&SECTIONS, &mut self.rng),
            installed_kib: pick(&KIB, &mut self.rng),
        }
    }

    fn column(&mut self) -> Column {
        match self.rng.random_range(0..3) {
            0 => Column::Constraint(pick(&CONSTRAINTS, &mut self.rng)),
            1 => Column::Section(pick(&SECTIONS, &mut self.rng)),
            _ => Column::InstalledKib(pick(&KIB, &mut self.rng)),
        }
    }

    fn remember(&mut self, change: Change) {
        let (Change::Insert(edge, _) | Change::Update(edge, _) | Change::Delete(edge)) = change;
        push_bounded(&mut self.recent, edge, RECENT_MAX);
        if matches!(change, Change::Delete(_)) {
            push_bounded(&mut self.removed, edge, REMOVED_MAX);
        }
    }
}

fn pick<T: Copy>(from: &[T], rng: &mut SmallRng) -> T {
    from[rng.random_range(0..from.len())]
}

fn push_bounded(queue: &mut VecDeque<EdgeKey>, edge: EdgeKey, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(edge);
}

#[cfg(test)]
mod tests {
    use super::{Change, Traffic};
    use crate::graph::Graph;
    use std::collections::HashSet;

    fn ring(names: u32) -> Graph {
        let mut graph = Graph::default();
        for number in 0..names {
            graph.number(&format!("package-{number}"));
            graph.insert((number, (number + 1) % names));
        }
        graph
    }

    /// Carries out `count` changes and counts inserts, updates, deletes and edges brought back.
    fn fly(graph: &mut Graph, seed: u64, count: usize) -> [usize; 4] {
        let mut traffic = Traffic::new(seed);
        let mut counts = [0; 4];
        let mut deleted = HashSet::new();
        for _ in 0..count {
            match traffic.next(graph).unwrap() {
                Change::Insert(edge, _) => {
                    assert!(!graph.contains(edge));
                    graph.insert(edge);
                    counts[0] += 1;
                    counts[3] += usize::from(deleted.remove(&edge));
                }
                Change::Update(edge, _) => {
                    assert!(graph.contains(edge));
                    counts[1] += 1;
                }
                Change::Delete(edge) => {
                    assert!(graph.contains(edge));
                    graph.remove(edge);
                    deleted.insert(edge);
                    counts[2] += 1;
                }
            }
        }
        counts
    }

    #[test]
    fn the_mix_is_two_inserts_and_two_updates_to_one_delete_and_brings_edges_back() {
        let [inserts, updates, deletes, back] = fly(&mut ring(1_000), 7, 10_000);
        assert!((3_500..4_500).contains(&inserts), "{inserts} inserts");
        assert!((3_500..4_500).contains(&updates), "{updates} updates");
        assert!((1_500..2_500).contains(&deletes), "{deletes} deletes");
        assert!(back > 1_000, "{back} edges brought back");
    }

    #[test]
    fn the_same_seed_makes_the_same_changes() {
        let (mut one, mut two) = (ring(100), ring(100));
        assert_eq!(fly(&mut one, 3, 1_000), fly(&mut two, 3, 1_000));
        assert_eq!(one.lists(), two.lists());
    }

    #[test]
    fn an_empty_graph_has_no_traffic() {
        assert_eq!(Traffic::new(1).next(&Graph::default()), None);
    }
}

//! The keys of all edges that exist, kept in memory so that traffic can pick from them.

use crate::store::{Session, Table};
use migration::error::{Error, ErrorKind, Result};
use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::HashMap;
use std::sync::Arc;

/// An edge by the numbers of its two names.
pub(crate) type EdgeKey = (u32, u32);

/// Every edge that exists.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    edges: Vec<EdgeKey>,
    places: HashMap<EdgeKey, usize>,
}

impl Graph {
    /// Reads the keys from the service's database.
    pub(crate) fn load(source: &mut (impl Session + ?Sized)) -> Result<Self> {
        let mut graph = Self::default();
        let mut unreadable = None;
        source.each(Table::Followers, &mut |found| match found {
            Ok(edge) => {
                let key = (graph.number(&edge.package), graph.number(&edge.dependent));
                graph.insert(key);
            }
            Err(why) => unreadable = Some(why),
        })?;
        match unreadable {
            None => Ok(graph),
            Some(why) => Err(Error::new(ErrorKind::Unreadable, "read the graph").with("why", why)),
        }
    }

    /// The number of a name; a new one if it has none yet.
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    /// The name of a number.
    pub(crate) fn name(&self, number: u32) -> Arc<str> {
        Arc::clone(&self.names[number as usize])
    }

    /// Number of edges.
    pub(crate) fn len(&self) -> usize {
        self.edges.len()
    }

    /// Whether the edge exists.
    pub(crate) fn contains(&self, edge: EdgeKey) -> bool {
        self.places.contains_key(&edge)
    }

    /// Adds an edge; does nothing if it exists.
    pub(crate) fn insert(&mut self, edge: EdgeKey) {
        if !self.contains(edge) {
            self.places.insert(edge, self.edges.len());
            self.edges.push(edge);
        }
    }

    /// Removes an edge; does nothing if it does not exist.
    pub(crate) fn remove(&mut self, edge: EdgeKey) {
        if let Some(place) = self.places.remove(&edge) {
            self.edges.swap_remove(place);
            if let Some(&moved) = self.edges.get(place) {
                self.places.insert(moved, place);
            }
        }
    }

    /// Any edge, each as likely as the other: so a list is hit as often as it is long.
    pub(crate) fn any_edge(&self, rng: &mut SmallRng) -> Option<EdgeKey> {
        (!self.edges.is_empty()).then(|| self.edges[rng.random_range(0..self.edges.len())])
    }

    /// Any name.
    pub(crate) fn any_name(&self, rng: &mut SmallRng) -> Option<u32> {
        let count = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        (count > 0).then(|| rng.random_range(0..count))
    }

    /// The packages that have followers, with the number of them.
    pub(crate) fn lists(&self) -> Vec<(Arc<str>, u32)> {
        let mut counts = vec![0_u32; self.names.len()];
        for &(package, _) in &self.edges {
            counts[package as usize] += 1;
        }
        let lists = self.names.iter().zip(counts);
        lists
            .filter(|&(_, count)| count > 0)
            .map(|(name, count)| (Arc::clone(name), count))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Graph;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn an_edge_that_was_removed_is_never_picked_again() {
        let mut graph = Graph::default();
        let (a, b, c) = (graph.number("a"), graph.number("b"), graph.number("c"));
        for edge in [(a, b), (b, c), (c, a)] {
            graph.insert(edge);
        }
        graph.remove((a, b));
        let mut rng = SmallRng::seed_from_u64(1);
        assert!((0..100).all(|_| graph.any_edge(&mut rng) != Some((a, b))));
        assert!(graph.contains((c, a)) && graph.len() == 2);
    }
}

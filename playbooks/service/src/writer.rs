//! Live writes: what comes next is committed to the source, one change after the other.

use crate::clock::Clock;
use crate::graph::Graph;
use crate::oracle::OracleLine;
use crate::store::{Source, Write};
use crate::traffic::Change;
use migration::error::Result;

/// Commits changes to the source.
#[derive(Debug)]
pub(crate) struct Writer {
    source: Box<dyn Source>,
    graph: Graph,
    clock: Clock,
    last_changed_at: i64,
    last_id: i64,
}

impl Writer {
    /// A writer on a session of its own, with the keys that the source holds. `last_id` is that of
    /// the last change that was acknowledged.
    pub(crate) fn new(mut source: Box<dyn Source>, clock: Clock, last_id: i64) -> Result<Self> {
        let graph = Graph::load(&mut *source)?;
        Ok(Self { source, graph, clock, last_changed_at: 0, last_id })
    }

    /// The keys that exist.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Commits one change; returns what it did, to be acknowledged once it is durable.
    pub(crate) fn commit(&mut self, change: Change) -> Result<OracleLine> {
        let begun_at = self.clock.now();
        self.last_changed_at = begun_at.max(self.last_changed_at + 1);
        let (Change::Insert(key, _) | Change::Update(key, _) | Change::Delete(key)) = change;
        let (package, dependent) = (self.graph.name(key.0), self.graph.name(key.1));
        let committed = self.source.commit(&Write {
            package: &package,
            dependent: &dependent,
            change,
            changed_at: self.last_changed_at,
            made_at: begun_at,
        })?;
        match change {
            Change::Insert(edge, _) => self.graph.insert(edge),
            Change::Delete(edge) => self.graph.remove(edge),
            Change::Update(..) => {}
        }
        // Where no outbox counts the changes, they are counted here.
        let id = committed.id.unwrap_or(self.last_id + 1);
        self.last_id = id;
        let committed_at = self.clock.now();
        Ok(OracleLine { id, begun_at, committed_at, effect: committed.effect })
    }
}

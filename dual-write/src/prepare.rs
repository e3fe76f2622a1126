//! From what was polled to what is written: decoded, compacted, routed, and its dead letters.

use crate::apply::Place;
use migration::checkpoint::CheckpointStore;
use migration::clock::Timestamp;
use migration::dead_letter::{self, DeadLetter, FailedChange};
use migration::decode::Decoder;
use migration::error::Result;
use migration::layout::{Layout, TargetLayout};
use migration::queue::Message;
use migration::route::{Touched, route};
use migration::store::LiveWrites;
use std::sync::Arc;

/// A batch that is ready to be applied.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) place: Place,
    /// By instance, then by target table.
    pub(crate) writes: Vec<Vec<LiveWrites>>,
    pub(crate) touched: Vec<Touched>,
    pub(crate) dead: Vec<DeadLetter>,
    /// Changes in the batch.
    pub(crate) consumed: usize,
    pub(crate) compacted: usize,
    pub(crate) foreign: usize,
    /// When the oldest of its changes was made.
    pub(crate) oldest_made_at: Option<Timestamp>,
    /// The first target table of each source table: where a change is counted.
    firsts: Arc<[Arc<TargetLayout>]>,
}

impl Prepared {
    /// Whether a change is counted where these writes go.
    pub(crate) fn is_first_table(&self, writes: &LiveWrites) -> bool {
        self.firsts.iter().any(|first| Arc::ptr_eq(first, &writes.target))
    }
}

/// Prepares batches.
#[derive(Debug)]
pub struct Preparer {
    decoder: Decoder,
    firsts: Arc<[Arc<TargetLayout>]>,
    instances: usize,
    checkpoint: Arc<dyn CheckpointStore>,
}

impl Preparer {
    /// Prepares batches of these tables for so many instances; what cannot be decoded is kept in
    /// `checkpoint`.
    #[must_use]
    pub fn new(
        layouts: Vec<Arc<Layout>>,
        instances: usize,
        checkpoint: Arc<dyn CheckpointStore>,
    ) -> Self {
        let first = |layout: &Arc<Layout>| layout.targets().first().cloned();
        let firsts = layouts.iter().filter_map(first).collect();
        Self { decoder: Decoder::new(layouts), firsts, instances, checkpoint }
    }

    pub(crate) fn prepare(&self, place: Place, messages: &[Message]) -> Result<Prepared> {
        let mut changes = self.decoder.decode(messages);
        if let Some(stop) = changes.stop.take() {
            return Err(stop.error.with("partition", &place.partition));
        }
        let routed = route(&changes, self.instances)?;
        let undecodable = changes.undecodable.iter().map(|found| {
            let change = FailedChange {
                index: found.index,
                version: found.version,
                error: &found.error,
                table: found.record.as_ref().map(|(table, _)| self.table(*table)),
                record: found.record.as_ref().map(|(_, key)| key),
            };
            DeadLetter::new(&place.partition, &messages[found.message], &change)
        });
        let rejected = routed.rejected.iter().map(|found| {
            let change = FailedChange {
                index: found.index,
                version: Some(found.version),
                error: &found.error,
                table: Some(self.table(found.table)),
                record: Some(&found.key),
            };
            DeadLetter::new(&place.partition, &messages[found.message], &change)
        });
        let dead: Vec<DeadLetter> = undecodable.chain(rejected).collect();
        for letter in &dead {
            tracing::warn!(id = letter.id(), error = letter.error, "dead letter");
        }
        Ok(Prepared {
            dead,
            place,
            writes: routed.writes,
            touched: routed.touched,
            consumed: messages.len(),
            compacted: changes.compacted,
            foreign: changes.foreign,
            oldest_made_at: changes.oldest_made_at,
            firsts: Arc::clone(&self.firsts),
        })
    }

    fn table(&self, place: usize) -> &str {
        &self.decoder.layouts()[place].source().table
    }

    /// Makes the batch's dead letters durable.
    pub(crate) async fn keep_dead(&self, batch: &Prepared) -> Result<()> {
        dead_letter::keep(&*self.checkpoint, &batch.dead).await
    }
}

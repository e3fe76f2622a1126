//! Batches that are being applied, each in a task of its own, and no two of one partition.

use crate::apply::Applied;
use crate::prepare::Prepared;
use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use migration::error::{Error, ErrorKind, Result};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Batches at the same time: enough to keep a target busy while one of them waits for its answers,
/// and few beside the connections that a store may open.
const FLIGHTS_MAX: usize = 4;

/// A batch, and what became of it.
pub(super) type Landed = (Box<Prepared>, Result<Applied>);

#[derive(Debug, Default)]
pub(super) struct Flights {
    writing: FuturesUnordered<JoinHandle<Landed>>,
    /// Their partitions.
    aloft: HashSet<Arc<str>>,
}

impl Flights {
    pub(super) fn is_empty(&self) -> bool {
        self.writing.is_empty()
    }

    /// Whether a batch of this partition may begin: what lies before it has landed.
    pub(super) fn has_room_for(&self, partition: &str) -> bool {
        self.writing.len() < FLIGHTS_MAX && !self.aloft.contains(partition)
    }

    /// Begins to apply a batch for which there is room.
    pub(super) fn begin(
        &mut self,
        partition: Arc<str>,
        writing: impl Future<Output = Landed> + Send + 'static,
    ) {
        self.aloft.insert(partition);
        self.writing.push(tokio::spawn(writing));
    }

    /// Waits for the next batch that lands; `None` if none is being applied.
    ///
    /// # Errors
    /// `Failed` if it came to no end.
    pub(super) async fn land(&mut self) -> Result<Option<Landed>> {
        let Some(joined) = self.writing.next().await else { return Ok(None) };
        let landed =
            joined.map_err(|error| Error::new(ErrorKind::Failed, "apply batch").because(error))?;
        self.aloft.remove(&landed.0.place.partition);
        Ok(Some(landed))
    }

    /// A batch that has landed already.
    ///
    /// # Errors
    /// As for [`Self::land`].
    pub(super) fn landed(&mut self) -> Result<Option<Landed>> {
        self.land().now_or_never().unwrap_or(Ok(None))
    }
}

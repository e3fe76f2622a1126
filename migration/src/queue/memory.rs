//! A queue in memory, with several partitions: for conformance suites and simulations.

mod log;

use super::place::{Place, check_history, check_reached};
use super::{Assignment, Consumer, Delivery, Lag, Queue};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::position::{Position, Version};
use crate::store::SideTable;
use async_trait::async_trait;
use log::{Log, Stored};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// An in-memory queue. Clones share their messages.
#[derive(Debug, Clone)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
    source_epoch: u32,
    producer_lag_max: Duration,
}

#[derive(Debug)]
struct Shared {
    logs: Mutex<BTreeMap<Arc<str>, Log>>,
    arrived: Notify,
}

impl MemoryQueue {
    /// An empty queue with these partitions.
    #[must_use]
    pub fn new(partitions: &[&str], source_epoch: u32) -> Self {
        let logs = partitions.iter().map(|&name| (Arc::from(name), Log::default())).collect();
        let shared = Shared { logs: Mutex::new(logs), arrived: Notify::new() };
        Self { shared: Arc::new(shared), source_epoch, producer_lag_max: Duration::ZERO }
    }

    /// The same queue, read by a plan whose source epoch was raised.
    #[must_use]
    pub fn with_source_epoch(&self, source_epoch: u32) -> Self {
        Self { source_epoch, ..self.clone() }
    }

    /// The same queue, where what the source shows may come as late as this.
    #[must_use]
    pub fn with_producer_lag_max(&self, producer_lag_max: Duration) -> Self {
        Self { producer_lag_max, ..self.clone() }
    }

    /// Appends a message and returns its offset. `topic` is the source table, `op` is what the
    /// outbox has in its column of that name.
    ///
    /// # Errors
    /// `Refused` if there is no such partition.
    pub fn append(
        &self,
        partition: &str,
        topic: &str,
        op: &str,
        payload: Option<&[u8]>,
    ) -> Result<u64> {
        let stored = Stored {
            topic: Arc::from(topic),
            op: op.as_bytes().to_vec(),
            payload: payload.map(<[u8]>::to_vec),
            made_at: Timestamp::now(),
        };
        let offset = self.with(partition, |log| log.append(stored))?;
        self.shared.arrived.notify_waiters();
        Ok(offset)
    }

    /// Uses up an offset without a message, as an aborted transaction does in other queues.
    ///
    /// # Errors
    /// `Refused` if there is no such partition.
    pub fn skip(&self, partition: &str) -> Result<u64> {
        self.with(partition, Log::skip)
    }

    /// Removes a message behind the queue's back, as somebody with a shell would.
    ///
    /// # Errors
    /// `Refused` if there is no such partition.
    pub fn tamper_remove(&self, partition: &str, offset: u64) -> Result<bool> {
        self.with(partition, |log| log.remove(offset))
    }

    /// A copy of everything in the queue, as a backup would hold it.
    #[must_use]
    pub fn backup(&self) -> MemoryBackup {
        MemoryBackup(self.logs().clone())
    }

    /// Puts a backup back, with whatever came after it forgotten.
    pub fn restore(&self, backup: &MemoryBackup) {
        self.logs().clone_from(&backup.0);
    }

    fn logs(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Log>> {
        // No code panics while it holds the lock with a change half made.
        self.shared.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, partition: &str, act: impl FnOnce(&mut Log) -> T) -> Result<T> {
        self.logs().get_mut(partition).map(act).ok_or_else(|| {
            Error::new(ErrorKind::Refused, "read queue: no such partition")
                .with("partition", partition)
        })
    }

    fn proven(&self, partition: &str, position: &Position) -> Result<Place> {
        let place = Place::read(position)?;
        let evidence = self.with(partition, |log| log.evidence(place, self.source_epoch))?;
        check_history(place, &evidence).map_err(|error| error.with("partition", partition))?;
        Ok(place)
    }
}

/// What [`MemoryQueue::backup`] took.
#[derive(Debug, Clone)]
pub struct MemoryBackup(BTreeMap<Arc<str>, Log>);

#[async_trait]
impl Queue for MemoryQueue {
    fn assignment(&self) -> Assignment {
        Assignment::Lease
    }

    async fn partitions(&self) -> Result<Vec<Arc<str>>> {
        Ok(self.logs().keys().cloned().collect())
    }

    async fn end(&self, partition: &str) -> Result<Position> {
        self.with(partition, |log| log.end(self.source_epoch))?.position()
    }

    async fn source_shows(&self, partition: &str, position: &Position) -> Result<bool> {
        let place = Place::read(position)?;
        let evidence = self.with(partition, |log| log.evidence(place, self.source_epoch))?;
        check_reached(place, &evidence).map_err(|error| error.with("partition", partition))?;
        Ok(true)
    }

    fn producer_lag_max(&self) -> Duration {
        self.producer_lag_max
    }

    async fn lag(&self, partition: &str, from: &Position) -> Result<Lag> {
        let place = self.proven(partition, from)?;
        self.with(partition, |log| log.lag(place))
    }

    async fn version_at(&self, _partition: &str, position: &Position) -> Result<Version> {
        Place::read(position)?.version()
    }

    async fn consumer(&self) -> Result<Box<dyn Consumer>> {
        let places = self.logs().keys().map(|name| (Arc::clone(name), None)).collect();
        Ok(Box::new(MemoryConsumer { queue: self.clone(), places, assigned: false, turn: 0 }))
    }

    async fn register(&self, partition: &str, start: &Position) -> Result<()> {
        Place::read(start)?;
        self.with(partition, |_| ())
    }

    async fn trim(&self, partition: &str, below: &Position) -> Result<u64> {
        let place = self.proven(partition, below)?;
        self.with(partition, |log| log.trim(place))
    }

    fn set_up_statements(&self) -> Vec<String> {
        Vec::new()
    }

    async fn side_tables(&self) -> Result<Vec<SideTable>> {
        Ok(Vec::new())
    }

    async fn remove_side_tables(&self) -> Result<()> {
        Ok(())
    }

    fn is_current(&self, position: &Position) -> Result<bool> {
        Ok(Place::read(position)?.epoch == self.source_epoch)
    }

    fn describe(&self, position: &Position) -> String {
        Place::read(position)
            .map_or_else(|_| format!("{position:?}"), |place| place.offset().to_string())
    }
}

#[derive(Debug)]
struct MemoryConsumer {
    queue: MemoryQueue,
    /// Where the next delivery of each partition begins; `None` before its first seek.
    places: Vec<(Arc<str>, Option<Place>)>,
    assigned: bool,
    /// The partition to look at first, so that a busy one does not starve the others.
    turn: usize,
}

impl MemoryConsumer {
    fn next(&mut self, messages_max: usize) -> Result<Option<Delivery>> {
        for step in 0..self.places.len() {
            let index = (self.turn + step) % self.places.len();
            let (partition, place) = &mut self.places[index];
            let Some(from) = *place else { continue };
            self.queue.proven(partition, &from.position()?)?;
            let epoch = self.queue.source_epoch;
            let (messages, next) =
                self.queue.with(partition, |log| log.read(from, messages_max.max(1), epoch))??;
            if messages.is_empty() {
                continue;
            }
            *place = Some(next);
            self.turn = index + 1;
            return Ok(Some(Delivery::Messages {
                partition: Arc::clone(partition),
                from: from.position()?,
                next: next.position()?,
                messages,
            }));
        }
        Ok(None)
    }
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn poll(&mut self, messages_max: usize, wait: Duration) -> Result<Delivery> {
        if !self.assigned {
            self.assigned = true;
            let partitions = self.places.iter().map(|(name, _)| Arc::clone(name)).collect();
            return Ok(Delivery::Assigned(partitions));
        }
        let deadline = Instant::now() + wait;
        let shared = Arc::clone(&self.queue.shared);
        loop {
            // Listen first, look then: what arrives in between is not missed.
            let mut arrived = std::pin::pin!(shared.arrived.notified());
            arrived.as_mut().enable();
            if let Some(delivery) = self.next(messages_max)? {
                return Ok(delivery);
            }
            if timeout_at(deadline, arrived).await.is_err() {
                return Ok(Delivery::Idle);
            }
        }
    }

    async fn seek(&mut self, partition: &str, position: &Position) -> Result<()> {
        let proven = self.queue.proven(partition, position)?;
        for (name, place) in &mut self.places {
            if **name == *partition {
                *place = Some(proven);
            }
        }
        Ok(())
    }

    async fn acknowledge(&mut self, _partition: &str, _next: &Position) -> Result<()> {
        Ok(())
    }
}

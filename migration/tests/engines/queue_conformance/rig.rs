//! The queues under test.

mod kafka;
mod memory;
mod server;
mod sqlite;

pub(crate) use kafka::KafkaRig;
pub(crate) use memory::MemoryRig;
pub(crate) use server::ServerRig;
pub(crate) use sqlite::SqliteRig;

use async_trait::async_trait;
use migration::queue::{Assignment, Queue};
use std::sync::Arc;
use std::time::Duration;

/// A queue with a hand on its producing side.
#[async_trait]
pub(crate) trait Rig: Send {
    fn queue(&self) -> Arc<dyn Queue>;
    fn partition(&self) -> &str;
    /// Appends a message and returns its offset.
    async fn append(&mut self, payload: &str) -> u64;
    /// Uses up an offset without a message.
    async fn skip(&mut self);
    /// Removes a message behind the queue's back.
    async fn remove(&mut self, offset: u64);
    async fn backup(&mut self);
    async fn restore(&mut self);
    /// Every position the queue makes after this has another source epoch.
    async fn raise_epoch(&mut self);

    fn assignment(&self) -> Assignment {
        Assignment::Lease
    }

    /// How long a poll may take to find that there is nothing, or what is wrong.
    fn moment(&self) -> Duration {
        crate::queue_conformance::NOW
    }

    /// Whether the queue is not there for a moment while it is restored.
    fn is_away_meanwhile(&self) -> bool {
        false
    }

    /// Whether messages are removed by `trim`, and `remove` does it behind the queue's back.
    fn can_trim(&self) -> bool {
        true
    }
}

//! The queues under test.

mod memory;
mod server;
mod sqlite;

pub(crate) use memory::MemoryRig;
pub(crate) use server::ServerRig;
pub(crate) use sqlite::SqliteRig;

use async_trait::async_trait;
use migration::queue::Queue;
use std::sync::Arc;

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
}

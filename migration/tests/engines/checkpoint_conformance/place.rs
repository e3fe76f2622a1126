//! Where a checkpoint store lies, one small module for each back end.

pub(crate) mod memory;
pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod sqlite;

use async_trait::async_trait;
use migration::checkpoint::CheckpointStore;
use std::sync::Arc;

/// A durable place that several stores open, as several processes do. New, and removed when it is
/// dropped.
#[async_trait]
pub(crate) trait Place: Send + Sync + 'static {
    /// Opens it for a migration.
    async fn open(&self, migration: &str) -> Arc<dyn CheckpointStore>;
}

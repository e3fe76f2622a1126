//! This process's memory.

use super::Place;
use async_trait::async_trait;
use migration::checkpoint::{CheckpointStore, MemoryCheckpoint};
use std::future::ready;
use std::sync::Arc;

struct Memory(MemoryCheckpoint);

pub(crate) fn place() -> impl Future<Output = Box<dyn Place>> {
    let place: Box<dyn Place> = Box::new(Memory(MemoryCheckpoint::new("m1")));
    ready(place)
}

#[async_trait]
impl Place for Memory {
    async fn open(&self, migration: &str) -> Arc<dyn CheckpointStore> {
        Arc::new(self.0.beside(migration))
    }
}

//! A queue in memory.

use super::Rig;
use async_trait::async_trait;
use migration::queue::{MemoryBackup, MemoryQueue, Queue};
use std::sync::Arc;

pub(crate) struct MemoryRig {
    queue: MemoryQueue,
    backup: Option<MemoryBackup>,
}

impl MemoryRig {
    pub(crate) fn new() -> Self {
        Self { queue: MemoryQueue::new(&["a", "b", "c"], 1), backup: None }
    }
}

#[async_trait]
impl Rig for MemoryRig {
    fn queue(&self) -> Arc<dyn Queue> {
        Arc::new(self.queue.clone())
    }

    fn partition(&self) -> &str {
        "b"
    }

    async fn append(&mut self, payload: &str) -> u64 {
        self.queue.append("b", "edges", "upsert", Some(payload.as_bytes())).unwrap()
    }

    async fn skip(&mut self) {
        self.queue.skip("b").unwrap();
    }

    async fn remove(&mut self, offset: u64) {
        assert!(self.queue.tamper_remove("b", offset).unwrap());
    }

    async fn backup(&mut self) {
        self.backup = Some(self.queue.backup());
    }

    async fn restore(&mut self) {
        self.queue.restore(self.backup.as_ref().unwrap());
    }

    async fn raise_epoch(&mut self) {
        self.queue = self.queue.with_source_epoch(2);
    }
}

//! Tables in this process's memory.

use super::{Database, TABLES, description};
use async_trait::async_trait;
use migration::store::{MemoryDatabase, MemorySnapshot, MemoryStore, Target, Transactional};
use std::sync::Arc;

struct Memory {
    database: MemoryDatabase,
    backup: Option<MemorySnapshot>,
}

pub(crate) async fn database() -> Box<dyn Database> {
    let database = MemoryDatabase::new();
    for table in TABLES {
        database.create_table(description(table)).await;
    }
    Box::new(Memory { database, backup: None })
}

#[async_trait]
impl Database for Memory {
    async fn open(&self, migration: &str) -> (Arc<dyn Target>, Arc<dyn Transactional>) {
        let store = Arc::new(MemoryStore::new("memory", self.database.clone(), migration));
        (Arc::clone(&store) as Arc<dyn Target>, store)
    }

    async fn back_up(&mut self) {
        self.backup = Some(self.database.snapshot().await);
    }

    async fn restore(&mut self) {
        self.database.restore(self.backup.clone().unwrap()).await;
    }
}

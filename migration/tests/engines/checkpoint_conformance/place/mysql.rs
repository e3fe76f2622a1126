//! A MariaDB database.

use super::Place;
use crate::databases::MysqlDatabase;
use async_trait::async_trait;
use migration::checkpoint::{CheckpointStore, MysqlCheckpoint};
use std::future::ready;
use std::sync::Arc;

struct Server(MysqlDatabase);

pub(crate) fn place() -> impl Future<Output = Box<dyn Place>> {
    let place: Box<dyn Place> = Box::new(Server(MysqlDatabase::create()));
    ready(place)
}

#[async_trait]
impl Place for Server {
    async fn open(&self, migration: &str) -> Arc<dyn CheckpointStore> {
        Arc::new(MysqlCheckpoint::open(&self.0.url(), migration).await.unwrap())
    }
}

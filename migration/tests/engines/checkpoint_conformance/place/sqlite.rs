//! A SQLite file.

use super::Place;
use async_trait::async_trait;
use migration::checkpoint::{CheckpointStore, SqliteCheckpoint};
use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;

struct File {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

pub(crate) fn place() -> impl Future<Output = Box<dyn Place>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.db");
    let place: Box<dyn Place> = Box::new(File { path, _folder: folder });
    ready(place)
}

#[async_trait]
impl Place for File {
    async fn open(&self, migration: &str) -> Arc<dyn CheckpointStore> {
        Arc::new(SqliteCheckpoint::open(&self.path, migration).await.unwrap())
    }
}

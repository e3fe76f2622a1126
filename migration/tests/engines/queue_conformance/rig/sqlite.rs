//! An outbox in SQLite.

use super::Rig;
use async_trait::async_trait;
use migration::queue::{OutboxQueue, Queue, outbox_ddl};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) struct SqliteRig {
    _folder: tempfile::TempDir,
    path: PathBuf,
    writer: Option<SqliteConnection>,
    queue: Arc<OutboxQueue>,
    made_at: i64,
}

impl SqliteRig {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source.db");
        let mut writer = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .connect()
            .await
            .unwrap();
        sqlx::query(sqlx::AssertSqlSafe(outbox_ddl("outbox"))).execute(&mut writer).await.unwrap();
        let queue = Arc::new(OutboxQueue::sqlite(&path, "outbox", "m1", 1).await.unwrap());
        // The wall clock, so that ages can be asked for; each row a microsecond later.
        let made_at = migration::clock::Timestamp::now().0;
        Self { _folder: folder, path, writer: Some(writer), queue, made_at }
    }

    fn writer(&mut self) -> &mut SqliteConnection {
        self.writer.as_mut().unwrap()
    }

    fn backup_path(&self) -> PathBuf {
        self.path.with_extension("backup")
    }
}

#[async_trait]
impl Rig for SqliteRig {
    fn queue(&self) -> Arc<dyn Queue> {
        Arc::clone(&self.queue) as _
    }

    fn partition(&self) -> &str {
        "outbox"
    }

    async fn append(&mut self, payload: &str) -> u64 {
        self.made_at += 1;
        let made_at = self.made_at;
        let done = sqlx::query(
            "INSERT INTO outbox (table_name, op, payload, made_at) VALUES ('edges', 'upsert', ?1, ?2)",
        )
        .bind(payload)
        .bind(made_at)
        .execute(self.writer())
        .await
        .unwrap();
        done.last_insert_rowid().try_into().unwrap()
    }

    async fn skip(&mut self) {
        let offset = self.append("skipped").await;
        self.remove(offset).await;
    }

    async fn remove(&mut self, offset: u64) {
        let done = sqlx::query("DELETE FROM outbox WHERE id = ?1")
            .bind(i64::try_from(offset).unwrap())
            .execute(self.writer())
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1);
    }

    async fn backup(&mut self) {
        std::fs::copy(&self.path, self.backup_path()).unwrap();
    }

    async fn restore(&mut self) {
        // The usual way: the service stops, another file takes the place of the first.
        self.writer = None;
        let restored = self.path.with_extension("restored");
        std::fs::copy(self.backup_path(), &restored).unwrap();
        std::fs::rename(&restored, &self.path).unwrap();
        self.writer =
            Some(SqliteConnectOptions::new().filename(&self.path).connect().await.unwrap());
    }

    async fn raise_epoch(&mut self) {
        self.queue = Arc::new(OutboxQueue::sqlite(&self.path, "outbox", "m1", 2).await.unwrap());
    }
}

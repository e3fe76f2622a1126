//! A SQLite file.

use super::{Database, TABLES, create_table};
use async_trait::async_trait;
use migration::store::{OpenMode, SqliteStore, Target, Transactional};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::path::PathBuf;
use std::sync::Arc;

struct File {
    directory: tempfile::TempDir,
    path: PathBuf,
    backups: u32,
}

pub(crate) async fn database() -> Box<dyn Database> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    for table in TABLES {
        let sql = create_table(table, "TEXT", "INTEGER");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    Box::new(File { directory, path, backups: 0 })
}

#[async_trait]
impl Database for File {
    async fn open(&self, migration: &str) -> (Arc<dyn Target>, Arc<dyn Transactional>) {
        let store =
            SqliteStore::open("shard-0", &self.path, migration, OpenMode::ReadWrite).await.unwrap();
        let store = Arc::new(store);
        (Arc::clone(&store) as Arc<dyn Target>, store)
    }

    async fn back_up(&mut self) {
        self.backups += 1;
        let copy = self.directory.path().join(format!("{}.db", self.backups));
        let mut connection =
            SqliteConnectOptions::new().filename(&self.path).connect().await.unwrap();
        sqlx::query("VACUUM INTO ?").bind(copy.to_str()).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn restore(&mut self) {
        self.path = self.directory.path().join(format!("{}.db", self.backups));
    }
}

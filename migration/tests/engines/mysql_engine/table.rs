//! A table of one column beside its key, and a store over it.

use crate::databases::MysqlDatabase;
use migration::batch::{Batch, Schema};
use migration::error::Result;
use migration::store::{Access, MysqlStore, OpenMode, ReadLimit, Store as _, Transactional as _};
use migration::value::{ColumnType, Value};
use std::sync::Arc;

pub(crate) const NO_LIMIT: ReadLimit = ReadLimit { rows_max: 1_000_000, bytes_max: usize::MAX };

/// `t (id INT PRIMARY KEY, v)`, with `v` as declared.
pub(crate) struct Table {
    pub(crate) database: MysqlDatabase,
    pub(crate) store: MysqlStore,
}

impl Table {
    pub(crate) async fn of(declaration: &str) -> Self {
        let database = MysqlDatabase::create();
        let store = MysqlStore::open("t", &database.url(), "m", OpenMode::ReadWrite).await.unwrap();
        let table = Self { database, store };
        table.create("t", declaration);
        table
    }

    pub(crate) fn create(&self, name: &str, declaration: &str) {
        self.database.run(&format!(
            "SET sql_mode = ''; CREATE TABLE {name} (id INT PRIMARY KEY, v {declaration})"
        ));
    }

    /// Stores values past everything of ours, in a session that lets everything pass.
    pub(crate) fn store_sql(&self, literals: &[&str]) {
        let mut sql = "SET NAMES utf8mb4; SET time_zone = '+00:00'; \
                       SET sql_mode = 'ALLOW_INVALID_DATES';\n"
            .to_owned();
        for (id, literal) in literals.iter().enumerate() {
            sql += &format!("INSERT INTO t VALUES ({id}, {literal});\n");
        }
        self.database.run(&sql);
    }

    /// The table's columns as the server describes them, `v` with another type where one is stated.
    pub(crate) async fn schema(&self, table: &str, stated: Option<ColumnType>) -> Arc<Schema> {
        let mut schema = self.store.describe(table).await.unwrap().schema;
        if let Some(stated) = stated {
            schema.columns[1].column_type = stated;
        }
        Arc::new(schema)
    }

    pub(crate) async fn scan(&self, schema: &Arc<Schema>) -> Result<Batch> {
        self.store.scan(schema, None, None, NO_LIMIT).await
    }

    /// Writes records into a table of the same columns.
    pub(crate) async fn write(&self, schema: &Schema, batch: &Batch) -> Result<()> {
        let mut transaction = self.store.begin(Access::SetUp).await.unwrap();
        transaction.upsert(schema, &batch.rows().collect::<Vec<_>>()).await?;
        transaction.commit().await
    }
}

/// One record of a table: its key and its value.
pub(crate) fn record(schema: &Arc<Schema>, id: i128, value: Value<'_>) -> Batch {
    let mut batch = Batch::new(Arc::clone(schema));
    batch.push(Value::Int(id)).unwrap();
    batch.push(value).unwrap();
    batch
}

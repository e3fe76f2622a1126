//! A MariaDB database.

use super::{Database, SOURCE, TABLES, create_table};
use crate::databases::MysqlDatabase;
use async_trait::async_trait;
use migration::store::{MysqlStore, OpenMode, Target, Transactional};
use std::future::ready;
use std::sync::Arc;

pub(crate) fn database() -> impl Future<Output = Box<dyn Database>> {
    let database = MysqlDatabase::create();
    // A key has 3,072 bytes at most: two columns of text and no more.
    let text = "VARCHAR(300) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin";
    let tables = TABLES.map(|table| create_table(table, text, "BIGINT"));
    database.run(&tables.join(";\n"));
    let database: Box<dyn Database> = Box::new(Server { database, backup: None });
    ready(database)
}

struct Server {
    database: MysqlDatabase,
    backup: Option<MysqlDatabase>,
}

/// Makes one database as another is.
fn copy(from: &MysqlDatabase, to: &MysqlDatabase) {
    let mut statements = String::new();
    for table in to.run("SHOW TABLES").lines() {
        statements += &format!("DROP TABLE `{table}`;\n");
    }
    let name = from.run("SELECT DATABASE()");
    for table in from.run("SHOW TABLES").lines() {
        let source = format!("`{}`.`{table}`", name.trim());
        statements += &format!("CREATE TABLE `{table}` LIKE {source};\n");
        statements += &format!("INSERT INTO `{table}` SELECT * FROM {source};\n");
    }
    to.run(&statements);
}

#[async_trait]
impl Database for Server {
    async fn open(&self, migration: &str) -> (Arc<dyn Target>, Arc<dyn Transactional>) {
        let url = self.database.url();
        let store = MysqlStore::open("shard-0", &url, migration, OpenMode::ReadWrite).await;
        let store = Arc::new(store.unwrap());
        (Arc::clone(&store) as Arc<dyn Target>, store)
    }

    async fn back_up(&mut self) {
        let backup = MysqlDatabase::create();
        copy(&self.database, &backup);
        self.backup = Some(backup);
    }

    async fn restore(&mut self) {
        copy(self.backup.as_ref().unwrap(), &self.database);
    }
    async fn mislead(&self, records: u64) -> bool {
        // A new name makes the server read them.
        self.database.run(&format!(
            "ALTER TABLE `{SOURCE}` STATS_PERSISTENT = 1, STATS_AUTO_RECALC = 0; \
             UPDATE mysql.innodb_table_stats SET n_rows = n_rows + {records} \
             WHERE database_name = DATABASE() AND table_name = '{SOURCE}'; \
             RENAME TABLE `{SOURCE}` TO `elsewhere`; RENAME TABLE `elsewhere` TO `{SOURCE}`"
        ));
        true
    }
}

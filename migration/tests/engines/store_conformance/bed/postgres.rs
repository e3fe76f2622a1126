//! A PostgreSQL database.

use super::{Database, TABLES, create_table};
use crate::databases::PostgresDatabase;
use async_trait::async_trait;
use migration::store::{OpenMode, PostgresStore, Target, Transactional};
use std::future::ready;
use std::sync::Arc;

pub(crate) fn database() -> impl Future<Output = Box<dyn Database>> {
    let database = PostgresDatabase::create();
    let tables = TABLES.map(|table| create_table(table, "text COLLATE \"C\"", "bigint"));
    database.run(&tables.join("; "));
    let database: Box<dyn Database> = Box::new(Server(database));
    ready(database)
}

struct Server(PostgresDatabase);

/// Runs a statement for every table that is there, `%` standing for its name.
fn for_each_table(statement: &str) -> String {
    format!(
        "DO $$ DECLARE t text; BEGIN \
         FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
         EXECUTE replace('{statement}', '%', t); END LOOP; END $$"
    )
}

#[async_trait]
impl Database for Server {
    async fn open(&self, migration: &str) -> (Arc<dyn Target>, Arc<dyn Transactional>) {
        let store =
            PostgresStore::open("shard-0", &self.0.url(), migration, OpenMode::ReadWrite).await;
        let store = Arc::new(store.unwrap());
        (Arc::clone(&store) as Arc<dyn Target>, store)
    }

    async fn back_up(&mut self) {
        self.0.run("DROP SCHEMA IF EXISTS backup CASCADE; CREATE SCHEMA backup");
        self.0.run(&for_each_table("CREATE TABLE backup.% AS TABLE public.%"));
    }

    async fn restore(&mut self) {
        self.0.run(&for_each_table("TRUNCATE public.%"));
        self.0.run(&for_each_table("INSERT INTO public.% SELECT * FROM backup.%"));
    }

    fn keeps_nul(&self) -> bool {
        false
    }
}

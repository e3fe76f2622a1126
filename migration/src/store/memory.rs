//! An engine in memory: for simulations, and as the plainest form of what an engine has to do.
//!
//! One transaction at a time; readers wait for it, so every read is one consistent view. What a
//! transaction changed is taken back from its own notes when it is dropped without a commit.

mod state;
mod table;
mod transaction;

use super::{
    Access, Horizon, ReadLimit, SideTable, Store, TableDescription, Transaction, Transactional,
};
use crate::batch::{Batch, Schema};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use async_trait::async_trait;
use state::State;
use std::sync::Arc;
use table::Table;
use tokio::sync::RwLock;
use transaction::MemoryTransaction;

/// Tables in memory, with the side tables of every migration that uses them.
#[derive(Debug, Clone, Default)]
pub struct MemoryDatabase(Arc<RwLock<State>>);

/// A copy of a database as it was at one moment.
#[derive(Debug, Clone)]
pub struct MemorySnapshot(State);

impl MemoryDatabase {
    /// A database without tables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a table; what was there under its name goes.
    pub async fn create_table(&self, description: TableDescription) {
        let name = description.schema.table.clone();
        self.0.write().await.tables.insert(name, Table::new(description));
    }

    /// Writes records as an application does, past every fence: new or not.
    ///
    /// # Errors
    /// `Refused` if there is no such table.
    pub async fn put(&self, records: &Batch) -> Result<()> {
        let mut state = self.0.write().await;
        let table = state.table_mut(&records.schema().table)?;
        let columns = table.columns_of(records.schema())?;
        records.rows().try_for_each(|row| table.put(&columns, &row).map(drop))
    }

    /// Removes records as an application does, past every fence.
    ///
    /// # Errors
    /// `Refused` if there is no such table.
    pub async fn remove(&self, table: &str, keys: &[Key]) -> Result<()> {
        let mut state = self.0.write().await;
        let table = state.table_mut(table)?;
        keys.iter().for_each(|key| drop(table.remove(key)));
        Ok(())
    }

    /// Loses the answer to a commit, after that many more that are answered: it takes place, and
    /// its caller gets `UnknownOutcome`.
    pub async fn lose_answer(&self, after: usize) {
        self.0.write().await.answers_left = Some(after);
    }

    /// Whether that answer was lost.
    pub async fn has_lost_answer(&self) -> bool {
        self.0.read().await.answers_left.is_none()
    }

    /// Everything as it is now.
    pub async fn snapshot(&self) -> MemorySnapshot {
        MemorySnapshot(self.0.read().await.clone())
    }

    /// Makes everything as it was: a lost tail, or a restored backup.
    pub async fn restore(&self, snapshot: MemorySnapshot) {
        *self.0.write().await = snapshot.0;
    }
}

/// One instance in memory, as one migration sees it.
#[derive(Debug)]
pub struct MemoryStore {
    name: String,
    migration: String,
    database: MemoryDatabase,
}

impl MemoryStore {
    /// A store called `name` on `database` for the migration called `migration`.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        database: MemoryDatabase,
        migration: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), migration: migration.into(), database }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        format!("memory {:p}", Arc::as_ptr(&self.database.0))
    }

    /// Nobody sees a change before its commit, and everybody does after it.
    async fn horizon(&self) -> Result<Horizon> {
        Ok(Horizon::Now)
    }

    async fn describe(&self, table: &str) -> Result<TableDescription> {
        Ok(self.database.0.read().await.table(table)?.description().clone())
    }

    async fn scan(
        &self,
        schema: &Arc<Schema>,
        after: Option<&Key>,
        until: Option<&Key>,
        limit: ReadLimit,
    ) -> Result<Batch> {
        self.database.0.read().await.table(&schema.table)?.scan(schema, (after, until), limit)
    }

    async fn read(&self, schema: &Arc<Schema>, keys: &[Key]) -> Result<Batch> {
        self.database.0.read().await.table(&schema.table)?.read(schema, keys)
    }

    async fn split_points(&self, schema: &Arc<Schema>, count: usize) -> Result<Vec<Key>> {
        Ok(self.database.0.read().await.table(&schema.table)?.split_points(count))
    }

    async fn estimate_rows(&self, schema: &Arc<Schema>) -> Result<u64> {
        Ok(self.database.0.read().await.table(&schema.table)?.len())
    }
}

#[async_trait]
impl Transactional for MemoryStore {
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction + '_>> {
        let is_marked = self.is_marked().await?;
        if !is_marked && access != Access::SetUp {
            return Err(Error::new(ErrorKind::Refused, "begin: the migration is not set up")
                .with("migration", &self.migration)
                .hint("run its set-up first"));
        }
        let state = Arc::clone(&self.database.0).write_owned().await;
        Ok(Box::new(MemoryTransaction::begin(state, &self.migration, access)))
    }

    async fn is_marked(&self) -> Result<bool> {
        let state = self.database.0.read().await;
        Ok(state.side.get(&self.migration).is_some_and(|side| side.is_set_up))
    }

    fn side_table_statements(&self) -> Vec<String> {
        Vec::new()
    }

    async fn flush(&self) -> Result<()> {
        // Nothing here outlives the process.
        Ok(())
    }

    async fn holds_nothing(&self, schema: &Schema) -> Result<bool> {
        let state = self.database.0.read().await;
        let table = state.table(&schema.table)?;
        table.columns_of(schema)?;
        Ok(table.len() == 0)
    }

    async fn list_side_tables(&self) -> Result<Vec<SideTable>> {
        let state = self.database.0.read().await;
        Ok(state.side.get(&self.migration).map(state::Side::list).unwrap_or_default())
    }

    async fn drop_side_tables(&self) -> Result<()> {
        self.database.0.write().await.side.remove(&self.migration);
        Ok(())
    }
}

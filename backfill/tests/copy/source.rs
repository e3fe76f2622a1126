//! Sources that do not give what they are asked for.

use async_trait::async_trait;
use migration::batch::{Batch, Schema};
use migration::error::{Error, ErrorKind, Result};
use migration::key::Key;
use migration::store::{ReadLimit, Store, TableDescription};
use std::sync::Arc;

/// How a source is with records; it gives their keys as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It fails to give any.
    Fails,
    /// It gives fewer than it is asked for, as an engine may that looks at their size.
    Spares,
}

#[derive(Debug)]
pub(crate) struct OddSource {
    pub(crate) source: Arc<dyn Store>,
    pub(crate) manner: Manner,
}

impl OddSource {
    fn check(&self, operation: &'static str) -> Result<()> {
        match self.manner {
            Manner::Fails => Err(Error::new(ErrorKind::Unavailable, operation)),
            Manner::Spares => Ok(()),
        }
    }
}

#[async_trait]
impl Store for OddSource {
    fn name(&self) -> &str {
        self.source.name()
    }
    fn identity(&self) -> String {
        self.source.identity()
    }
    async fn describe(&self, table: &str) -> Result<TableDescription> {
        self.source.describe(table).await
    }
    async fn scan(
        &self,
        schema: &Arc<Schema>,
        after: Option<&Key>,
        until: Option<&Key>,
        limit: ReadLimit,
    ) -> Result<Batch> {
        if schema.columns.len() == schema.key.len() {
            return self.source.scan(schema, after, until, limit).await;
        }
        self.check("scan")?;
        let limit = ReadLimit { rows_max: limit.rows_max.min(3), ..limit };
        self.source.scan(schema, after, until, limit).await
    }
    async fn read(&self, schema: &Arc<Schema>, keys: &[Key]) -> Result<Batch> {
        self.check("read")?;
        self.source.read(schema, keys).await
    }
    async fn split_points(&self, schema: &Arc<Schema>, count: usize) -> Result<Vec<Key>> {
        self.source.split_points(schema, count).await
    }
    async fn estimate_rows(&self, schema: &Arc<Schema>) -> Result<u64> {
        self.source.estimate_rows(schema).await
    }
}

//! Walks a table in key order and reads the next batch while the last one is compared.

use migration::batch::{Batch, Row, Schema};
use migration::error::{Error, ErrorKind, Result};
use migration::key::Key;
use migration::store::{ReadLimit, Store};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A place in a walk over one table of one store. Holds at most two batches.
#[derive(Debug)]
pub(crate) struct Cursor {
    store: Arc<dyn Store>,
    schema: Arc<Schema>,
    limit: ReadLimit,
    batch: Batch,
    next: usize,
    /// The read of the batch after this one; none after the last.
    ahead: Option<JoinHandle<Result<Batch>>>,
}

impl Cursor {
    /// A walk that begins after `after`.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        schema: Arc<Schema>,
        after: Option<Key>,
        limit: ReadLimit,
    ) -> Self {
        let batch = Batch::new(Arc::clone(&schema));
        let mut cursor = Self { store, schema, limit, batch, next: 0, ahead: None };
        cursor.read_ahead(after);
        cursor
    }

    /// Makes sure that [`Self::peek`] shows the next record, unless there is none.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        if self.next < self.batch.len() {
            return Ok(());
        }
        self.batch.clear();
        self.next = 0;
        let Some(read) = self.ahead.take() else {
            return Ok(());
        };
        let batch = read.await.map_err(|error| {
            Error::new(ErrorKind::Failed, "read ahead")
                .with("store", self.store.name())
                .because(error)
        })??;
        if let Some(last) = batch.len().checked_sub(1) {
            self.read_ahead(Some(batch.row(last).key()?));
        }
        self.batch = batch;
        Ok(())
    }

    /// The next record, once [`Self::fill`] has been called.
    pub(crate) fn peek(&self) -> Option<Row<'_>> {
        (self.next < self.batch.len()).then(|| self.batch.row(self.next))
    }

    /// Goes past the next record.
    pub(crate) fn advance(&mut self) {
        self.next += 1;
    }

    /// Takes what is left of the batch at hand, so that the caller can keep it while it moves
    /// other cursors. Empty at the end of the table.
    pub(crate) async fn take(&mut self) -> Result<Batch> {
        self.fill().await?;
        debug_assert_eq!(self.next, 0, "a cursor is walked by batch or by record, not both");
        Ok(std::mem::replace(&mut self.batch, Batch::new(Arc::clone(&self.schema))))
    }

    fn read_ahead(&mut self, after: Option<Key>) {
        let (store, schema, limit) =
            (Arc::clone(&self.store), Arc::clone(&self.schema), self.limit);
        self.ahead =
            Some(tokio::spawn(
                async move { store.scan(&schema, after.as_ref(), None, limit).await },
            ));
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        if let Some(read) = self.ahead.take() {
            read.abort();
        }
    }
}

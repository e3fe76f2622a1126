//! Stores whose calls are timed, counted, and made again where that may help.
//!
//! Every call to a store may be repeated: reads change nothing, and the steps of a target decide by
//! the fences that they find. So a store that is busy or away for a moment costs a phase a wait,
//! and not its life.

use super::{
    AtomicStep, CopyOutcome, CopyStep, Horizon, LiveOutcome, LiveStep, PurgeStep, ReadLimit,
    RepairStep, SideTable, StartPosition, Store, TableDescription, Target, WriteMark,
};
use crate::batch::{Batch, Schema};
use crate::decode::ColumnTraits;
use crate::error::Result;
use crate::key::Key;
use crate::layout::TargetLayout;
use crate::metrics::{Calls, Metrics};
use crate::position::{Generation, Position, Version};
use crate::protocol::{Claim, Finish, Guard, Partition, Range, Repair};
use crate::retry::Retry;
use crate::shutdown::Shutdown;
use async_trait::async_trait;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// A store under supervision; a target too where `S` is one.
#[derive(Debug)]
struct Supervised<S: ?Sized> {
    inner: Arc<S>,
    label: String,
    supervision: Supervision,
}

/// How stores are supervised. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Supervision {
    /// What is counted.
    pub calls: Calls,
    /// What is made again.
    pub retry: Retry,
    /// What ends the waits for a store that does not come back.
    pub shutdown: Shutdown,
}

impl Supervision {
    /// A store under this supervision. `label` is its name in metrics and errors: `source`.
    #[must_use]
    pub fn store(&self, label: &str, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Supervised::new(store, label, self))
    }

    /// A target under this supervision. `label`: `target/shard-0`.
    #[must_use]
    pub fn target(&self, label: &str, target: Arc<dyn Target>) -> Arc<dyn Target> {
        Arc::new(Supervised::new(target, label, self))
    }

    /// Ends its waits when `shutdown` begins, while the returned handle lives.
    pub fn end_with(&self, shutdown: &Shutdown) -> AbortOnDropHandle<()> {
        let (ours, theirs) = (self.shutdown.clone(), shutdown.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            theirs.begun().await;
            ours.begin();
        }))
    }

    /// Exports what it counts.
    pub fn register(&self, metrics: &Metrics) {
        self.calls.register(metrics);
        metrics.export_retries(&self.retry);
    }
}

impl<S: ?Sized> Supervised<S> {
    fn new(inner: Arc<S>, label: impl Into<String>, supervision: &Supervision) -> Self {
        Self { inner, label: label.into(), supervision: supervision.clone() }
    }

    async fn call<T, F>(&self, operation: &'static str, mut call: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let Supervision { calls, retry, shutdown } = &self.supervision;
        retry
            .run(operation, shutdown, || calls.time(&self.label, operation, call()))
            .await
            .map_err(|error| error.with("store", &self.label))
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Supervised<S> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }

    async fn describe(&self, table: &str) -> Result<TableDescription> {
        self.call("describe", || self.inner.describe(table)).await
    }

    async fn scan(
        &self,
        schema: &Arc<Schema>,
        after: Option<&Key>,
        until: Option<&Key>,
        limit: ReadLimit,
    ) -> Result<Batch> {
        self.call("scan", || self.inner.scan(schema, after, until, limit)).await
    }

    async fn interval(
        &self,
        schema: &Arc<Schema>,
        after: Option<&Key>,
        until: Option<&Key>,
        entity_columns: usize,
        rows: usize,
    ) -> Result<Option<(Key, Key)>> {
        let find = || self.inner.interval(schema, after, until, entity_columns, rows);
        self.call("interval", find).await
    }

    async fn read(&self, schema: &Arc<Schema>, keys: &[Key]) -> Result<Batch> {
        self.call("read", || self.inner.read(schema, keys)).await
    }

    async fn horizon(&self) -> Result<Horizon> {
        self.call("horizon", || self.inner.horizon()).await
    }

    async fn shows(&self, horizon: &Horizon) -> Result<bool> {
        self.call("shows", || self.inner.shows(horizon)).await
    }

    async fn write_mark(&self, table: &str) -> Result<Option<WriteMark>> {
        self.call("write_mark", || self.inner.write_mark(table)).await
    }

    async fn column_traits(&self, table: &str) -> Result<Vec<(String, ColumnTraits)>> {
        self.call("column_traits", || self.inner.column_traits(table)).await
    }

    async fn split_points(&self, schema: &Arc<Schema>, count: usize) -> Result<Vec<Key>> {
        self.call("split_points", || self.inner.split_points(schema, count)).await
    }

    async fn estimate_rows(&self, schema: &Arc<Schema>) -> Result<u64> {
        self.call("estimate_rows", || self.inner.estimate_rows(schema)).await
    }

    async fn null_in_key(&self, schema: &Arc<Schema>) -> Result<Option<String>> {
        self.call("null_in_key", || self.inner.null_in_key(schema)).await
    }
}

#[async_trait]
impl<S: Target + ?Sized> Target for Supervised<S> {
    fn atomic_step(&self) -> AtomicStep {
        self.inner.atomic_step()
    }

    fn set_up_statements(&self) -> Vec<String> {
        self.inner.set_up_statements()
    }

    async fn set_up(&self, tables: &[&str], partitions: &[StartPosition]) -> Result<()> {
        self.call("set_up", || self.inner.set_up(tables, partitions)).await
    }

    async fn is_set_up(&self) -> Result<bool> {
        self.call("is_set_up", || self.inner.is_set_up()).await
    }

    async fn partition(&self, partition: &str) -> Result<Option<Partition>> {
        self.call("partition", || self.inner.partition(partition)).await
    }

    async fn claim_partition(&self, partition: &str, generation: &Generation) -> Result<Claim> {
        self.call("claim_partition", || self.inner.claim_partition(partition, generation)).await
    }

    async fn restart_partition(
        &self,
        partition: &str,
        generation: &Generation,
        start: &Position,
    ) -> Result<Claim> {
        self.call("restart_partition", || {
            self.inner.restart_partition(partition, generation, start)
        })
        .await
    }

    async fn apply_live(&self, step: &LiveStep<'_>) -> Result<LiveOutcome> {
        self.call("apply_live", || self.inner.apply_live(step)).await
    }

    async fn ranges(&self, table: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Range>> {
        self.call("ranges", || self.inner.ranges(table, after, limit)).await
    }

    async fn range(&self, table: &str, after: Option<&Key>) -> Result<Option<Range>> {
        self.call("range", || self.inner.range(table, after)).await
    }

    async fn split_range(&self, table: &str, key: &Key) -> Result<()> {
        self.call("split_range", || self.inner.split_range(table, key)).await
    }

    async fn claim_range(
        &self,
        table: &str,
        after: Option<&Key>,
        epoch: &Generation,
    ) -> Result<Claim> {
        self.call("claim_range", || self.inner.claim_range(table, after, epoch)).await
    }

    async fn copy(&self, step: &CopyStep<'_>) -> Result<CopyOutcome> {
        self.call("copy", || self.inner.copy(step)).await
    }

    async fn finish_range(
        &self,
        table: &str,
        after: Option<&Key>,
        epoch: &Generation,
        left: u64,
    ) -> Result<Finish> {
        self.call("finish_range", || self.inner.finish_range(table, after, epoch, left)).await
    }

    async fn purge(&self, step: &PurgeStep<'_>) -> Result<u64> {
        self.call("purge", || self.inner.purge(step)).await
    }

    async fn guards(
        &self,
        source_table: &str,
        table: &str,
        keys: &[Key],
    ) -> Result<Vec<Option<Guard<Version>>>> {
        self.call("guards", || self.inner.guards(source_table, table, keys)).await
    }

    async fn place_lease(
        &self,
        source_table: &str,
        table: &str,
        keys: &[Key],
        lease: u128,
    ) -> Result<()> {
        self.call("place_lease", || self.inner.place_lease(source_table, table, keys, lease)).await
    }

    async fn repair(&self, step: &RepairStep<'_>) -> Result<Vec<Repair>> {
        self.call("repair", || self.inner.repair(step)).await
    }

    async fn make_durable(&self) -> Result<()> {
        self.call("make_durable", || self.inner.make_durable()).await
    }

    async fn is_empty(&self, target: &TargetLayout) -> Result<bool> {
        self.call("is_empty", || self.inner.is_empty(target)).await
    }

    async fn side_tables(&self) -> Result<Vec<SideTable>> {
        self.call("side_tables", || self.inner.side_tables()).await
    }

    async fn remove_side_tables(&self) -> Result<()> {
        self.call("remove_side_tables", || self.inner.remove_side_tables()).await
    }
}

#[cfg(test)]
mod tests {
    use super::{Supervised, Supervision};
    use crate::batch::{Batch, Schema};
    use crate::error::{Error, ErrorKind, Result};
    use crate::key::Key;
    use crate::metrics::Metrics;
    use crate::store::{ReadLimit, Store, TableDescription};
    use async_trait::async_trait;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Answers `estimate_rows` after so many failures; nothing else is asked of it.
    #[derive(Debug)]
    struct Flaky {
        failures: AtomicU64,
        kind: ErrorKind,
    }

    fn unasked<T>() -> Result<T> {
        Err(Error::new(ErrorKind::Refused, "asked for what the test does not need"))
    }

    #[async_trait]
    impl Store for Flaky {
        fn name(&self) -> &'static str {
            "flaky"
        }

        fn identity(&self) -> String {
            String::new()
        }

        async fn describe(&self, _table: &str) -> Result<TableDescription> {
            unasked()
        }

        async fn scan(
            &self,
            _schema: &Arc<Schema>,
            _after: Option<&Key>,
            _until: Option<&Key>,
            _limit: ReadLimit,
        ) -> Result<Batch> {
            unasked()
        }

        async fn read(&self, _schema: &Arc<Schema>, _keys: &[Key]) -> Result<Batch> {
            unasked()
        }

        async fn split_points(&self, _schema: &Arc<Schema>, _count: usize) -> Result<Vec<Key>> {
            unasked()
        }

        async fn estimate_rows(&self, _schema: &Arc<Schema>) -> Result<u64> {
            if self.failures.load(Ordering::Relaxed) == 0 {
                return Ok(7);
            }
            self.failures.fetch_sub(1, Ordering::Relaxed);
            Err(Error::new(self.kind, "estimate rows"))
        }
    }

    fn supervised(failures: u64, kind: ErrorKind) -> (Supervised<Flaky>, Supervision) {
        let supervision = Supervision::default();
        let flaky = Flaky { failures: AtomicU64::new(failures), kind };
        (Supervised::new(Arc::new(flaky), "source", &supervision), supervision)
    }

    fn schema() -> Arc<Schema> {
        Arc::new(Schema { table: "t".to_owned(), columns: Vec::new(), key: Vec::new() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_busy_for_a_moment_is_asked_again_and_every_call_is_counted() {
        let (store, supervision) = supervised(2, ErrorKind::Busy);
        let metrics = Metrics::new("backfill");
        supervision.register(&metrics);
        assert_eq!(store.estimate_rows(&schema()).await.unwrap(), 7);
        assert_eq!(supervision.retry.retried(), 2);
        let text = metrics.encode().unwrap();
        let labels = "store=\"source\",operation=\"estimate_rows\"";
        for line in [
            format!("midflight_store_call_duration_seconds_count{{{labels}}} 3"),
            format!("midflight_store_call_errors_total{{{labels},kind=\"busy\"}} 2"),
        ] {
            assert!(text.contains(&line), "no `{line}` in\n{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_get_better_is_told_at_once_and_says_which_store() {
        let (store, supervision) = supervised(1, ErrorKind::Full);
        let error = store.estimate_rows(&schema()).await.unwrap_err();
        assert_eq!((error.kind(), supervision.retry.retried()), (ErrorKind::Full, 0));
        assert!(error.to_string().contains("store source"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_does_not_wait_for_a_store_that_is_away() {
        let (store, supervision) = supervised(u64::MAX, ErrorKind::Unavailable);
        supervision.shutdown.begin();
        assert!(store.estimate_rows(&schema()).await.is_err());
        assert_eq!(supervision.retry.retried(), 0);
    }
}

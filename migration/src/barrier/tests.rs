use super::{source_barrier, start_barrier};
use crate::error::{ErrorKind, Result};
use crate::position::{Position, Version};
use crate::queue::{Assignment, Consumer, Lag, MemoryQueue, Queue};
use crate::store::{MemoryDatabase, MemoryStore, SideTable, StartPosition, Target};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const BOUND: Duration = Duration::from_secs(300);
/// How long the source of [`Slow`] takes for each partition.
const LATE: Duration = Duration::from_secs(180);

/// A queue whose source shows what a partition holds some time after it is first asked for.
#[derive(Debug)]
struct Slow {
    queue: MemoryQueue,
    asked: Mutex<BTreeMap<String, Instant>>,
}

#[async_trait]
impl Queue for Slow {
    async fn source_shows(&self, partition: &str, _position: &Position) -> Result<bool> {
        let mut asked = self.asked.lock().unwrap();
        Ok(asked.entry(partition.to_owned()).or_insert_with(Instant::now).elapsed() >= LATE)
    }

    fn assignment(&self) -> Assignment {
        self.queue.assignment()
    }

    async fn partitions(&self) -> Result<Vec<Arc<str>>> {
        self.queue.partitions().await
    }

    async fn end(&self, partition: &str) -> Result<Position> {
        self.queue.end(partition).await
    }

    fn producer_lag_max(&self) -> Duration {
        self.queue.producer_lag_max()
    }

    async fn lag(&self, partition: &str, from: &Position) -> Result<Lag> {
        self.queue.lag(partition, from).await
    }

    fn is_current(&self, position: &Position) -> Result<bool> {
        self.queue.is_current(position)
    }

    async fn version_at(&self, partition: &str, position: &Position) -> Result<Version> {
        self.queue.version_at(partition, position).await
    }

    async fn consumer(&self) -> Result<Box<dyn Consumer>> {
        self.queue.consumer().await
    }

    async fn register(&self, partition: &str, start: &Position) -> Result<()> {
        self.queue.register(partition, start).await
    }

    async fn trim(&self, partition: &str, below: &Position) -> Result<u64> {
        self.queue.trim(partition, below).await
    }

    fn set_up_statements(&self) -> Vec<String> {
        self.queue.set_up_statements()
    }

    async fn side_tables(&self) -> Result<Vec<SideTable>> {
        self.queue.side_tables().await
    }

    async fn remove_side_tables(&self) -> Result<()> {
        self.queue.remove_side_tables().await
    }

    fn describe(&self, position: &Position) -> String {
        self.queue.describe(position)
    }
}

/// A queue of these partitions, and a target that is set up for it.
async fn of(partitions: &[&str]) -> (Slow, Vec<Arc<dyn Target>>) {
    let queue = Slow { queue: MemoryQueue::new(partitions, 0), asked: Mutex::default() };
    let target = MemoryStore::new("shard", MemoryDatabase::new(), "m");
    let mut starts = Vec::new();
    for partition in partitions {
        let position = queue.end(partition).await.unwrap();
        starts.push(StartPosition { partition: (*partition).into(), position });
    }
    target.set_up(&[], &starts).await.unwrap();
    (queue, vec![Arc::new(target)])
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_a_barrier_is_that_of_all_partitions_together() {
    let (queue, targets) = of(&["0"]).await;
    start_barrier(&queue, &targets, BOUND).await.unwrap();

    let (queue, targets) = of(&["0", "1", "2"]).await;
    let begun = Instant::now();
    let error = start_barrier(&queue, &targets, BOUND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error:?}");
    assert!(begun.elapsed() < BOUND + Duration::from_secs(1), "{:?}", begun.elapsed());

    let (queue, targets) = of(&["0", "1", "2"]).await;
    let error = source_barrier(&queue, &targets, None, BOUND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error:?}");
}

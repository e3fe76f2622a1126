//! Batches of several partitions in the air at once.

use async_trait::async_trait;
use dual_write::{Counters, Ended, Gate, Hold, LiveParts, LivePath, Preparer};
use migration::checkpoint::MemoryCheckpoint;
use migration::claim::{claim_partition, partitions};
use migration::error::Result;
use migration::key::Key;
use migration::lock::{KeyLock, MemoryLock, Token};
use migration::position::Owner;
use migration::queue::{MemoryQueue, Queue};
use migration::store::{MemoryDatabase, MemorySnapshot, StartPosition, Target};
use migration::testing::{TABLE, World, key};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

const PARTITIONS: [&str; 6] = ["p0", "p1", "p2", "p3", "p4", "p5"];

/// Messages in one batch, and of each partition.
const BATCH_ROWS: usize = 5;
const EACH: usize = 60;

/// What happens to the target while batches are in the air.
#[derive(Debug)]
enum Mishap {
    /// An instance is put back to where it was at the first of these batches when the second comes.
    LosesTail(MemoryDatabase, usize, usize),
    /// Somebody else claims a partition.
    IsClaimed(Vec<Arc<dyn Target>>, &'static str, Owner),
}

/// A key lock that nobody holds: every batch asks it just before it is written. It keeps them there
/// for a while, some longer than others, and sees which are there together.
#[derive(Debug)]
struct Air {
    inner: MemoryLock,
    partitions: HashMap<Key, &'static str>,
    seen: Mutex<Seen>,
    mishap: Option<Mishap>,
    backup: tokio::sync::Mutex<Option<MemorySnapshot>>,
}

#[derive(Debug, Default)]
struct Seen {
    batches: usize,
    aloft: BTreeSet<&'static str>,
    /// Most at one time.
    together: usize,
    /// Times that two of one partition were there at once.
    overlaps: usize,
}

impl Air {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    async fn befall(&self, batch: usize) -> Result<()> {
        match &self.mishap {
            Some(Mishap::LosesTail(instance, first, _)) if batch == *first => {
                *self.backup.lock().await = Some(instance.snapshot().await);
            }
            Some(Mishap::LosesTail(instance, _, second)) if batch == *second => {
                instance.restore(self.backup.lock().await.take().unwrap()).await;
            }
            Some(Mishap::IsClaimed(targets, partition, owner)) if batch == PARTITIONS.len() => {
                claim_partition(targets, partition, *owner).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

#[async_trait]
impl KeyLock for Air {
    fn locks_intervals(&self) -> bool {
        self.inner.locks_intervals()
    }
    async fn acquire(&self, t: &str, e: &[Key], to: Token, l: Duration) -> Result<Vec<bool>> {
        self.inner.acquire(t, e, to, l).await
    }
    async fn still_held(&self, table: &str, token: Token) -> Result<bool> {
        self.inner.still_held(table, token).await
    }
    async fn holders(&self, _: &str, entities: &[Key]) -> Result<Vec<Token>> {
        let partition = self.partitions[&entities[0]];
        let batch = {
            let mut seen = self.seen();
            seen.batches += 1;
            let is_alone = seen.aloft.insert(partition);
            seen.overlaps += usize::from(!is_alone);
            seen.together = seen.together.max(seen.aloft.len());
            seen.batches
        };
        self.befall(batch).await?;
        for _ in 0..batch * 7 % 23 {
            tokio::task::yield_now().await;
        }
        self.seen().aloft.remove(partition);
        Ok(Vec::new())
    }
    async fn revoke(&self, table: &str, tokens: &[Token]) -> Result<()> {
        self.inner.revoke(table, tokens).await
    }
    async fn release(&self, table: &str, token: Token) -> Result<()> {
        self.inner.release(table, token).await
    }
    async fn count(&self) -> Result<u64> {
        self.inner.count().await
    }
    async fn clear(&self) -> Result<()> {
        self.inner.clear().await
    }
}

/// A world whose changes come in several partitions.
#[derive(Debug)]
struct Bed {
    world: World,
    counters: Arc<Counters>,
}

impl Bed {
    /// With changes in every partition, each over a few records of its own.
    async fn new() -> Self {
        let mut world = World::new(2).await.unwrap();
        world.queue = MemoryQueue::new(&PARTITIONS, 0);
        let mut starts = Vec::new();
        for partition in PARTITIONS {
            let position = world.queue.end(partition).await.unwrap();
            starts.push(StartPosition { partition: partition.to_owned(), position });
        }
        for target in &world.targets {
            target.set_up(&[TABLE], &starts).await.unwrap();
        }
        let bed = Self { world, counters: Arc::default() };
        for number in 0..EACH {
            for partition in PARTITIONS {
                bed.change(partition, number).await;
            }
        }
        bed
    }

    async fn change(&self, partition: &'static str, number: usize) {
        let follower = format!("f{}", number % 7);
        let (op, payload) = if number % 5 == 4 {
            self.world.database.remove(TABLE, &[key(partition, &follower).unwrap()]).await.unwrap();
            ("delete", serde_json::json!({ "followed": partition, "follower": follower }))
        } else {
            let weight = i64::try_from(number).unwrap();
            self.world.put_quietly(partition, &follower, weight).await.unwrap();
            let row = serde_json::json!({
                "followed": partition, "follower": follower, "weight": weight,
            });
            ("upsert", row)
        };
        let payload = payload.to_string();
        self.world.queue.append(partition, TABLE, op, Some(payload.as_bytes())).unwrap();
    }

    fn air(&self, mishap: Option<Mishap>) -> Arc<Air> {
        let entity = |partition| self.world.layout.entity(&key(partition, "f").unwrap()).unwrap();
        Arc::new(Air {
            inner: MemoryLock::new(),
            partitions: PARTITIONS.into_iter().map(|name| (entity(name), name)).collect(),
            seen: Mutex::default(),
            mishap,
            backup: tokio::sync::Mutex::default(),
        })
    }

    async fn run(&self, air: &Arc<Air>, gate: &dyn Gate) -> Ended {
        let layouts = vec![Arc::clone(&self.world.layout)];
        let checkpoint = Arc::new(MemoryCheckpoint::new("test"));
        let parts = LiveParts {
            queue: Arc::new(self.world.queue.clone()),
            targets: self.world.targets.clone(),
            preparer: Arc::new(Preparer::new(layouts, self.world.targets.len(), checkpoint)),
            hold: Hold { lock: Arc::<Air>::clone(air), wait: Duration::from_secs(20) },
            owner: Owner::new(),
            batch_rows_max: BATCH_ROWS,
            poll: Duration::from_millis(5),
            counters: Arc::clone(&self.counters),
        };
        let ended = LivePath::new(parts).await.unwrap().run(gate).await.unwrap();
        assert_eq!(air.seen().aloft, BTreeSet::new(), "nothing is in the air at the end");
        assert_eq!(air.seen().overlaps, 0, "one batch of a partition at a time");
        ended
    }

    async fn is_drained(&self) -> bool {
        for partition in PARTITIONS {
            let end = self.world.queue.end(partition).await.unwrap();
            let rows = partitions(&self.world.targets, partition).await.unwrap();
            if rows.iter().any(|row| row.next < end) {
                return false;
            }
        }
        true
    }

    async fn converged(&self) {
        assert_eq!(self.world.differences().await.unwrap(), Vec::<String>::new());
    }

    /// Consumed, duplicates, rewinds; what was consumed is what became of it.
    fn counted(&self) -> (usize, usize, usize) {
        let get = |counter: &std::sync::atomic::AtomicU64| {
            usize::try_from(counter.load(Ordering::SeqCst)).unwrap()
        };
        let counters = &self.counters;
        let fates = [&counters.applied, &counters.stale, &counters.duplicate, &counters.compacted];
        let sum: usize = fates.into_iter().map(get).sum();
        assert_eq!(sum, get(&counters.consumed), "conservation: {counters:?}");
        (sum, get(&counters.duplicate), get(&counters.rewinds))
    }
}

/// Closes once every instance has applied everything.
#[derive(Debug)]
struct AtEnd<'a>(&'a Bed);

#[async_trait]
impl Gate for AtEnd<'_> {
    fn is_open(&self) -> bool {
        true
    }
    async fn opened(&self) -> bool {
        !self.0.is_drained().await
    }
}

/// Closes as soon as so many batches were in the air together.
#[derive(Debug)]
struct UntilTogether<'a>(&'a Air, usize);

#[async_trait]
impl Gate for UntilTogether<'_> {
    fn is_open(&self) -> bool {
        self.0.seen().together < self.1
    }
    async fn opened(&self) -> bool {
        self.is_open()
    }
}

#[tokio::test]
async fn partitions_fly_together_and_the_batches_of_one_in_order_and_once() {
    let bed = Bed::new().await;
    let air = bed.air(None);
    assert_eq!(bed.run(&air, &AtEnd(&bed)).await, Ended::Stopped);
    bed.converged().await;
    assert!(air.seen().together >= 3, "{:?}", air.seen());
    // Twice would be a duplicate, out of order a gap.
    assert_eq!(bed.counted(), (EACH * PARTITIONS.len(), 0, 0));
}

#[tokio::test]
async fn a_lost_tail_sends_every_partition_back_once_and_nothing_of_the_air_is_forgotten() {
    let bed = Bed::new().await;
    let each = PARTITIONS.len();
    let instance = bed.world.instances[1].clone();
    let air = bed.air(Some(Mishap::LosesTail(instance, each * 3, each * 6)));
    assert_eq!(bed.run(&air, &AtEnd(&bed)).await, Ended::Stopped);
    bed.converged().await;
    let (_, _, rewinds) = bed.counted();
    // A batch that was polled before its partition went back would find another gap.
    assert_eq!(rewinds, each);
}

#[tokio::test]
async fn a_consumer_that_is_fenced_lets_the_others_land_and_does_not_fight_back() {
    let bed = Bed::new().await;
    let owner = Owner::new();
    let targets = bed.world.targets.clone();
    let air = bed.air(Some(Mishap::IsClaimed(targets, "p2", owner)));
    assert_eq!(bed.run(&air, &AtEnd(&bed)).await, Ended::Fenced);
    bed.counted();
    let rows = partitions(&bed.world.targets, "p2").await.unwrap();
    assert!(rows.iter().all(|row| row.generation.owner == owner), "{rows:?}");
    let air = bed.air(None);
    assert_eq!(bed.run(&air, &AtEnd(&bed)).await, Ended::Stopped);
    bed.converged().await;
    assert_eq!(bed.counted().0, EACH * PARTITIONS.len());
}

#[tokio::test]
async fn a_stop_waits_for_what_is_in_the_air() {
    let bed = Bed::new().await;
    let air = bed.air(None);
    assert_eq!(bed.run(&air, &UntilTogether(&air, 3)).await, Ended::Stopped);
    let stopped = bed.counted().0;
    assert!((BATCH_ROWS * 3..EACH * PARTITIONS.len()).contains(&stopped), "{stopped}");
    assert_eq!(bed.run(&air, &AtEnd(&bed)).await, Ended::Stopped);
    bed.converged().await;
    assert_eq!(bed.counted(), (EACH * PARTITIONS.len(), 0, 0));
}

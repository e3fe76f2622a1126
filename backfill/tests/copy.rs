//! The copy of ranges, in memory: what it writes, how it resumes, and what it does when the lock,
//! the claim or an instance's tail is lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use async_trait::async_trait;
use backfill::{
    Copied, Copier, Counters, Ended, Job, Pace, Pool, Unpaced, copy_range, split_table,
};
use migration::batch::{Batch, Schema};
use migration::checkpoint::MemoryCheckpoint;
use migration::claim::{claim_range, survey_ranges};
use migration::error::Result;
use migration::key::Key;
use migration::lock::{KeyLock, MemoryLock};
use migration::position::Owner;
use migration::process::Process;
use migration::protocol::Progress;
use migration::sample::Sample;
use migration::shutdown::Shutdown;
use migration::store::{MemoryDatabase, MemorySnapshot, ReadLimit, Store, TableDescription};
use migration::testing::{FickleLock, TABLE, Whim, World};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

const LIMIT: ReadLimit = ReadLimit { rows_max: 7, bytes_max: 1 << 20 };

async fn world(lists: usize, instances: usize) -> World {
    let world = World::new(instances).await.unwrap();
    for list in 0..lists {
        for follower in 0..=list {
            let (followed, follower) = (format!("u{list:02}"), format!("f{follower:02}"));
            world.put_quietly(&followed, &follower, 1).await.unwrap();
        }
    }
    world.set_up().await.unwrap();
    world
}

fn copier(world: &World, lock: Whim, pace: Arc<dyn Pace>) -> Arc<Copier> {
    Arc::new(Copier {
        source: Arc::clone(&world.source),
        targets: world.targets.clone(),
        lock: Arc::new(FickleLock::new(lock)) as Arc<dyn KeyLock>,
        layout: Arc::clone(&world.layout),
        owner: Owner::new(),
        lease: Duration::from_secs(10),
        sample: None,
        pace,
        counters: Arc::new(Counters::default()),
    })
}

fn unpaced() -> Arc<dyn Pace> {
    Arc::new(Unpaced::new(LIMIT))
}

/// Gives fewer records than it is asked for, as an engine may that looks at their size.
#[derive(Debug)]
struct Sparing(Arc<dyn Store>);

#[async_trait]
impl Store for Sparing {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn identity(&self) -> String {
        self.0.identity()
    }
    async fn describe(&self, table: &str) -> Result<TableDescription> {
        self.0.describe(table).await
    }
    async fn scan(
        &self,
        schema: &Arc<Schema>,
        after: Option<&Key>,
        until: Option<&Key>,
        limit: ReadLimit,
    ) -> Result<Batch> {
        let is_keys = schema.columns.len() == schema.key.len();
        let rows_max = if is_keys { limit.rows_max } else { limit.rows_max.min(3) };
        self.0.scan(schema, after, until, ReadLimit { rows_max, ..limit }).await
    }
    async fn read(&self, schema: &Arc<Schema>, keys: &[Key]) -> Result<Batch> {
        self.0.read(schema, keys).await
    }
    async fn split_points(&self, schema: &Arc<Schema>, count: usize) -> Result<Vec<Key>> {
        self.0.split_points(schema, count).await
    }
    async fn estimate_rows(&self, schema: &Arc<Schema>) -> Result<u64> {
        self.0.estimate_rows(schema).await
    }
}

#[tokio::test]
async fn a_source_that_gives_fewer_records_than_asked_for_loses_none() {
    let mut world = world(12, 1).await;
    let whole = Arc::clone(&world.source);
    world.source = Arc::new(Sparing(Arc::clone(&whole)));
    let copier = copier(&world, Whim::Sound, unpaced());
    world.source = whole;
    let copied = copy_range(&copier, None, &Shutdown::new()).await.unwrap();
    assert_eq!(copied, Copied::Done);
    assert_eq!(world.differences().await.unwrap(), Vec::<String>::new());
}

/// Stops the copy after so many batches.
#[derive(Debug)]
struct StopAfter(AtomicUsize);

#[async_trait]
impl Pace for StopAfter {
    async fn ready(&self, _stop: &Shutdown) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
    fn took(&self, _rows: usize) {}
    fn batch(&self) -> ReadLimit {
        LIMIT
    }
}

/// Notes how many bytes had been read when each batch began.
#[derive(Debug)]
struct Weigh {
    counters: Arc<Counters>,
    bytes_max: usize,
    began: Mutex<Vec<u64>>,
}

#[async_trait]
impl Pace for Weigh {
    async fn ready(&self, _stop: &Shutdown) -> bool {
        self.began.lock().await.push(self.counters.bytes.load(Ordering::SeqCst));
        true
    }
    fn took(&self, _rows: usize) {}
    fn batch(&self) -> ReadLimit {
        ReadLimit { rows_max: 1_000, bytes_max: self.bytes_max }
    }
}

/// Takes an instance back to how it was two batches ago, once, after so many batches.
#[derive(Debug)]
struct LoseTail {
    instance: MemoryDatabase,
    seen: AtomicUsize,
    at: usize,
    before: Mutex<Option<MemorySnapshot>>,
}

#[async_trait]
impl Pace for LoseTail {
    async fn ready(&self, _stop: &Shutdown) -> bool {
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        if seen + 2 == self.at {
            *self.before.lock().await = Some(self.instance.snapshot().await);
        }
        if seen == self.at {
            let before = self.before.lock().await.take();
            self.instance.restore(before.unwrap()).await;
        }
        true
    }
    fn took(&self, _rows: usize) {}
    fn batch(&self) -> ReadLimit {
        LIMIT
    }
}

async fn is_done(world: &World) -> bool {
    survey_ranges(&world.targets, TABLE).await.unwrap().iter().all(|range| range.done)
}

#[tokio::test]
async fn everything_is_copied_to_every_instance_whatever_the_lock_does() {
    for whim in [Whim::Sound, Whim::Refuse, Whim::Noise, Whim::Forget, Whim::Fail] {
        let world = world(12, 3).await;
        let copier = copier(&world, whim, unpaced());
        assert_eq!(
            copy_range(&copier, None, &Shutdown::new()).await.unwrap(),
            Copied::Done,
            "{whim:?}"
        );
        assert_eq!(world.differences().await.unwrap(), Vec::<String>::new(), "{whim:?}");
        assert!(is_done(&world).await);
        assert_eq!(copier.lock.count().await.unwrap_or(0), 0, "{whim:?}: every lock is given back");
    }
}

#[tokio::test]
async fn an_empty_table_is_done_at_once() {
    let world = world(0, 2).await;
    assert_eq!(
        copy_range(&copier(&world, Whim::Sound, unpaced()), None, &Shutdown::new()).await.unwrap(),
        Copied::Done
    );
    assert!(is_done(&world).await);
}

#[tokio::test]
async fn a_stopped_copy_goes_on_where_it_was() {
    let world = world(12, 2).await;
    let stop = Arc::new(StopAfter(AtomicUsize::new(4)));
    let first = copier(&world, Whim::Sound, stop);
    assert_eq!(copy_range(&first, None, &Shutdown::new()).await.unwrap(), Copied::Stopped);
    let seen = first.counters.read.load(Ordering::SeqCst);
    assert!(seen > 0 && seen < 78, "{seen}");
    let second = copier(&world, Whim::Sound, unpaced());
    assert_eq!(copy_range(&second, None, &Shutdown::new()).await.unwrap(), Copied::Done);
    assert_eq!(second.counters.read.load(Ordering::SeqCst), 78 - seen, "nothing is read twice");
    assert_eq!(world.differences().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_batch_of_wide_records_ends_at_its_bytes_long_before_its_rows() {
    const BYTES_MAX: usize = 8_192;
    let world = World::new(2).await.unwrap();
    // Narrow ones first: what a record weighed so far says nothing of those to come.
    let mut widest = 0;
    for (list, width) in [("a", 4), ("b", 900), ("c", 40), ("d", 2_500)] {
        for follower in 0..60 {
            world.put_quietly(list, &format!("{follower:0width$}"), 1).await.unwrap();
        }
        widest = widest.max(width + 64);
    }
    world.set_up().await.unwrap();
    let counters = Arc::new(Counters::default());
    let began = Mutex::default();
    let weigh = Arc::new(Weigh { counters: Arc::clone(&counters), bytes_max: BYTES_MAX, began });
    let mut copier = copier(&world, Whim::Sound, Arc::clone(&weigh) as Arc<dyn Pace>);
    Arc::get_mut(&mut copier).unwrap().counters = Arc::clone(&counters);
    assert_eq!(copy_range(&copier, None, &Shutdown::new()).await.unwrap(), Copied::Done);
    assert_eq!(world.differences().await.unwrap(), Vec::<String>::new());
    let bytes = counters.bytes.load(Ordering::SeqCst);
    let mut began = weigh.began.lock().await.clone();
    began.push(bytes);
    let batches: Vec<u64> = began.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The record that crosses the bound still belongs to the batch.
    let most = u64::try_from(BYTES_MAX + widest).unwrap();
    assert!(batches.iter().all(|&bytes| bytes <= most), "{batches:?}");
    let full = batches.iter().filter(|&&bytes| bytes > 0).count();
    assert!(full < 3 * usize::try_from(bytes).unwrap() / BYTES_MAX, "tiny batches: {batches:?}");
}

#[tokio::test]
async fn an_instance_that_loses_its_tail_is_copied_again_from_there() {
    for at in 2..10 {
        let world = world(12, 2).await;
        let pace = LoseTail {
            instance: world.instances[1].clone(),
            seen: AtomicUsize::new(0),
            at,
            before: Mutex::new(None),
        };
        let copier = copier(&world, Whim::Sound, Arc::new(pace));
        assert_eq!(copy_range(&copier, None, &Shutdown::new()).await.unwrap(), Copied::Done);
        assert_eq!(world.differences().await.unwrap(), Vec::<String>::new(), "lost at {at}");
        assert!(is_done(&world).await, "lost at {at}");
    }
}

#[tokio::test]
async fn a_worker_whose_range_was_claimed_leaves_it_alone() {
    let world = world(12, 2).await;
    let stop = Arc::new(StopAfter(AtomicUsize::new(2)));
    let old = copier(&world, Whim::Sound, stop);
    assert_eq!(copy_range(&old, None, &Shutdown::new()).await.unwrap(), Copied::Stopped);
    // The next claim is made while the old worker is under way: at its second batch.
    let targets = world.targets.clone();
    let thief = Arc::new(Thief { targets, seen: AtomicUsize::new(0) });
    let old = copier(&world, Whim::Sound, thief);
    assert_eq!(copy_range(&old, None, &Shutdown::new()).await.unwrap(), Copied::Fenced);
    assert!(!is_done(&world).await);
}

/// Claims the range for somebody else at the second batch.
#[derive(Debug)]
struct Thief {
    targets: Vec<Arc<dyn migration::store::Target>>,
    seen: AtomicUsize,
}

#[async_trait]
impl Pace for Thief {
    async fn ready(&self, _stop: &Shutdown) -> bool {
        if self.seen.fetch_add(1, Ordering::SeqCst) == 1 {
            claim_range(&self.targets, TABLE, None, Owner::new()).await.unwrap();
        }
        true
    }
    fn took(&self, _rows: usize) {}
    fn batch(&self) -> ReadLimit {
        LIMIT
    }
}

#[tokio::test]
async fn ranges_are_split_alike_on_every_instance_also_after_a_crash_in_between() {
    let world = world(12, 3).await;
    let checkpoint = MemoryCheckpoint::new("test");
    let (source, layout) = (world.source.as_ref(), &world.layout);
    let ranges = split_table(source, &world.targets, &checkpoint, layout, 4).await.unwrap();
    assert!(ranges.len() >= 3 && ranges.iter().all(|range| range.split_everywhere));
    // Another instance joins the state of a crash: it has no split at all.
    let bare = World::new(3).await.unwrap();
    bare.set_up().await.unwrap();
    let mixed = vec![
        Arc::clone(&world.targets[0]),
        Arc::clone(&bare.targets[1]),
        Arc::clone(&world.targets[2]),
    ];
    let again = split_table(source, &mixed, &checkpoint, layout, 9).await.unwrap();
    assert_eq!(again, ranges, "the first answer stands");
    for range in ranges {
        let copier = copier(&world, Whim::Sound, unpaced());
        copy_range(&copier, range.after.as_ref(), &Shutdown::new()).await.unwrap();
    }
    assert_eq!(world.differences().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_sample_copies_whole_entities_and_leaves_no_progress() {
    let world = world(40, 2).await;
    let mut copier = copier(&world, Whim::Sound, unpaced());
    let sample = Sample::new(3, 0.3).unwrap();
    Arc::get_mut(&mut copier).unwrap().sample = Some(sample);
    assert_eq!(copy_range(&copier, None, &Shutdown::new()).await.unwrap(), Copied::Sampled);
    let ranges = survey_ranges(&world.targets, TABLE).await.unwrap();
    assert!(ranges.iter().all(|range| !range.done && range.progress == Progress::Start));
    let table = &world.layout.targets()[0];
    let all = ReadLimit { rows_max: usize::MAX, bytes_max: usize::MAX };
    let expected: usize = (0..40_usize)
        .filter(|list| {
            let key = migration::testing::key(&format!("u{list:02}"), "x").unwrap();
            sample.contains(&world.layout.entity(&key).unwrap())
        })
        .map(|list| list + 1)
        .sum();
    let mut copied = 0;
    for target in &world.targets {
        copied += target.scan(table.schema(), None, None, all).await.unwrap().len();
    }
    assert_eq!(copied, expected);
    assert!(expected > 0 && expected < 820);
}

/// Takes its time for the first batch.
#[derive(Debug)]
struct Slow(AtomicUsize);

/// How long a [`Slow`] batch takes: far below the time between two looks at what others hold.
const SLOW: Duration = Duration::from_millis(30);

#[async_trait]
impl Pace for Slow {
    async fn ready(&self, _stop: &Shutdown) -> bool {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            sleep(SLOW).await;
        }
        true
    }
    fn took(&self, _rows: usize) {}
    fn batch(&self) -> ReadLimit {
        LIMIT
    }
}

#[tokio::test(start_paused = true)]
async fn workers_without_a_range_end_with_the_last_one_that_has_one() {
    let world = world(12, 1).await;
    let checkpoint = MemoryCheckpoint::new("test");
    let (source, layout) = (world.source.as_ref(), &world.layout);
    let ranges = split_table(source, &world.targets, &checkpoint, layout, 2).await.unwrap();
    assert_eq!(ranges.len(), 2);
    let pool =
        Pool { checkpoint: Arc::new(checkpoint), process: Process::start("test"), workers: 2 };
    let paces = [unpaced(), Arc::new(Slow(AtomicUsize::new(0)))];
    let jobs = ranges.into_iter().zip(paces);
    let jobs = jobs
        .map(|(range, pace)| Job { copier: copier(&world, Whim::Sound, pace), after: range.after });
    let began = Instant::now();
    assert_eq!(pool.run(jobs.collect(), &Shutdown::new()).await.unwrap(), Ended::Done);
    let took = began.elapsed();
    assert!((SLOW..2 * SLOW).contains(&took), "{took:?}");
    assert_eq!(world.differences().await.unwrap(), Vec::<String>::new());
}

/// Makes every batch wait, and looks for locks meanwhile.
#[derive(Debug)]
struct Watchful {
    lock: Arc<dyn KeyLock>,
    waits: AtomicUsize,
}

#[async_trait]
impl Pace for Watchful {
    async fn ready(&self, _stop: &Shutdown) -> bool {
        sleep(SLOW).await;
        assert_eq!(self.lock.count().await.unwrap(), 0, "a lock is held while nothing is done");
        self.waits.fetch_add(1, Ordering::SeqCst);
        true
    }
    fn took(&self, _rows: usize) {}
    fn batch(&self) -> ReadLimit {
        LIMIT
    }
}

#[tokio::test(start_paused = true)]
async fn no_lock_is_held_while_a_rate_is_waited_for() {
    let world = world(12, 1).await;
    let lock: Arc<dyn KeyLock> = Arc::new(MemoryLock::new());
    let pace = Arc::new(Watchful { lock: Arc::clone(&lock), waits: AtomicUsize::new(0) });
    let copier = copier(&world, Whim::Sound, Arc::clone(&pace) as Arc<dyn Pace>);
    let copier = Arc::new(Copier { lock, ..Copier::clone(&copier) });
    assert_eq!(copy_range(&copier, None, &Shutdown::new()).await.unwrap(), Copied::Done);
    assert!(pace.waits.load(Ordering::SeqCst) > 5);
    assert_eq!(world.differences().await.unwrap(), Vec::<String>::new());
}

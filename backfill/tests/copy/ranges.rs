//! Ranges: split, claimed, left, taken up again, and shared by workers.

use crate::{LIMIT, copier, is_done, unpaced, world};
use async_trait::async_trait;
use backfill::{Copied, Ended, Job, Pace, Pool, copy_range, split_table};
use migration::checkpoint::MemoryCheckpoint;
use migration::claim::claim_range;
use migration::position::Owner;
use migration::process::Process;
use migration::shutdown::Shutdown;
use migration::store::{ReadLimit, Target};
use migration::testing::{TABLE, Whim, World};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

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
    targets: Vec<Arc<dyn Target>>,
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

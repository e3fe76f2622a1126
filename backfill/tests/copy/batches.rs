//! What a batch holds: by rows, by bytes, of a sample, and of a source that gives less.

use crate::source::{Manner, OddSource};
use crate::{LIMIT, copier, unpaced, world};
use async_trait::async_trait;
use backfill::{Copied, Counters, Pace, copy_range};
use migration::claim::survey_ranges;
use migration::protocol::Progress;
use migration::sample::Sample;
use migration::shutdown::Shutdown;
use migration::store::ReadLimit;
use migration::testing::{TABLE, Whim, World};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Mutex;

/// Its batches get smaller under way, as when an operator says so or records get wider.
#[derive(Debug)]
struct Shrinking(AtomicUsize);

#[async_trait]
impl Pace for Shrinking {
    async fn ready(&self, _stop: &Shutdown) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        true
    }
    fn took(&self, _rows: usize) {}
    fn batch(&self) -> ReadLimit {
        let is_large = self.0.load(Ordering::SeqCst) < 4;
        ReadLimit { rows_max: if is_large { 40 } else { 3 }, ..LIMIT }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sample_loses_nothing_of_an_interval_that_waited_while_batches_got_smaller() {
    for whim in [Whim::Refuse, Whim::Noise, Whim::Forget] {
        let world = world(20, 1).await;
        let mut copier = copier(&world, whim, Arc::new(Shrinking(AtomicUsize::new(0))));
        Arc::get_mut(&mut copier).unwrap().sample = Some(Sample::new(3, 1.0).unwrap());
        let copied = copy_range(&copier, None, &Shutdown::new()).await.unwrap();
        assert_eq!(copied, Copied::Sampled);
        assert_eq!(world.differences().await.unwrap(), Vec::<String>::new(), "{whim:?}");
        assert_eq!(copier.counters.passed.load(Ordering::SeqCst), 210, "{whim:?}");
    }
}

#[tokio::test]
async fn a_source_that_gives_fewer_records_than_asked_for_loses_none() {
    let mut world = world(12, 1).await;
    let whole = Arc::clone(&world.source);
    world.source = Arc::new(OddSource { source: Arc::clone(&whole), manner: Manner::Spares });
    let copier = copier(&world, Whim::Sound, unpaced());
    world.source = whole;
    let copied = copy_range(&copier, None, &Shutdown::new()).await.unwrap();
    assert_eq!(copied, Copied::Done);
    assert_eq!(world.differences().await.unwrap(), Vec::<String>::new());
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

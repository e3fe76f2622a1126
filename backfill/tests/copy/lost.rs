//! Instances that lose what was written, and answers that are lost.

use crate::{LIMIT, copier, is_done, unpaced, world};
use async_trait::async_trait;
use backfill::{Copied, Pace, copy_range};
use migration::error::{ErrorKind, Result};
use migration::shutdown::Shutdown;
use migration::store::{MemoryDatabase, MemorySnapshot, ReadLimit};
use migration::testing::{Whim, World};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Takes an instance back to how it was two batches ago, once, after so many batches.
#[derive(Debug)]
struct LoseTail {
    instance: MemoryDatabase,
    seen: AtomicUsize,
    at: usize,
    /// Whether that happens again and again.
    again: bool,
    before: Mutex<Option<MemorySnapshot>>,
}

#[async_trait]
impl Pace for LoseTail {
    async fn ready(&self, _stop: &Shutdown) -> bool {
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        let seen = if self.again { seen % (self.at + 1) } else { seen };
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

#[tokio::test]
async fn an_instance_that_loses_its_tail_is_copied_again_from_there() {
    for at in 2..10 {
        let world = world(12, 2).await;
        let pace = LoseTail {
            instance: world.instances[1].clone(),
            seen: AtomicUsize::new(0),
            at,
            again: false,
            before: Mutex::new(None),
        };
        let copier = copier(&world, Whim::Sound, Arc::new(pace));
        assert_eq!(copy_range(&copier, None, &Shutdown::new()).await.unwrap(), Copied::Done);
        assert_eq!(world.differences().await.unwrap(), Vec::<String>::new(), "lost at {at}");
        assert!(is_done(&world).await, "lost at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_answer_is_lost_ends_no_copy_whichever_it_is() {
    for after in 0.. {
        let world = world(12, 2).await;
        world.instances[1].lose_answer(after).await;
        let copier = copier(&world, Whim::Sound, unpaced());
        let copied = copy_range(&copier, None, &Shutdown::new()).await;
        assert_eq!(copied.unwrap(), Copied::Done, "answer {after}");
        assert_eq!(world.differences().await.unwrap(), Vec::<String>::new(), "answer {after}");
        assert!(is_done(&world).await, "answer {after}");
        if !world.instances[1].has_lost_answer().await {
            assert!(after > 12, "{after} steps");
            return;
        }
    }
}

async fn copy_that_keeps_losing(world: &World, every: usize) -> (Result<Copied>, u64) {
    let pace = LoseTail {
        instance: world.instances[0].clone(),
        seen: AtomicUsize::new(0),
        at: every,
        again: true,
        before: Mutex::new(None),
    };
    let copier = copier(world, Whim::Sound, Arc::new(pace));
    let copied = copy_range(&copier, None, &Shutdown::new()).await;
    (copied, copier.counters.restarts.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_gets_further_after_each_loss_is_not_given_up() {
    let world = world(40, 1).await;
    let (copied, restarts) = copy_that_keeps_losing(&world, 6).await;
    assert_eq!(copied.unwrap(), Copied::Done, "after {restarts} losses");
    assert!(restarts > 16, "{restarts}");
    assert_eq!(world.differences().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_loses_all_that_is_written_is_given_up_after_five_minutes() {
    let world = world(40, 1).await;
    let began = Instant::now();
    let (copied, _) = copy_that_keeps_losing(&world, 2).await;
    let error = copied.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost, "{error}");
    assert!((300..310).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

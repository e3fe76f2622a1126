//! The key lock: whatever it does, and that none is left behind.

use crate::source::{Manner, OddSource};
use crate::{LIMIT, copier, is_done, unpaced, world};
use async_trait::async_trait;
use backfill::{Copied, Copier, Pace, copy_range};
use migration::error::ErrorKind;
use migration::lock::{KeyLock, MemoryLock};
use migration::sample::Sample;
use migration::shutdown::Shutdown;
use migration::store::ReadLimit;
use migration::testing::Whim;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::sleep;

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
async fn a_source_that_fails_under_the_lock_leaves_no_lock_behind() {
    for sample in [None, Some(Sample::new(3, 1.0).unwrap())] {
        let mut world = world(12, 1).await;
        world.source =
            Arc::new(OddSource { source: Arc::clone(&world.source), manner: Manner::Fails });
        let lock: Arc<dyn KeyLock> = Arc::new(MemoryLock::new());
        let copier = copier(&world, Whim::Sound, unpaced());
        let copier = Copier { lock: Arc::clone(&lock), sample, ..Copier::clone(&copier) };
        let failed = copy_range(&Arc::new(copier), None, &Shutdown::new()).await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(lock.count().await.unwrap(), 0);
    }
}

/// Makes every batch wait, and looks for locks meanwhile.
#[derive(Debug)]
struct Watchful {
    lock: Arc<dyn KeyLock>,
    waits: AtomicUsize,
}

/// How long each of its batches takes.
const WAIT: Duration = Duration::from_millis(30);

#[async_trait]
impl Pace for Watchful {
    async fn ready(&self, _stop: &Shutdown) -> bool {
        sleep(WAIT).await;
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

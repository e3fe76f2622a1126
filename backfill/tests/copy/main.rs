//! The copy of ranges, in memory: what it writes, how it resumes, and what it does when the lock,
//! the claim or an instance's tail is lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batches;
mod lock;
mod lost;
mod ranges;
mod source;

use backfill::{Copier, Counters, Pace, Unpaced};
use migration::claim::survey_ranges;
use migration::lock::KeyLock;
use migration::position::Owner;
use migration::store::ReadLimit;
use migration::testing::{FickleLock, TABLE, Whim, World};
use std::sync::Arc;
use std::time::Duration;

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

async fn is_done(world: &World) -> bool {
    survey_ranges(&world.targets, TABLE).await.unwrap().iter().all(|range| range.done)
}

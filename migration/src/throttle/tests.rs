//! Throttles under a stepped clock.

use super::{PAUSED, RATE, Throttle};
use crate::checkpoint::MemoryCheckpoint;
use crate::checkpoint::desired::{Change, DesiredWatch, Rate, change};
use crate::shutdown::Shutdown;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn per_second(rate: u32) -> Rate {
    Rate::PerSecond(NonZeroU32::new(rate).unwrap())
}

async fn seconds_for(throttle: &Throttle, batches: u64, rows: u64) -> f64 {
    let (began, shutdown) = (Instant::now(), Shutdown::new());
    for _ in 0..batches {
        assert!(throttle.ready(&shutdown).await);
        throttle.took(rows);
    }
    assert!(throttle.ready(&shutdown).await);
    began.elapsed().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_whatever_the_size_of_the_batches() {
    for (batches, rows) in [(10_000, 1), (100, 100), (10, 1_000), (1, 10_000)] {
        let throttle = Throttle::new(per_second(1_000));
        let seconds = seconds_for(&throttle, batches, rows).await;
        assert!((9.5..=10.5).contains(&seconds), "{batches} of {rows} took {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn several_workers_share_one_rate() {
    let throttle = Arc::new(Throttle::new(per_second(1_000)));
    let began = Instant::now();
    let workers = (0..4).map(|_| {
        let throttle = Arc::clone(&throttle);
        tokio::spawn(async move { seconds_for(&throttle, 25, 100).await })
    });
    for worker in futures::future::join_all(workers).await {
        worker.unwrap();
    }
    let seconds = began.elapsed().as_secs_f64();
    assert!((9.5..=10.5).contains(&seconds), "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn what_a_stall_left_unused_comes_back_as_no_burst() {
    let throttle = Throttle::new(per_second(1_000));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let seconds = seconds_for(&throttle, 20, 10).await;
    assert!(
        (0.14..=0.16).contains(&seconds),
        "all but a twentieth of a second's worth: {seconds} s"
    );
}

#[tokio::test(start_paused = true)]
async fn no_rate_means_no_wait() {
    let throttle = Throttle::new(Rate::Unlimited);
    assert!(seconds_for(&throttle, 1_000, 1_000).await < 0.001);
    assert_eq!(throttle.reason(), None);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_low_rate_ends_when_the_rate_is_raised() {
    let (throttle, shutdown) = (Arc::new(Throttle::new(per_second(1))), Shutdown::new());
    throttle.took(1_000_000);
    let (waiter, began) = (Arc::clone(&throttle), Instant::now());
    let waiting = tokio::spawn(async move { waiter.ready(&shutdown).await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(throttle.reason(), None, "nobody has waited for long yet");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(throttle.reason().as_deref(), Some("rate 1/s"));
    throttle.set_rate(Rate::Unlimited);
    assert_eq!(throttle.reason(), None);
    assert!(waiting.await.unwrap());
    assert!(began.elapsed() < Duration::from_secs(4));
    assert!(throttle.waits()[RATE] > Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_hold_lasts_until_the_last_one_is_lifted_and_names_its_reason() {
    let (throttle, shutdown) = (Arc::new(Throttle::new(Rate::Unlimited)), Shutdown::new());
    throttle.hold("lag", "replica lag 12 s");
    throttle.hold(PAUSED, "paused by alice");
    let waiter = Arc::clone(&throttle);
    let waiting = tokio::spawn(async move { waiter.ready(&shutdown).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(throttle.reason().as_deref(), Some("replica lag 12 s; paused by alice"));
    throttle.lift("lag");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(throttle.reason().as_deref(), Some("paused by alice"));
    assert!(throttle.is_paused() && !waiting.is_finished());
    throttle.lift(PAUSED);
    assert!(waiting.await.unwrap());
    let waits = throttle.waits();
    assert!(waits["lag"] >= Duration::from_secs(4) && waits[PAUSED] >= Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_every_wait() {
    for hold in [true, false] {
        let (throttle, shutdown) = (Arc::new(Throttle::new(per_second(1))), Shutdown::new());
        throttle.took(1_000);
        if hold {
            throttle.hold(PAUSED, "paused");
        }
        let (waiter, stop) = (Arc::clone(&throttle), shutdown.clone());
        let waiting = tokio::spawn(async move { waiter.ready(&stop).await });
        tokio::time::sleep(Duration::from_millis(1)).await;
        shutdown.begin();
        assert!(!waiting.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_in_another_terminal_takes_effect() {
    let store = MemoryCheckpoint::new("m");
    let (throttle, shutdown) = (Arc::new(Throttle::new(Rate::Unlimited)), Shutdown::new());
    let watch = DesiredWatch::start(Arc::new(store.clone()), "backfill").await.unwrap();
    let _following = throttle.follow(watch, per_second(7), &shutdown);
    let ask = async |asked: Change| {
        change(&store, "backfill", asked, "alice", None).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(throttle.rate(), per_second(7), "as the plan says");
    ask(Change::Rate(per_second(5))).await;
    assert_eq!(throttle.rate(), per_second(5));
    ask(Change::Pause).await;
    assert!(throttle.is_paused());
    ask(Change::Resume).await;
    assert!(!throttle.is_paused() && throttle.rate() == per_second(5));
    ask(Change::Abort).await;
    assert!(shutdown.has_begun());
}

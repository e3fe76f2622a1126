//! 1, 22: `kill -9` at the named points of both phases.

use super::flying::{DRAIN, Direction, Flying, SEED, directions};
use crate::kill_at_every_point::points::named;
use faults::{Running, kills};

/// Where a kill leaves most behind, always among the sample.
const LIVE_ALWAYS: &[&str] = &["target.live.records"];
const COPY_ALWAYS: &[&str] = &["target.copy.records"];

async fn live_path_killed_anywhere(direction: Direction) {
    let flying = Flying::copied(direction).await;
    flying.change(12).await;
    let spoil = async || {
        let topic = flying.flight.topic();
        topic.send("poison", Some("upsert"), b"{\"package\":").await;
    };
    spoil().await;
    let hits = flying.flight.bed.hits("dual-write", DRAIN, 0);
    let mut deaths = 0;
    for (point, number) in kills(&hits, LIVE_ALWAYS, *SEED) {
        flying.change(12).await;
        spoil().await;
        let fault = format!("abort:{point}@{number}");
        let ran = flying.flight.bed.start_with(&fault, "dual-write", DRAIN).wait();
        assert!(ran.code.is_none() || ran.code == Some(0), "{fault}: {ran:?}");
        deaths += u32::from(ran.code.is_none());
        flying.change(2).await;
        flying.is_well().await;
    }
    // A lone consumer passes that one only if its group gives it up.
    let expected = named(true).into_iter().filter(|it| it != "kafka.revoked");
    let missing: Vec<_> = expected.filter(|it| !hits.contains(it)).collect();
    assert_eq!(missing, [""; 0], "points of Kafka that it does not pass");
    // How messages fall into batches differs, so a late hit may not come.
    assert!(deaths > 0, "nothing was killed, seed {}", *SEED);
    eprintln!("{direction:?}: the live path was killed {deaths} times");
    flying.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_path_killed_anywhere_between_kafka_and_the_target_loses_nothing() {
    for direction in directions(1) {
        live_path_killed_anywhere(direction).await;
    }
}

async fn copy_killed_anywhere(direction: Direction) {
    let counted = Flying::begun(direction).await;
    let hits = counted.flight.bed.hits("backfill", &["run"], 0);
    counted.ends_well().await;
    let mut deaths = 0;
    let mut under_way = None;
    for (point, number) in kills(&hits, COPY_ALWAYS, *SEED) {
        let (flying, live) = match under_way.take() {
            Some(flight) => flight,
            None => beside_the_live_path(direction).await,
        };
        let load = flying.flight.application.load();
        let fault = format!("abort:{point}@{number}");
        let ran = flying.flight.bed.start_with(&fault, "backfill", &["run"]).wait();
        assert!(ran.code.is_none() || ran.code == Some(0), "{fault}: {ran:?}");
        deaths += u32::from(ran.code.is_none());
        load.stop().await;
        if ran.code.is_none() {
            under_way = Some((flying, live));
        } else {
            // Everything is copied: on with another.
            drop(live.drain().ok());
            flying.ends_well().await;
        }
    }
    assert!(deaths > 0, "nothing was killed, seed {}", *SEED);
    eprintln!("{direction:?}: the copy was killed {deaths} times");
    if let Some((flying, live)) = under_way {
        drop(live.drain().ok());
        flying.ends_well().await;
    }
}

async fn beside_the_live_path(direction: Direction) -> (Flying, Running) {
    let flying = Flying::begun(direction).await;
    let live = flying.flight.bed.start("dual-write", &["run"]);
    (flying, live)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_killed_anywhere_under_load_loses_nothing() {
    for direction in directions(101) {
        copy_killed_anywhere(direction).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_crashed_twice_before_the_replay_ends_as_the_source() {
    for direction in directions(22) {
        let flying = Flying::begun(direction).await;
        let load = flying.flight.application.load();
        for fault in ["abort:backfill.written@7", "abort:target.copy.records@5"] {
            let ran = flying.flight.bed.start_with(fault, "backfill", &["run"]).wait();
            assert_eq!(ran.code, None, "{fault}: {ran:?}");
        }
        // Meanwhile the queue keeps the live writes.
        drop(flying.flight.ok("backfill", &["run"]));
        flying.flight.application.made(50).await;
        load.stop().await;
        flying.is_well().await;
        flying.ends_well().await;
    }
}

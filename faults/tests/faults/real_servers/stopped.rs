//! 2, 3, 9: phases that stand still, and a key lock that is lost.

use super::flying::{COPY_ALONE, Flying, RUN, directions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_stood_still_between_read_and_write_overwrites_nothing_live() {
    for direction in directions(2) {
        let flying = Flying::begun(direction).await;
        let flight = &flying.flight;
        let live = flight.bed.start("dual-write", RUN);
        let mut copy = flight.bed.start_with("stop:backfill.checked@3", "backfill", COPY_ALONE);
        copy.frozen();
        // Each of 3,000 edges is written or deleted about once: those in its hands among them.
        flying.change(500).await;
        flight.bed.wait_until_applied();
        copy.signal("CONT");
        let counted = copy.wait().json();
        assert!(counted["refused"].as_u64() > Some(0), "the guard refused nothing: {counted}");
        drop(live.drain().ok());
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_stood_still_past_its_session_is_fenced_when_it_wakes() {
    for direction in directions(3) {
        let flying = Flying::copied(direction).await;
        let flight = &flying.flight;
        let mut frozen = flight.bed.start_with("stop:dual-write.cleared@3", "dual-write", RUN);
        let load = flight.application.load();
        frozen.frozen();
        let second = flight.bed.start("dual-write", RUN);
        flight.application.made(200).await;
        load.stop().await;
        flight.carried().await;
        // All partitions are the second's by then, or this would not come to an end.
        flight.bed.wait_until_applied();
        frozen.signal("CONT");
        flying.change(20).await;
        flight.bed.wait_until_applied();
        let woken = frozen.drain().json();
        assert!(woken["fenced"].as_u64() > Some(0), "it was not fenced: {woken}");
        super::flying::is_conserved(&second.drain().json());
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_wiped_frozen_and_full_under_both_phases_costs_no_record() {
    for direction in directions(9) {
        let flying = Flying::prepared(direction).await;
        let mut redis = servers::redis().start().unwrap();
        flying.flight.bed.edit(&flying.redis.url(), &redis.url());
        flying.flight.bed.edit("batch_rows_max = 50", "batch_rows_max = 50\nrate = 400");
        let flying = flying.begin();
        let flight = &flying.flight;
        let live = flight.bed.start("dual-write", RUN);
        let load = flight.application.load();
        let copy = flight.bed.start("backfill", RUN);
        flight.application.made(30).await;
        redis.kill().unwrap();
        flight.application.made(30).await;
        redis.start().unwrap();
        for words in [
            &["FLUSHALL"][..],
            &["CONFIG", "SET", "maxmemory-policy", "allkeys-random"],
            &["CONFIG", "SET", "maxmemory", "1mb"],
            &["CONFIG", "SET", "maxmemory", "0"],
        ] {
            drop(redis.command(words).unwrap());
            flight.application.made(30).await;
        }
        redis.freeze().unwrap();
        flight.application.made(100).await;
        redis.thaw().unwrap();
        drop(copy.wait().ok());
        load.stop().await;
        flight.carried().await;
        flight.bed.wait_until_applied();
        drop(live.drain().ok());
        flying.ends_well().await;
    }
}

//! 12, 13, 16: databases that die, forget, or are put back.

use super::flying::{Flying, RUN, directions};
use faults::{Gateway, OwnServer, Place};
use servers::shared::kafka_brokers;
use std::time::{Duration, Instant};

/// Longest wait for what goes on by itself.
const LIMIT: Duration = Duration::from_secs(60);

const SHARDS: [&str; 2] = ["shard_0", "shard_1"];

/// Kills a server again and again under both phases and load, then brings everything to its end.
async fn is_killed_under_load(flying: Flying, server: &mut OwnServer) {
    let flight = &flying.flight;
    let mut live = flight.bed.start("dual-write", RUN);
    let load = flight.application.load();
    let mut copy = flight.bed.start("backfill", RUN);
    for _ in 0..3 {
        flight.application.made(80).await;
        server.kill();
        server.start_again();
        // One that gave up is started again, as a supervisor does.
        for (running, program) in [(&mut live, "dual-write"), (&mut copy, "backfill")] {
            if running.has_ended().is_some() {
                *running = flight.bed.start(program, RUN);
            }
        }
    }
    flight.application.made(80).await;
    load.stop().await;
    flight.carried().await;
    drop(copy.wait());
    drop(live.drain());
    flying.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_killed_under_load_costs_a_wait_and_no_record() {
    for direction in directions(12) {
        let mut server = OwnServer::start(direction.source);
        let shards = [0, 1].map(|_| Place::shared(direction.target, "shard"));
        let flying = Flying::between(server.database("source"), shards).await.begin();
        is_killed_under_load(flying, &mut server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_killed_and_may_forget_its_last_commits_gets_them_again() {
    for direction in directions(13) {
        let mut server = OwnServer::start_forgetful(direction.target);
        let shards = SHARDS.map(|name| server.database(name));
        let source = Place::shared(direction.source, "source");
        let flying = Flying::between(source, shards).await.begin();
        is_killed_under_load(flying, &mut server).await;
    }
}

/// How many writes of one copy a server holds.
async fn writes(server: &OwnServer) -> u64 {
    let mut writes = 0;
    for name in SHARDS {
        let found = server.place(name).lines("SELECT concat(count(*), '') FROM seen").await;
        writes += found[0].parse::<u64>().unwrap();
    }
    writes
}

/// Waits until a server holds more writes than this. Returns how many.
async fn holds_more(server: &OwnServer, than: u64) -> u64 {
    let begun = Instant::now();
    loop {
        let found = writes(server).await;
        if found > than {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "it never holds more than {than} writes");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How far the live path has applied each partition, as a server has it.
async fn positions(server: &OwnServer) -> Vec<String> {
    let (hex, from) = match server {
        OwnServer::MariaDb(_) => ("hex(next)", "midflight_partition ORDER BY `partition`"),
        OwnServer::Postgres(_) => ("encode(next, 'hex')", "midflight_partition ORDER BY partition"),
    };
    let mut positions = Vec::new();
    for name in SHARDS {
        positions.extend(server.place(name).lines(&format!("SELECT {hex} FROM {from}")).await);
    }
    positions
}

/// Waits until the live path has gone on from there, and says where it is.
async fn goes_on_from(server: &OwnServer, there: &[String]) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let here = positions(server).await;
        if here != there {
            return here;
        }
        assert!(begun.elapsed() < LIMIT, "the live path stands still at {there:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A failover to an asynchronous replica that has never heard of the last commits, and under the
/// same address: both phases go on, and the live path goes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_takes_over_without_the_last_commits_gets_them_again() {
    for direction in directions(113) {
        let mut primary = OwnServer::start_primary(direction.target);
        let replica = primary.start_replica();
        let gateway = Gateway::to(primary.port()).await;
        let shards = SHARDS.map(|name| primary.database(name).by(gateway.port()));
        let source = Place::shared(direction.source, "source");
        let flying = Flying::between(source, shards).await.begin();
        let flight = &flying.flight;
        let mut live = flight.bed.start("dual-write", RUN);
        let load = flight.application.load();
        let copy = flight.bed.start("backfill", RUN);
        flight.application.made(80).await;
        let known = holds_more(&primary, 0).await;
        holds_more(&replica, known / 2).await;

        replica.stops_following();
        // Whatever it still applies of what it has received is less than what comes from here on.
        let there = positions(&primary).await;
        let known = holds_more(&primary, writes(&primary).await).await;
        let reached = goes_on_from(&primary, &there).await;
        primary.kill();
        replica.is_promoted();
        // Read before anybody is led there: some of what the live path had reached is not there.
        let left = positions(&replica).await;
        assert!(left.iter().zip(&reached).any(|(left, reached)| left < reached), "{left:?}");
        gateway.lead_to(replica.port());

        flight.application.made(80).await;
        load.stop().await;
        flight.carried().await;
        drop(copy.wait());
        assert_eq!(live.has_ended(), None);
        flight.bed.wait_until_applied();
        let ran = live.drain();
        // Where the server was away for longer than a write is tried again, all of it begins again.
        let begins_again = ran.stderr.contains("live path interrupted; it goes on");
        let counted = ran.json();
        eprintln!("more than {known} writes before, begins again: {begins_again}, {counted}");
        assert!(begins_again || counted["rewinds"].as_u64() > Some(0), "{counted}");
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_store_that_is_killed_under_load_costs_a_wait_and_no_record() {
    for direction in directions(16) {
        let mut server = OwnServer::start(direction.source);
        let checkpoint = server.database("checkpoint");
        let shards = [0, 1].map(|_| Place::shared(direction.target, "shard"));
        let source = Place::shared(direction.source, "source");
        let brokers = kafka_brokers().unwrap();
        let flying = Flying::over(source, shards, &checkpoint, &brokers).await.begin();
        is_killed_under_load(flying, &mut server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_store_put_back_to_an_old_copy_repeats_work_and_loses_nothing() {
    for direction in directions(116) {
        let checkpoint = Place::shared(direction.target, "checkpoint");
        let shards = [0, 1].map(|_| Place::shared(direction.target, "shard"));
        let source = Place::shared(direction.source, "source");
        let brokers = kafka_brokers().unwrap();
        let flying = Flying::over(source, shards, &checkpoint, &brokers).await.begin();
        let bed = &flying.flight.bed;
        // All that changes: the logs of verdicts and of the audit too.
        let tables = checkpoint.lines(checkpoint.engine().table_names()).await;
        let tables: Vec<_> = tables.iter().filter(|name| !name.ends_with("_format")).collect();
        assert!(tables.len() >= 2, "{tables:?}");
        for name in &tables {
            checkpoint.run(&format!("CREATE TABLE old_{name} AS SELECT * FROM {name}")).await;
        }
        flying.change(20).await;
        for fault in ["abort:backfill.written@9", "abort:dual-write.applied@3"] {
            let program = if fault.contains("backfill") { "backfill" } else { "dual-write" };
            assert_eq!(bed.start_with(fault, program, RUN).wait().code, None, "{fault}");
        }
        for name in &tables {
            checkpoint
                .run(&format!(
                    "DELETE FROM {name}; INSERT INTO {name} SELECT * FROM old_{name}; \
                     DROP TABLE old_{name}"
                ))
                .await;
        }
        flying.change(20).await;
        flying.flight.bed.finish();
        flying.is_well().await;
        flying.ends_well().await;
    }
}

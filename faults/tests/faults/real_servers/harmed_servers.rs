//! 12, 13, 16: databases that die, forget, or are put back.

use super::flying::{Flying, RUN, directions};
use faults::{OwnServer, Place};
use servers::shared::kafka_brokers;

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
async fn a_target_that_is_killed_and_forgets_its_last_commits_gets_them_again() {
    for direction in directions(13) {
        let mut server = OwnServer::start_forgetful(direction.target);
        let shards = ["shard_0", "shard_1"].map(|name| server.database(name));
        let source = Place::shared(direction.source, "source");
        let flying = Flying::between(source, shards).await.begin();
        is_killed_under_load(flying, &mut server).await;
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
        checkpoint.run("CREATE TABLE backup AS SELECT * FROM midflight_checkpoint").await;
        flying.change(20).await;
        for fault in ["abort:backfill.written@9", "abort:dual-write.applied@3"] {
            let program = if fault.contains("backfill") { "backfill" } else { "dual-write" };
            assert_eq!(bed.start_with(fault, program, RUN).wait().code, None, "{fault}");
        }
        checkpoint
            .run(
                "DELETE FROM midflight_checkpoint; \
                 INSERT INTO midflight_checkpoint SELECT * FROM backup; DROP TABLE backup",
            )
            .await;
        flying.change(20).await;
        flying.flight.bed.finish();
        flying.is_well().await;
        flying.ends_well().await;
    }
}

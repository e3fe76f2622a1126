//! 5, 6, 7, 8: consumers that come and go, offsets that are put back, partitions that are added,
//! and a broker that dies.

use super::flying::{DRAIN, Direction, Flying, PARTITIONS, RUN, directions, is_conserved};
use faults::Place;
use servers::{Kafka, Listener};
use std::time::{Duration, Instant};

/// Long enough for every session, and every request to the broker, to have run out.
const AWAY: Duration = Duration::from_secs(30);

/// Between two consumers that come or go.
const COMES_OR_GOES_EVERY: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_that_come_and_go_all_the_time_apply_everything_in_order() {
    for direction in directions(5) {
        let flying = Flying::begun(direction).await;
        // Whoever stands still for a moment keeps its place.
        flying.flight.bed.edit("session_ms = 1000", "session_ms = 4000");
        drop(flying.flight.ok("backfill", RUN));
        // The first has them all, and dies as soon as a second takes some of them.
        let first = flying.flight.bed.start_with("abort:kafka.revoked@1", "dual-write", RUN);
        flying.change(3).await;
        flying.flight.bed.wait_until_applied();
        let load = flying.flight.application.load();
        let mut running = vec![flying.flight.bed.start("dual-write", RUN)];
        assert_eq!(first.wait().code, None, "nothing was taken from it");
        for step in 0..24 {
            running.push(flying.flight.bed.start("dual-write", RUN));
            tokio::time::sleep(COMES_OR_GOES_EVERY).await;
            if running.len() < 3 {
                continue;
            }
            let goes = running.remove(step % 2);
            // Some in good order, some not.
            if step % 3 == 0 {
                drop(goes.kill());
            } else {
                is_conserved(&goes.drain().json());
            }
        }
        load.stop().await;
        flying.flight.carried().await;
        flying.flight.bed.wait_until_applied();
        for goes in running {
            is_conserved(&goes.drain().json());
        }
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_offsets_that_are_put_back_to_the_beginning_bring_nothing_back() {
    for direction in directions(6) {
        let flying = Flying::copied(direction).await;
        flying.change(30).await;
        drop(flying.flight.ok("dual-write", DRAIN));
        for _ in 0..2 {
            let topic = flying.flight.topic();
            topic.rewind(topic.name());
            let counted = flying.flight.bed.run("dual-write", DRAIN).json();
            assert_eq!(counted["consumed"], 0, "the position lies in the target: {counted}");
            flying.change(10).await;
            flying.is_well().await;
        }
        flying.ends_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_are_added_stop_the_live_path_and_the_hint_leads_out() {
    for direction in directions(7) {
        let flying = Flying::copied(direction).await;
        let live = flying.flight.bed.start("dual-write", RUN);
        flying.change(20).await;
        let more = usize::try_from(PARTITIONS).unwrap() + 2;
        flying.flight.topic().grow(more).await;
        flying.change(20).await;
        // Whoever sees it first, the group or the proof of a position, and whoever starts again.
        for ran in [live.wait(), flying.flight.bed.run("dual-write", DRAIN)] {
            ran.complains(1).names(&["was 3, is 5", "source.epoch"]);
        }
        flying.change(20).await;
        let bed = &flying.flight.bed;
        bed.edit("[source]", "[source]\nepoch = 1");
        drop(bed.run("dual-write", &["set-up", "--yes"]).ok());
        flying.change(20).await;
        drop(flying.flight.ok("dual-write", DRAIN));
        // What came before the new set-up was skipped, and is found.
        assert_eq!(bed.run("verify", &["run"]).code, Some(3));
        drop(flying.flight.ok("verify", &["repair", "--execute"]));
        flying.is_well().await;
        flying.ends_repaired().await;
    }
}

async fn begun_over(direction: Direction, kafka: &Kafka) -> Flying {
    let checkpoint = Place::shared(direction.target, "checkpoint");
    let shards = [0, 1].map(|_| Place::shared(direction.target, "shard"));
    let source = Place::shared(direction.source, "source");
    let brokers = kafka.bootstrap(Listener::Plain);
    let mut flying = Flying::over(source, shards, &checkpoint, brokers).await.begin();
    flying.flight.keep(checkpoint);
    flying
}

async fn broker_that_dies(direction: Direction) {
    let mut kafka = servers::kafka().start().unwrap();
    let flying = begun_over(direction, &kafka).await;
    let flight = &flying.flight;
    let live = flying.applies().await;
    let load = flight.application.load();
    let copy = flight.bed.start("backfill", RUN);
    for away in [Duration::ZERO, AWAY] {
        flight.application.made(60).await;
        kafka.kill().unwrap();
        let killed = Instant::now();
        // The service goes on; its messages wait in the outbox.
        flight.application.made(60).await;
        while killed.elapsed() < away {
            flight.application.made(10).await;
        }
        kafka.start().unwrap();
    }
    flight.application.made(60).await;
    load.stop().await;
    flight.carried().await;
    // One that had not begun yet does not wait for a broker.
    drop(copy.wait());
    flight.bed.wait_until_applied();
    is_conserved(&live.drain().json());
    flying.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_under_load_costs_a_wait_and_no_record() {
    for direction in directions(8) {
        broker_that_dies(direction).await;
    }
}

async fn leaders_that_die(direction: Direction) {
    let mut kafka = servers::kafka().brokers(3).start().unwrap();
    let flying = begun_over(direction, &kafka).await;
    let flight = &flying.flight;
    let mut live = flying.applies().await;
    let load = flight.application.load();
    let copy = flight.bed.start("backfill", RUN);
    for partition in 0..usize::try_from(PARTITIONS).unwrap() {
        flight.application.made(60).await;
        let leader = flight.topic().leader(partition);
        let broker = &mut kafka.brokers()[usize::try_from(leader).unwrap() - 1];
        broker.kill().unwrap();
        // What comes while it is away is applied, too.
        flight.topic().is_led_by_another(partition, leader).await;
        flight.application.made(60).await;
        flight.delivered(&format!("led-by-another-{partition}")).await;
        kafka.start().unwrap();
    }
    assert_eq!(live.has_ended(), None);
    load.stop().await;
    drop(copy.wait().ok());
    flight.carried().await;
    flight.bed.wait_until_applied();
    is_conserved(&live.drain().json());
    flying.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_of_three_brokers_that_are_killed_under_load_are_replaced_and_both_phases_go_on() {
    for direction in directions(108) {
        leaders_that_die(direction).await;
    }
}

//! A live Debezium reads the source's log: what it delivers is neither lost nor applied twice, whatever
//! is killed.

use super::flying::{DRAIN, RUN, SEED, directions};
use faults::{Flight, Place};
use servers::shared::kafka_brokers;

/// Of the connectors of these tests, among the replicas of the shared server.
const SERVER_ID: u32 = 7_700;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_debezium_delivers_is_applied_once_though_both_phases_are_killed() {
    for direction in directions(400) {
        let checkpoint = Place::shared(direction.target, "checkpoint");
        let mut flight =
            Flight::shared(direction.source, direction.target, &checkpoint, *SEED).await;
        flight.fly_over_debezium(&kafka_brokers().unwrap(), 1_000, SERVER_ID).await;
        drop(flight.ok("dual-write", &["set-up"]));
        let load = flight.application.load();
        for _ in 0..3 {
            let live = flight.bed.start("dual-write", RUN);
            let copy = flight.bed.start("backfill", RUN);
            flight.application.made(120).await;
            drop(copy.kill());
            drop(live.kill());
        }
        let live = flight.bed.start("dual-write", RUN);
        drop(flight.ok("backfill", RUN));
        load.stop().await;
        flight.delivered().await;
        let counted = live.drain().json();
        super::flying::is_conserved(&counted);
        assert_eq!(counted["dead_letters"], 0, "{counted}");
        drop(flight.ok("dual-write", DRAIN));
        drop(flight.ok("verify", &["run"]));
        flight.is_the_same().await;
    }
}

//! A live Debezium reads the source's log: what it delivers is neither lost nor applied twice, whatever
//! is killed; and that a table was emptied is for the operator to judge.

use super::flying::{DRAIN, Direction, RUN, SEED, directions};
use faults::{Flight, Place};
use servers::shared::kafka_brokers;

/// Of the connectors of these tests, among the replicas of the shared server.
const SERVER_ID: u32 = 7_700;

/// A flight that is set up. `server_id` is the connector's.
async fn begun(direction: Direction, server_id: u32) -> Flight {
    let checkpoint = Place::shared(direction.target, "checkpoint");
    let mut flight = Flight::shared(direction.source, direction.target, &checkpoint, *SEED).await;
    flight.keep(checkpoint);
    flight.fly_over_debezium(&kafka_brokers().unwrap(), 1_000, server_id).await;
    drop(flight.ok("dual-write", &["set-up"]));
    flight
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_debezium_delivers_is_applied_once_though_both_phases_are_killed() {
    for direction in directions(400) {
        let flight = begun(direction, SERVER_ID).await;
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
        flight.delivered("end").await;
        let counted = live.drain().json();
        super::flying::is_conserved(&counted);
        assert_eq!(counted["dead_letters"], 0, "{counted}");
        drop(flight.ok("dual-write", DRAIN));
        drop(flight.ok("verify", &["run"]));
        flight.is_the_same().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_emptied_at_once_stops_the_live_path_until_the_operator_has_judged() {
    for direction in directions(401) {
        let flight = begun(direction, SERVER_ID + 1).await;
        let live = flight.bed.start("dual-write", RUN);
        drop(flight.ok("backfill", RUN));
        flight.change(50).await;
        flight.delivered("end").await;
        flight.is_the_same().await;

        flight.application.empty().await;
        let emptied = ["\"ignore\"", "followers", "verify repair --execute"];
        live.wait().complains(7).names(&emptied);
        // The service goes on; whoever starts again is told again.
        flight.change(700).await;
        flight.bed.run("dual-write", DRAIN).complains(7).names(&emptied);

        let topic = "format = \"debezium\"";
        flight.bed.edit(topic, &format!("{topic}\ntruncates = \"ignore\""));
        let live = flight.bed.start("dual-write", RUN);
        flight.delivered("end-again").await;
        // What was removed lies in the target only, and is found.
        assert_eq!(flight.bed.run("verify", &["run"]).code, Some(3));
        drop(flight.ok("verify", &["repair", "--execute"]));
        drop(flight.ok("verify", &["run"]));
        super::flying::is_conserved(&live.drain().json());
        flight.is_the_same().await;
    }
}

//! A live Debezium reads the source's log: what it delivers is neither lost nor applied twice,
//! whatever is killed; and that a table was emptied is for the operator to judge.

use super::flying::{DRAIN, Direction, RUN, SEED, directions};
use faults::{Engine, Flight, OwnServer, Place};
use servers::shared::kafka_brokers;
use std::time::{Duration, Instant};

/// Longest until what a live path keeps from time to time is kept.
const KEPT_MAX: Duration = Duration::from_secs(60);

/// Of the connectors of these tests, among the replicas of the shared server.
const SERVER_ID: u32 = 7_700;

/// A flight that is set up. `server_id` is the connector's.
async fn begun(direction: Direction, server_id: u32) -> Flight {
    begun_from(Place::shared(direction.source, "source"), direction, server_id).await
}

async fn begun_from(source: Place, direction: Direction, server_id: u32) -> Flight {
    let checkpoint = Place::shared(direction.target, "checkpoint");
    let shards = [0, 1].map(|_| Place::shared(direction.target, "shard"));
    let mut flight = Flight::new(source, shards, &checkpoint, *SEED).await;
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
async fn a_message_of_another_table_in_the_topic_is_counted_and_passed() {
    for direction in directions(405) {
        let source = Place::shared(direction.source, "source");
        source.run("CREATE TABLE strangers (id int PRIMARY KEY)").await;
        let flight = begun_from(source, direction, SERVER_ID + 9).await;
        let live = flight.bed.start("dual-write", RUN);
        drop(flight.ok("backfill", RUN));
        flight.change(5).await;
        flight.source.run("INSERT INTO strangers VALUES (1), (2)").await;
        flight.change(5).await;
        flight.delivered("end").await;
        let counted = live.drain().json();
        super::flying::is_conserved(&counted);
        assert_eq!((&counted["foreign"], &counted["dead_letters"]), (&2.into(), &0.into()));
        drop(flight.ok("verify", &["run"]));
        flight.is_the_same().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connect_worker_that_is_killed_under_load_delivers_again_and_nothing_is_applied_twice() {
    for direction in directions(406) {
        let mut flight = begun(direction, SERVER_ID + 12).await;
        drop(flight.ok("backfill", RUN));
        let live = flight.bed.start("dual-write", RUN);
        let load = flight.application.load();
        flight.debezium_notes_its_place().await;
        for _ in 0..3 {
            flight.application.made(200).await;
            flight.debezium_dies().await;
        }
        load.stop().await;
        flight.delivered("end").await;
        let counted = live.drain().json();
        super::flying::is_conserved(&counted);
        let again = ["duplicate", "stale"].map(|name| counted[name].as_u64().unwrap());
        eprintln!("delivered again: {again:?} of {}", counted["consumed"]);
        assert!(again.iter().sum::<u64>() > 0, "nothing came twice: {counted}");
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
        // On the other shard, too.
        flight.bed.wait_until_applied();
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

/// Waits until the live path has kept how far the source was: whoever starts next knows it then,
/// however the one before ends.
async fn course_is_kept(flight: &Flight, engine: Engine) {
    let url = std::fs::read_to_string(flight.bed.path("checkpoint.url")).unwrap();
    let checkpoint = Place::of(engine, url);
    let key = if engine == Engine::MariaDb { "`key`" } else { "key" };
    let query =
        format!("SELECT {key} FROM midflight_checkpoint WHERE {key} LIKE 'dual-write/course/%'");
    let begun = Instant::now();
    while checkpoint.lines(&query).await.is_empty() {
        assert!(begun.elapsed() < KEPT_MAX, "it is not kept how far the source was");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// MariaDB's log begins anew, as that of a replica that was promoted: its places lie before those
/// that were there. PostgreSQL's slot is lost, and Debezium begins with a snapshot, which knows
/// nothing of what was deleted meanwhile. Either would pass as stale, and for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_begins_anew_stops_the_live_path_until_its_epoch_is_raised() {
    for direction in directions(402) {
        let server = OwnServer::start_with_log(direction.source, 64);
        if direction.source == Engine::MariaDb {
            server.sql("FLUSH BINARY LOGS; FLUSH BINARY LOGS; FLUSH BINARY LOGS");
        }
        let source = server.database("source");
        let mut flight = begun_from(source, direction, SERVER_ID + 2).await;
        let live = flight.bed.start("dual-write", RUN);
        drop(flight.ok("backfill", RUN));
        flight.change(50).await;
        flight.delivered("end").await;
        course_is_kept(&flight, direction.target).await;

        flight.loses_debezium();
        let (snapshot, says) = match direction.source {
            Engine::MariaDb => {
                server.sql("RESET MASTER");
                ("no_data", "its versions go backwards")
            }
            Engine::Postgres => ("initial", "took a snapshot anew"),
        };
        flight.change(50).await;
        flight.begins_debezium_anew(&kafka_brokers().unwrap(), snapshot, SERVER_ID + 3);
        flight.change(50).await;
        live.wait().complains(1).names(&[says, "source.epoch"]);
        // Whoever starts next is told again.
        flight.bed.run("dual-write", DRAIN).complains(1).names(&[says]);

        flight.bed.edit("[source]", "[source]\nepoch = 1");
        drop(flight.ok("dual-write", &["set-up", "--yes"]));
        let live = flight.bed.start("dual-write", RUN);
        flight.change(50).await;
        flight.delivered("end-again").await;
        // What came meanwhile was skipped, and is found.
        assert_eq!(flight.bed.run("verify", &["run"]).code, Some(3));
        drop(flight.ok("verify", &["repair", "--execute"]));
        drop(flight.ok("verify", &["run"]));
        super::flying::is_conserved(&live.drain().json());
        flight.is_the_same().await;
    }
}

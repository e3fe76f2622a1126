//! From MariaDB to two PostgreSQL databases, progress in another MariaDB: the real programs, an
//! application of several sessions whose transactions overlap, kills, a source that restarts, the
//! switch and the clean-up.

use faults::{Engine, Flight, Place};
use servers::MariaDb;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_four_phases_carry_a_service_from_mariadb_to_postgresql_and_leave_nothing_behind() {
    let checkpoint = Place::shared(Engine::MariaDb, "checkpoint");
    let flight = Flight::shared(Engine::MariaDb, Engine::Postgres, &checkpoint, 81).await;
    let live = flight.is_carried_under_kills().await;
    for _ in 0..6 {
        drop(flight.ok("cutover", &["promote", "--override", "a test"]));
    }
    flight.leaves_nothing_behind(live).await;
    let left = checkpoint.lines("SELECT CAST(count(*) AS CHAR) FROM midflight_checkpoint").await;
    assert_eq!(left, ["0"]);
}

/// A database on a server of the test's own.
fn create(server: &MariaDb, name: &str) -> Place {
    server.sql(&format!("CREATE DATABASE {name}")).unwrap();
    let url = format!("{}{name}", server.url().trim_end_matches(|last| last != '/'));
    Place::of(Engine::MariaDb, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_killed_under_both_phases_costs_a_wait_and_no_record() {
    let mut server = servers::mariadb().start().unwrap();
    let (source, checkpoint) = (create(&server, "source"), create(&server, "checkpoint"));
    let shards = [0, 1].map(|_| Place::shared(Engine::Postgres, "shard"));
    let flight = Flight::new(source, shards, &checkpoint, 82).await;
    drop(flight.ok("dual-write", &["set-up"]));
    let live = flight.bed.start("dual-write", &["run"]);
    let copy = flight.bed.start("backfill", &["run"]);
    let load = flight.application.load();
    for _ in 0..3 {
        flight.application.made(60).await;
        server.kill().unwrap();
        server.start().unwrap();
    }
    flight.application.made(60).await;
    load.stop().await;
    drop(copy.wait());
    drop(live.kill());
    flight.bed.finish();
    drop(flight.ok("verify", &["run"]));
    flight.is_the_same().await;
}

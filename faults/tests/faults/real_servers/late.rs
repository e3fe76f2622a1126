//! 14, 15: sources that show a commit later than their log does.

use super::flying::{Flying, PARTITIONS, RUN};
use faults::{Engine, OwnServer, Place};
use servers::MariaDb;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than a commit takes to the log.
const LOGGED_MAX: Duration = Duration::from_secs(30);

/// Longest until a copy that is held says so.
const HELD_MAX: Duration = Duration::from_secs(30);

/// Longer than the test: it lets the commit go on itself.
const HIDDEN_MS: u32 = 600_000;

fn source_of(server: &MariaDb) -> String {
    format!("{}source", server.url().trim_end_matches(|last| last != '/'))
}

async fn from_a_source_of_its_own(server: &MariaDb) -> Flying {
    server.sql("CREATE DATABASE source").unwrap();
    let shards = [0, 1].map(|_| Place::shared(Engine::Postgres, "shard"));
    Flying::between(Place::of(Engine::MariaDb, source_of(server)), shards).await
}

/// What waits for the source to show something cannot ask a replica, with a log of its own or
/// without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_a_replica_is_refused_by_name() {
    let primary = servers::mariadb().binary_log(61).start().unwrap();
    let replicas = [
        servers::mariadb().binary_log(62).start().unwrap(),
        servers::mariadb().set("server_id", "64").start().unwrap(),
    ];
    for replica in &replicas {
        primary.lead(replica).unwrap();
    }
    let flying = from_a_source_of_its_own(&primary).await.begin();
    flying.change(10).await;
    let bed = &flying.flight.bed;
    for replica in &replicas {
        replica.sql("STOP SLAVE SQL_THREAD").unwrap();
    }
    flying.change(20).await;
    for replica in &replicas {
        std::fs::write(bed.path("source.url"), source_of(replica)).unwrap();
        bed.run("backfill", &["run"]).complains(7).names(&["replica", "primary server"]);
    }
    std::fs::write(bed.path("source.url"), source_of(&primary)).unwrap();
    flying.ends_well().await;
}

/// The same of PostgreSQL; and the standby, as a gauge of the plan, holds the copy while it lags.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_refused_as_the_source_and_holds_the_copy_while_it_lags() {
    let primary = OwnServer::start_primary(Engine::Postgres);
    let standby = primary.start_replica();
    let shards = [0, 1].map(|_| Place::shared(Engine::MariaDb, "shard"));
    let flying = Flying::between(primary.database("source"), shards).await.begin();
    let bed = &flying.flight.bed;
    flying.change(10).await;
    standby.sql("SELECT pg_wal_replay_pause()");
    flying.change(20).await;
    std::fs::write(bed.path("source.url"), standby.place("source").url()).unwrap();
    bed.run("backfill", RUN).complains(7).names(&["replica", "primary server"]);

    std::fs::write(bed.path("source.url"), primary.place("source").url()).unwrap();
    std::fs::write(bed.path("standby.url"), standby.place("source").url()).unwrap();
    let gauge = "[[gauge]]\nname = \"standby-lag\"\nengine = \"postgres\"\n\
                 url = \"file:standby.url\"\nmax = 0.2\n\n[cutover]";
    bed.edit("[cutover]", gauge);
    let mut copy = bed.start("backfill", RUN);
    let begun = Instant::now();
    loop {
        let status = bed.run("backfill", &["status", "--output", "json"]).json();
        if status.to_string().contains("standby-lag is ") {
            break;
        }
        assert!(copy.has_ended().is_none() && begun.elapsed() < HELD_MAX, "not held: {status}");
    }
    for shard in &flying.flight.shards {
        assert_eq!(shard.lines("SELECT followed FROM follower_of").await, [""; 0]);
    }
    standby.sql("SELECT pg_wal_replay_resume()");
    drop(copy.wait().ok());
    flying.ends_well().await;
}

/// How often anybody has asked this server what its snapshots show.
fn asked(server: &MariaDb) -> u64 {
    let query = "SELECT variable_value FROM information_schema.global_status \
                 WHERE variable_name = 'COM_SHOW_STATUS'";
    server.sql(query).unwrap().trim().parse().unwrap()
}

/// With semi-synchronous replication a commit is in the log, and so in a topic, before any query
/// shows it: here until that is switched off, because no replica answers. A row that was deleted
/// like that is still read, and its message lies before the start of the queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_the_log_has_and_no_query_shows_yet_is_waited_for() {
    let server = servers::mariadb().binary_log(63).start().unwrap();
    let flying = from_a_source_of_its_own(&server).await;
    let flight = &flying.flight;
    for setting in [
        "rpl_semi_sync_master_wait_point = AFTER_SYNC".to_owned(),
        format!("rpl_semi_sync_master_timeout = {HIDDEN_MS}"),
        "rpl_semi_sync_master_enabled = 1".to_owned(),
    ] {
        server.sql(&format!("SET GLOBAL {setting}")).unwrap();
    }
    let logged = || server.sql("SHOW MASTER STATUS").unwrap();
    let (before, begun) = (logged(), Instant::now());
    let application = Arc::clone(&flight.application);
    let deleting = tokio::spawn(async move { application.delete("Lib2", "package-2").await });
    while logged() == before {
        assert!(begun.elapsed() < LOGGED_MAX, "it is not logged");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let query =
        "SELECT dependent FROM followers WHERE package = 'Lib2' AND dependent = 'package-2'";
    assert_eq!(flight.source.lines(query).await, ["package-2"], "it shows already");
    // What a reader of the log delivers then.
    let message = br#"{"package":"Lib2","dependent":"package-2"}"#;
    flight.topic().send("Lib2/package-2", Some("delete"), message).await;
    drop(flight.ok("dual-write", &["set-up"]));
    let (before, begun) = (asked(&server), Instant::now());
    let mut copy = flight.bed.start("backfill", &["run"]);
    // Who asks more often than there are partitions was told that it is not shown yet.
    while asked(&server) <= before + u64::try_from(PARTITIONS).unwrap() {
        assert_eq!(copy.has_ended(), None, "it does not wait");
        assert!(begun.elapsed() < HELD_MAX, "it does not ask");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!deleting.is_finished(), "it shows already");
    server.sql("SET GLOBAL rpl_semi_sync_master_enabled = 0").unwrap();
    deleting.await.unwrap();
    drop(copy.wait().ok());
    flight.is_the_same().await;
    flying.begin().ends_well().await;
}

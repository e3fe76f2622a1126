//! 14, 15: sources that show a commit later than their log does.

use super::flying::Flying;
use faults::{Engine, Place};
use servers::MariaDb;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than a commit takes to the log.
const LOGGED_MAX: Duration = Duration::from_secs(4);

/// Longer than that, and than everything up to the first read of the copy.
const HIDDEN_MS: u32 = 9_000;

fn source_of(server: &MariaDb) -> String {
    format!("{}source", server.url().trim_end_matches(|last| last != '/'))
}

async fn from_a_source_of_its_own(server: &MariaDb) -> Flying {
    server.sql("CREATE DATABASE source").unwrap();
    let shards = [0, 1].map(|_| Place::shared(Engine::Postgres, "shard"));
    Flying::between(Place::of(Engine::MariaDb, source_of(server)), shards).await
}

/// What waits for the source to show something cannot ask a replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_a_replica_is_refused_by_name() {
    let primary = servers::mariadb().binary_log(61).start().unwrap();
    let replica = servers::mariadb().binary_log(62).start().unwrap();
    primary.lead(&replica).unwrap();
    let flying = from_a_source_of_its_own(&primary).await.begin();
    flying.change(10).await;
    let bed = &flying.flight.bed;
    replica.sql("STOP SLAVE SQL_THREAD").unwrap();
    flying.change(20).await;
    std::fs::write(bed.path("source.url"), source_of(&replica)).unwrap();
    bed.run("backfill", &["run"]).complains(7).names(&["replica"]);
    std::fs::write(bed.path("source.url"), source_of(&primary)).unwrap();
    flying.ends_well().await;
}

/// With semi-synchronous replication a commit is in the log, and so in a topic, before any query shows
/// it: here for seconds, because no replica answers. A row that was deleted like that is still read,
/// and its message lies before the start of the queue.
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
    assert!(!deleting.is_finished(), "the set-up took too long for this test");
    drop(flight.ok("backfill", &["run"]));
    deleting.await.unwrap();
    flight.is_the_same().await;
    flying.begin().ends_well().await;
}

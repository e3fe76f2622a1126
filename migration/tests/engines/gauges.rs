//! Gauges of real servers.

use ::servers::shared::{mariadb_database, postgres_database};
use ::servers::{MariaDb, mariadb, postgres};
use migration::checkpoint::desired::Rate;
use migration::error::ErrorKind;
use migration::gauge::{Gauge, watch};
use migration::plan::{GaugePlan, GaugeServer, ServerUrl};
use migration::servers;
use migration::shutdown::Shutdown;
use migration::throttle::Throttle;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Longest wait for something that a server does by itself.
const LIMIT: Duration = Duration::from_secs(30);

/// Between two looks at a server.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

fn url(text: &str) -> ServerUrl {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::write(folder.join("url"), text).unwrap();
    ServerUrl::parse("file:url", &folder).unwrap()
}

fn gauge(server: GaugeServer, query: Option<&str>, max: f64) -> Gauge {
    let query = query.map(str::to_owned);
    servers::gauge(&GaugePlan { name: "load".to_owned(), server, query, max })
}

async fn each_kind_of_answer(server: GaugeServer) {
    let read = async |query| gauge(server.clone(), Some(query), 5.0).read().await;
    assert_eq!(read("SELECT 7").await.unwrap(), Some(7.0));
    assert_eq!(read("SELECT 1.5").await.unwrap(), Some(1.5));
    assert_eq!(read("SELECT NULL").await.unwrap(), None);
    assert_eq!(read("SELECT 1 WHERE 1 = 2").await.unwrap(), None);
    assert!(read("SELECT 1, 2").await.is_err());
    assert!(read("SELECT no_such_column").await.is_err());
    assert_eq!(gauge(server, None, 5.0).read().await.unwrap(), None, "it is no replica");
}

#[tokio::test]
async fn a_query_gives_a_figure_or_none() {
    let database = postgres_database("gauge").unwrap();
    each_kind_of_answer(GaugeServer::Postgres { url: url(&database.url()) }).await;
    let database = mariadb_database("gauge").unwrap();
    each_kind_of_answer(GaugeServer::Mysql { url: url(&database.url()) }).await;
}

#[tokio::test]
async fn a_query_changes_nothing() {
    let database = postgres_database("gauge").unwrap();
    database.run("CREATE SEQUENCE s").unwrap();
    let gauge = gauge(
        GaugeServer::Postgres { url: url(&database.url()) },
        Some("SELECT nextval('s')"),
        1.0,
    );
    assert!(gauge.read().await.is_err());
}

#[tokio::test]
async fn a_phase_stands_still_while_a_gauge_is_too_high_or_cannot_be_read() {
    let database = postgres_database("gauge").unwrap();
    database.run("CREATE TABLE load (figure int); INSERT INTO load VALUES (9)").unwrap();
    let server = GaugeServer::Postgres { url: url(&database.url()) };
    let gauges: Arc<[Gauge]> = [gauge(server, Some("SELECT figure FROM load"), 5.0)].into();
    assert_eq!(gauges[0].obstacle().await.unwrap(), "load is 9.0, at most 5");
    let throttle = Arc::new(Throttle::new(Rate::Unlimited));
    let _watching = watch(gauges, Arc::clone(&throttle));
    let goes_on = async || timeout(LOOK_AGAIN, throttle.ready(&Shutdown::new())).await.is_ok();
    let becomes = async |wanted: bool| {
        let began = Instant::now();
        while goes_on().await != wanted {
            assert!(began.elapsed() < LIMIT, "it never became {wanted}");
            sleep(LOOK_AGAIN).await;
        }
    };
    becomes(false).await;
    database.run("UPDATE load SET figure = 5").unwrap();
    becomes(true).await;
    database.run("ALTER TABLE load RENAME TO gone").unwrap();
    becomes(false).await;
    database.run("ALTER TABLE gone RENAME TO load").unwrap();
    becomes(true).await;
}

async fn waits_for(gauge: &Gauge, what: &str, holds: impl Fn(Option<f64>) -> bool) {
    let began = Instant::now();
    loop {
        let figure = gauge.read().await.unwrap();
        if holds(figure) {
            return;
        }
        assert!(began.elapsed() < LIMIT, "{what}: {figure:?}");
        sleep(LOOK_AGAIN).await;
    }
}

/// Waits until the gauge holds nothing up.
async fn clears(gauge: &Gauge) {
    let began = Instant::now();
    while let Some(obstacle) = gauge.obstacle().await {
        assert!(began.elapsed() < LIMIT, "{obstacle}");
        sleep(LOOK_AGAIN).await;
    }
}

/// Waits until a replica has a table.
async fn until_there<T, E>(look: impl Fn() -> Result<T, E>) {
    let began = Instant::now();
    while look().is_err() {
        assert!(began.elapsed() < LIMIT, "it does not follow");
        sleep(LOOK_AGAIN).await;
    }
}

#[tokio::test]
async fn a_replica_tells_how_far_it_lags_and_one_that_has_stopped_tells_nothing() {
    let primary = mariadb().binary_log(1).start().unwrap();
    let replica: MariaDb = mariadb().binary_log(2).start().unwrap();
    primary.lead(&replica).unwrap();
    primary.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)").unwrap();
    let gauge =
        gauge(GaugeServer::Mysql { url: url(&format!("{}mysql", replica.url())) }, None, 0.5);
    until_there(|| replica.sql("SELECT * FROM d.t")).await;
    waits_for(&gauge, "it never caught up", |lag| lag == Some(0.0)).await;
    clears(&gauge).await;
    replica.sql("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 3600; START SLAVE").unwrap();
    primary.sql("INSERT INTO d.t VALUES (1)").unwrap();
    waits_for(&gauge, "it never lagged", |lag| lag.is_some_and(|lag| lag >= 1.0)).await;
    assert!(gauge.obstacle().await.unwrap().starts_with("load is "));
    replica.sql("STOP SLAVE").unwrap();
    assert_eq!(gauge.obstacle().await.unwrap(), "load does not replicate");
}

#[tokio::test]
async fn a_standby_of_postgres_tells_how_far_it_lags() {
    let primary = postgres().start().unwrap();
    let standby = postgres().start_standby(&primary).unwrap();
    primary.sql("CREATE TABLE t (id INT PRIMARY KEY)").unwrap();
    let gauge = gauge(GaugeServer::Postgres { url: url(&standby.url()) }, None, 0.5);
    until_there(|| standby.sql("SELECT * FROM t")).await;
    waits_for(&gauge, "it never caught up", |lag| lag == Some(0.0)).await;
    clears(&gauge).await;
    standby.sql("SELECT pg_wal_replay_pause()").unwrap();
    primary.sql("INSERT INTO t VALUES (1)").unwrap();
    waits_for(&gauge, "it never lagged", |lag| lag.is_some_and(|lag| lag >= 1.0)).await;
    assert!(gauge.obstacle().await.unwrap().starts_with("load is "));
    standby.sql("SELECT pg_wal_replay_resume()").unwrap();
    waits_for(&gauge, "it never caught up again", |lag| lag == Some(0.0)).await;
    standby.sql("SELECT pg_promote()").unwrap();
    assert_eq!(gauge.obstacle().await.unwrap(), "load does not replicate");
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_in_time() {
    let server = GaugeServer::Postgres { url: url("postgres://a@127.0.0.1:1/a") };
    let began = Instant::now();
    let error = gauge(server, None, 1.0).read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(began.elapsed() < LIMIT);
}

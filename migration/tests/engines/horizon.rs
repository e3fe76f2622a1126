//! What a source shows, on real servers.

use migration::error::ErrorKind;
use migration::plan::ServerUrl;
use migration::store::{Horizon, MysqlStore, OpenMode, PostgresStore, Store};
use servers::MariaDb;
use servers::shared::{mariadb_database, postgres_database};
use sqlx::{Connection as _, Executor as _, MySqlConnection, PgConnection};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

fn url(folder: &tempfile::TempDir, url: &str) -> ServerUrl {
    std::fs::write(folder.path().join("url"), url).unwrap();
    ServerUrl::parse("file:url", folder.path()).unwrap()
}

async fn comes_to_show(store: &dyn Store, horizon: &Horizon) {
    let began = Instant::now();
    while !store.shows(horizon).await.unwrap() {
        assert!(began.elapsed() < LIMIT, "it never shows {horizon:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn postgres_shows_nothing_past_a_transaction_that_may_have_been_told_of() {
    let database = postgres_database("horizon").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = url(&folder, &database.url());
    let store = PostgresStore::open("source", &url, "m", OpenMode::ReadOnly).await.unwrap();
    let mut writer = PgConnection::connect(&database.url()).await.unwrap();
    writer.execute("CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
    let mut transaction = writer.begin().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)").await.unwrap();
    // It is in the log from here on, for all that a query can see.
    let horizon = store.horizon().await.unwrap();
    assert!(matches!(horizon, Horizon::Transactions { .. }));
    assert!(!store.shows(&horizon).await.unwrap());
    transaction.commit().await.unwrap();
    comes_to_show(&store, &horizon).await;
    // What began later holds nobody up.
    let mut later = writer.begin().await.unwrap();
    later.execute("INSERT INTO t VALUES (2)").await.unwrap();
    assert!(store.shows(&horizon).await.unwrap());
    later.rollback().await.unwrap();
}

#[tokio::test]
async fn mariadb_shows_what_its_log_held_and_not_what_is_yet_to_come() {
    let database = mariadb_database("horizon").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = url(&folder, &database.url());
    let store = MysqlStore::open("source", &url, "m", OpenMode::ReadOnly).await.unwrap();
    let mut writer = MySqlConnection::connect(&database.url()).await.unwrap();
    writer.execute("CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
    writer.execute("INSERT INTO t VALUES (1)").await.unwrap();
    let horizon = store.horizon().await.unwrap();
    let Horizon::Binlog { file, position } = horizon else { panic!("{horizon:?}") };
    comes_to_show(&store, &horizon).await;
    assert!(!store.shows(&Horizon::Binlog { file: file + 1, position: 0 }).await.unwrap());
    writer.execute("INSERT INTO t VALUES (2)").await.unwrap();
    let later = store.horizon().await.unwrap();
    let Horizon::Binlog { file: now, position: end } = later else { panic!("{later:?}") };
    assert!((now, end) > (file, position));
    comes_to_show(&store, &later).await;
}

/// What a server of the test's own answers, as the source.
async fn horizon_of(server: &MariaDb) -> migration::error::Result<Horizon> {
    let folder = tempfile::tempdir().unwrap();
    let url = url(&folder, &format!("{}mysql", server.url()));
    let store = MysqlStore::open("source", &url, "m", OpenMode::ReadOnly).await.unwrap();
    store.horizon().await
}

/// What Debezium reads from the primary may be in the queue before the replica has it, whether or
/// not the replica keeps a log of its own.
#[tokio::test]
async fn a_replica_without_a_log_of_its_own_cannot_tell_what_its_primary_has_committed() {
    let primary = servers::mariadb().binary_log(71).start().unwrap();
    let replica = servers::mariadb().set("server_id", "72").start().unwrap();
    assert_eq!(horizon_of(&replica).await.unwrap(), Horizon::Now);
    primary.lead(&replica).unwrap();
    assert_eq!(replica.sql("SELECT @@log_bin").unwrap().trim(), "0");
    let refused = horizon_of(&replica).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused, "{refused:?}");
    assert!(refused.to_string().contains("replica"), "{refused}");
    // Stopped it is one all the same.
    replica.sql("STOP ALL SLAVES").unwrap();
    assert_eq!(horizon_of(&replica).await.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn a_node_of_a_galera_cluster_cannot_tell_what_the_others_have_committed() {
    let provider = "/usr/lib/galera/libgalera_smm.so";
    let node = servers::mariadb()
        .set("binlog_format", "ROW")
        .set("innodb_autoinc_lock_mode", "2")
        .set("wsrep_provider", provider)
        .set("wsrep_provider_options", "base_port=0;gmcast.listen_addr=tcp://127.0.0.1:0")
        .set("wsrep_cluster_address", "gcomm://")
        .set("wsrep_on", "ON")
        .start()
        .unwrap();
    let refused = horizon_of(&node).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused, "{refused:?}");
    assert!(refused.to_string().contains("Galera"), "{refused}");
    assert!(refused.next_step().unwrap().contains("outbox"), "{refused}");
}

#[tokio::test]
async fn what_a_database_declares_of_its_columns_is_told() {
    let database = mariadb_database("traits").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = url(&folder, &database.url());
    let mut writer = MySqlConnection::connect(&database.url()).await.unwrap();
    writer.execute("CREATE TABLE t (id int PRIMARY KEY, price decimal(10,3))").await.unwrap();
    let store = MysqlStore::open("source", &url, "m", OpenMode::ReadOnly).await.unwrap();
    let traits = store.column_traits("t").await.unwrap();
    let price = traits.iter().find(|(name, _)| name == "price").unwrap();
    assert_eq!(price.1.scale, Some(3));
}

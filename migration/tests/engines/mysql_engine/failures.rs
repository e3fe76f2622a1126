//! A server that refuses, is full, read-only, or gone.

use crate::databases::MysqlDatabase;
use crate::mysql_engine::table::NO_LIMIT;
use migration::batch::{Batch, Schema};
use migration::error::ErrorKind;
use migration::plan::ServerUrl;
use migration::store::{
    Access, MysqlStore, OpenMode, ReadLimit, Store as _, Target as _, Transactional as _,
};
use migration::value::Value;
use servers::MariaDb;
use std::sync::Arc;

/// A URL as a plan names it.
fn in_file(text: &str) -> ServerUrl {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::write(folder.join("url"), text).unwrap();
    ServerUrl::parse("file:url", &folder).unwrap()
}

async fn open(url: &str) -> migration::error::Result<MysqlStore> {
    MysqlStore::open("t", &in_file(url), "m", OpenMode::ReadWrite).await
}

/// A server of this test's own, with the database `x`.
fn server(variables: &[(&str, &str)]) -> MariaDb {
    let settings = variables
        .iter()
        .fold(servers::mariadb(), |settings, (name, value)| settings.set(name, value));
    let server = settings.start().unwrap();
    server.sql("CREATE DATABASE x").unwrap();
    server
}

async fn schema(store: &MysqlStore) -> Arc<Schema> {
    Arc::new(store.describe("t").await.unwrap().schema)
}

fn records(schema: &Arc<Schema>, values: &[&[u8]]) -> Batch {
    let mut batch = Batch::new(Arc::clone(schema));
    for (id, value) in values.iter().enumerate() {
        batch.push(Value::Int(i128::try_from(id).unwrap())).unwrap();
        batch.push(Value::Bytes(value)).unwrap();
    }
    batch
}

#[tokio::test]
async fn what_cannot_be_opened_says_why_and_only_what_may_pass_is_tried_again() {
    let database = MysqlDatabase::create();
    let url = database.database.url();
    let (login, place) = url.rsplit_once('@').unwrap();
    let (address, _) = place.split_once('/').unwrap();
    let (scheme, _) = login.rsplit_once(':').unwrap();
    for (url, kind) in [
        (format!("{scheme}:hunter2@{place}"), ErrorKind::Refused),
        (format!("mysql://nobody:hunter2@{place}"), ErrorKind::Refused),
        (format!("{login}@{address}/no_such_database"), ErrorKind::Refused),
        (format!("{login}@127.0.0.1:1/x"), ErrorKind::Unavailable),
        (format!("{login}@{address}"), ErrorKind::Plan),
    ] {
        let error = open(&url).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.next_step().is_some(), "{error:?}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_opened_to_read_writes_nothing() {
    let database = MysqlDatabase::create();
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v BLOB)");
    let store = MysqlStore::open("t", &database.url(), "m", OpenMode::ReadOnly).await.unwrap();
    assert_eq!(store.begin(Access::SetUp).await.map(drop).unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(database.run("SHOW TABLES").trim(), "t");
}

#[tokio::test]
async fn a_table_that_lost_a_column_under_way_is_refused() {
    let database = MysqlDatabase::create();
    database.run("CREATE TABLE t (id INT PRIMARY KEY, v BLOB)");
    let store = open(&database.database.url()).await.unwrap();
    let schema = schema(&store).await;
    database.run("ALTER TABLE t DROP COLUMN v");
    let error = store.scan(&schema, None, None, NO_LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let batch = records(&schema, &[b"x"]);
    let mut transaction = store.begin(Access::SetUp).await.unwrap();
    let error = transaction.upsert(&schema, &[batch.row(0)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    drop(transaction);
    database.run("DROP TABLE t");
    let error = store.scan(&schema, None, None, NO_LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn large_values_go_in_statements_that_the_server_takes_and_one_beyond_is_refused() {
    let server = server(&[("max_allowed_packet", "17825792")]);
    server.sql("CREATE TABLE x.t (id INT PRIMARY KEY, v LONGBLOB)").unwrap();
    let store = open(&format!("{}x", server.url())).await.unwrap();
    let schema = schema(&store).await;
    // 16 MiB is where the protocol splits its packets.
    let large: Vec<Vec<u8>> =
        [1 << 24, (1 << 24) - 1, 5 << 20, 3 << 20, 0].map(|bytes| vec![0xa5; bytes]).into();
    let values: Vec<&[u8]> = large.iter().map(Vec::as_slice).collect();
    let batch = records(&schema, &values);
    let mut transaction = store.begin(Access::SetUp).await.unwrap();
    let rows: Vec<_> = batch.rows().collect();
    assert_eq!(transaction.insert_absent(&schema, &rows).await.unwrap(), 5);
    transaction.upsert(&schema, &rows).await.unwrap();
    transaction.commit().await.unwrap();
    let found = store.scan(&schema, None, None, NO_LIMIT).await.unwrap();
    assert!(found.rows().map(|row| row.bytes()).eq(batch.rows().map(|row| row.bytes())));
    // A batch ends with the record that crosses its bytes, and the rest is not read.
    let limit = ReadLimit { rows_max: 100, bytes_max: 1 << 20 };
    assert_eq!(store.scan(&schema, None, None, limit).await.unwrap().len(), 1);

    let too_large = vec![1; 17_825_792];
    let batch = records(&schema, &[b"small", &too_large]);
    let mut transaction = store.begin(Access::SetUp).await.unwrap();
    let rows: Vec<_> = batch.rows().collect();
    let error = transaction.upsert(&schema, &rows).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    assert!(error.to_string().contains("key 1"), "{error}");
    assert!(error.next_step().unwrap().contains("max_allowed_packet"));
}

#[tokio::test]
async fn a_server_that_is_full_or_read_only_says_so_and_changes_nothing() {
    let server = server(&[
        ("innodb_file_per_table", "0"),
        ("innodb_data_file_path", "ibdata1:12M:autoextend:max:24M"),
    ]);
    // Records within their pages: this server dies of a large value that finds no room.
    server.sql("CREATE TABLE x.t (id INT PRIMARY KEY, v VARBINARY(4000))").unwrap();
    server
        .sql(
            "CREATE USER plain@127.0.0.1 IDENTIFIED BY 'plain'; \
             GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON x.* TO plain@127.0.0.1",
        )
        .unwrap();
    let url = format!("mysql://plain:plain@127.0.0.1:{}/x", server.port());
    let store = open(&url).await.unwrap();
    store.set_up(&["s"], &[]).await.unwrap();
    let schema = schema(&store).await;
    let large = vec![0x5a; 4000];
    let batch = records(&schema, &[large.as_slice(); 8000]);
    let mut transaction = store.begin(Access::Write).await.unwrap();
    let rows: Vec<_> = batch.rows().collect();
    let error = transaction.upsert(&schema, &rows).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error:?}");
    assert!(error.next_step().unwrap().contains("room"));
    drop(transaction);

    server.sql("SET GLOBAL read_only = 1").unwrap();
    let small = records(&schema, &[b"x"]);
    let mut transaction = store.begin(Access::Write).await.unwrap();
    let error = transaction.upsert(&schema, &[small.row(0)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.next_step().unwrap().contains("replica"));
    drop(transaction);
    server.sql("SET GLOBAL read_only = 0").unwrap();
    assert_eq!(server.sql("SELECT count(*) FROM x.t").unwrap().trim(), "0");
    let mut transaction = store.begin(Access::Write).await.unwrap();
    transaction.upsert(&schema, &[small.row(0)]).await.unwrap();
    transaction.commit().await.unwrap();

    server.sql("REVOKE INSERT ON x.* FROM plain@127.0.0.1").unwrap();
    let fresh = open(&url).await.unwrap();
    let error = fresh.set_up(&["s", "more"], &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.next_step().unwrap().contains("GRANT"));
}

#[tokio::test]
async fn a_privilege_of_the_server_that_the_user_lacks_is_named() {
    let server = server(&[]);
    let grant = "CREATE USER plain@127.0.0.1 IDENTIFIED BY 'plain'; \
                 GRANT ALL PRIVILEGES ON x.* TO plain@127.0.0.1";
    server.sql(grant).unwrap();
    let url = format!("mysql://plain:plain@127.0.0.1:{}/x", server.port());
    let store = open(&url).await.unwrap();
    store.set_up(&["s"], &[]).await.unwrap();
    for (error, privilege) in [
        (store.make_durable().await.unwrap_err(), "RELOAD"),
        (store.horizon().await.unwrap_err(), "REPLICA MONITOR"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert!(error.next_step().unwrap().contains(privilege), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_was_killed_leaves_a_commit_unknown_and_is_used_again_afterwards() {
    let mut server = server(&[]);
    server.sql("CREATE TABLE x.t (id INT PRIMARY KEY, v BLOB)").unwrap();
    let store = open(&format!("{}x", server.url())).await.unwrap();
    store.set_up(&["s"], &[]).await.unwrap();
    let schema = schema(&store).await;
    let batch = records(&schema, &[b"x"]);
    let mut transaction = store.begin(Access::Write).await.unwrap();
    transaction.upsert(&schema, &[batch.row(0)]).await.unwrap();
    server.kill().unwrap();
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownOutcome, "{error:?}");
    let error = store.scan(&schema, None, None, NO_LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    server.start().unwrap();
    // A connection from before may fail once; then there are new ones.
    let mut found = store.scan(&schema, None, None, NO_LIMIT).await;
    for _ in 0..12 {
        if found.is_err() {
            found = store.scan(&schema, None, None, NO_LIMIT).await;
        }
    }
    assert!(found.unwrap().is_empty(), "what was not committed is not there");
    assert!(store.range("s", None).await.unwrap().is_some());
}

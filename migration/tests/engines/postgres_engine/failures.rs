//! What goes wrong with a server or a table, and what is said about it.

use crate::databases::PostgresDatabase;
use crate::postgres_engine::{open, session, until_somebody_waits};
use migration::batch::{Batch, Schema};
use migration::error::{Error, ErrorKind};
use migration::plan::ServerUrl;
use migration::position::Position;
use migration::store::{
    Access, LockMode, OpenMode, PostgresStore, ReadLimit, StartPosition, Store as _, Target as _,
    Transactional as _,
};
use migration::value::Value;
use sqlx::Executor as _;
use std::sync::Arc;
use std::time::Instant;

const NO_LIMIT: ReadLimit = ReadLimit { rows_max: 100, bytes_max: usize::MAX };

/// The database's URL with a piece of its text replaced.
async fn open_with(
    database: &PostgresDatabase,
    from: &str,
    to: &str,
) -> Result<PostgresStore, Error> {
    let text = database.text();
    assert!(text.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), text.replace(from, to)).unwrap();
    let url = ServerUrl::parse("file:url", folder.path()).unwrap();
    PostgresStore::open("t", &url, "m", OpenMode::ReadWrite).await
}

#[tokio::test]
async fn who_may_not_come_in_is_refused_once_and_the_password_is_not_repeated() {
    let database = PostgresDatabase::create();
    for (from, to, hint) in [
        (servers::PASSWORD, "hunter2", "password in the server's URL"),
        ("postgres://midflight", "postgres://nobody", "password in the server's URL"),
        ("/migration_", "/no_such_", "check the database"),
    ] {
        let since = Instant::now();
        let error = open_with(&database, from, to).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert!(error.next_step().unwrap().contains(hint), "{error:?}");
        assert!(
            !format!("{error:?}").contains("hunter2")
                && !format!("{error:?}").contains(servers::PASSWORD)
        );
        assert!(since.elapsed().as_secs() < 5, "it was tried again");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_at_once() {
    let url = ServerUrl::parse("postgres://127.0.0.1:1/none", std::path::Path::new("/")).unwrap();
    let error = PostgresStore::open("t", &url, "m", OpenMode::ReadOnly).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("127.0.0.1:1/none"), "{error}");
}

#[tokio::test]
async fn a_store_opened_to_read_writes_nothing() {
    let database = PostgresDatabase::create();
    database.run("CREATE TABLE t (id bigint PRIMARY KEY)");
    let store = PostgresStore::open("t", &database.url(), "m", OpenMode::ReadOnly).await.unwrap();
    assert!(!store.is_set_up().await.unwrap());
    assert_eq!(store.set_up(&["t"], &[]).await.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn a_user_without_the_right_is_told_what_to_be_granted() {
    let database = PostgresDatabase::create();
    database.run("CREATE TABLE t (id bigint PRIMARY KEY); INSERT INTO t VALUES (1)");
    let role = servers::shared::unique_name("reader");
    database.run(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'r'; REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    ));
    let account = format!("{}:{}", servers::USER, servers::PASSWORD);
    let store = open_with(&database, &account, &format!("{role}:r")).await.unwrap();
    let schema = Arc::new(store.describe("t").await.unwrap().schema);
    for error in [
        store.scan(&schema, None, None, NO_LIMIT).await.unwrap_err(),
        store.set_up(&["t"], &[]).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert!(error.next_step().unwrap().contains("grant"), "{error:?}");
    }
    drop(store);
    database.run(&format!("DROP ROLE {role}"));
}

#[tokio::test]
async fn text_that_no_index_sorts_by_its_bytes_is_no_key_until_one_does() {
    let database = PostgresDatabase::create();
    database.run("CREATE TABLE t (k text, n int, PRIMARY KEY (k, n)); INSERT INTO t VALUES ('b', 1), ('A', 1), ('a', 1)");
    let store = open(&database.url()).await;
    let schema = Arc::new(store.describe("t").await.unwrap().schema);
    let error = store.scan(&schema, None, None, NO_LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let hint = error.next_step().unwrap();
    assert!(hint.contains("ON \"public\".\"t\" (\"k\" COLLATE \"C\", \"n\")"), "{hint}");

    // What the hint says is what helps.
    database.run(hint.split(" and drop").next().unwrap());
    let store = open(&database.url()).await;
    let found = store.scan(&schema, None, None, NO_LIMIT).await.unwrap();
    let texts: Vec<Value<'_>> = found.rows().map(|row| row.value(0)).collect();
    assert_eq!(texts, ["A", "a", "b"].map(Value::Text));
}

#[tokio::test]
async fn columns_and_constraints_that_changed_under_way_are_named() {
    let database = PostgresDatabase::create();
    database.run("CREATE TABLE t (id bigint PRIMARY KEY, v text)");
    let store = open(&database.url()).await;
    let schema = Arc::new(store.describe("t").await.unwrap().schema);
    let position = Position::new(&[0]).unwrap();
    store.set_up(&["t"], &[StartPosition { partition: "0".to_owned(), position }]).await.unwrap();
    write(&store, &schema, "x").await.unwrap();
    for (change, name) in [
        ("ALTER TABLE t ADD CONSTRAINT short CHECK (length(v) < 3)", "constraint short"),
        ("ALTER TABLE t DROP CONSTRAINT short; ALTER TABLE t DROP COLUMN v", "table t"),
        ("DROP TABLE t", "table t"),
    ] {
        database.run(change);
        let error = write(&store, &schema, "long").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{change}: {error:?}");
        assert!(error.to_string().contains(name), "{change}: {error}");
        assert!(error.next_step().is_some());
    }
}

async fn write(store: &PostgresStore, schema: &Arc<Schema>, text: &str) -> Result<(), Error> {
    let mut batch = Batch::new(Arc::clone(schema));
    batch.push(Value::Int(1)).unwrap();
    batch.push(Value::Text(text)).unwrap();
    let mut transaction = store.begin(Access::Write).await?;
    transaction.upsert(schema, &[batch.row(0)]).await?;
    transaction.commit().await
}

#[tokio::test]
async fn a_deadlock_is_busy_and_the_other_goes_on() {
    let database = PostgresDatabase::create();
    database.run(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    );
    let store = open(&database.url()).await;
    let schema = Arc::new(store.describe("t").await.unwrap().schema);
    store.set_up(&["t"], &[]).await.unwrap();
    let record = |id: i128| {
        let mut batch = Batch::new(Arc::clone(&schema));
        batch.push(Value::Int(id)).unwrap();
        batch.push(Value::Text("ours")).unwrap();
        batch
    };
    let (mut other, _) = session(&database.text()).await;
    let (mut watcher, _) = session(&database.text()).await;
    other
        .execute("SET deadlock_timeout = '1h'; BEGIN; UPDATE t SET v = 'theirs' WHERE id = 2")
        .await
        .unwrap();
    let mut ours = store.begin(Access::Write).await.unwrap();
    ours.upsert(&schema, &[record(1).row(0)]).await.unwrap();
    let theirs = tokio::spawn(async move {
        other.execute("UPDATE t SET v = 'theirs' WHERE id = 1; COMMIT").await.unwrap();
    });
    until_somebody_waits(&mut watcher, "transactionid").await;
    let error = ours.upsert(&schema, &[record(2).row(0)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    assert!(ours.commit().await.is_err(), "what failed is not committed");
    theirs.await.unwrap();
    assert_eq!(database.run("SELECT DISTINCT v FROM t"), "theirs\n");
}

#[tokio::test]
async fn a_session_that_is_ended_costs_a_retry_and_a_commit_without_answer_is_said_to_be_unknown() {
    let database = PostgresDatabase::create();
    database.run("CREATE TABLE t (id bigint PRIMARY KEY, v text)");
    let store = open(&database.url()).await;
    let schema = Arc::new(store.describe("t").await.unwrap().schema);
    store.set_up(&["t"], &[]).await.unwrap();
    let end_all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name = 'midflight'";
    let transaction = store.begin(Access::Write).await.unwrap();
    database.run(end_all);
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownOutcome, "{error:?}");

    // Every idle connection is dead too: each costs one attempt at most, and then there are new
    // ones.
    store.begin(Access::Write).await.unwrap().commit().await.unwrap();
    database.run(end_all);
    let mut attempts = 0;
    while let Err(error) = store.estimate_rows(&schema).await {
        assert!(error.kind().is_retryable(), "{error:?}");
        attempts += 1;
        assert!(attempts < 8);
    }
}

#[tokio::test]
async fn whoever_holds_a_range_for_too_long_is_named() {
    let database = PostgresDatabase::create();
    database.run("CREATE TABLE t (id bigint PRIMARY KEY)");
    let store = open(&database.url()).await;
    store.set_up(&["t"], &[]).await.unwrap();
    let mut holder = store.begin(Access::Write).await.unwrap();
    holder.lock_range("t", None, LockMode::Exclusive).await.unwrap();
    let mut waiter = store.begin(Access::Write).await.unwrap();
    let error = waiter.lock_range("t", None, LockMode::Exclusive).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    let text = error.to_string();
    assert!(text.contains("(midflight), idle in transaction, "), "{text}");
    holder.commit().await.unwrap();
}

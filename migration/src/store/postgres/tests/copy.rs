//! Records that go in by `COPY`, and a `COPY` whose client was stopped.

use super::open;
use crate::batch::{Batch, Schema};
use crate::store::postgres::transaction::PostgresTransaction;
use crate::store::postgres::{COPIES_PASSED, PostgresStore, holder, run};
use crate::store::{Access, Store as _, Target as _, Transaction as _};
use crate::value::Value;
use servers::shared::postgres_database;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A key that only the server gives, a column that it computes, and one that it fills.
const TABLE: &str = "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text, \
     length int GENERATED ALWAYS AS (length(note)) STORED, seen int DEFAULT 7)";

async fn begin(store: &PostgresStore) -> PostgresTransaction<'_> {
    let session = store.begin_write().await.unwrap();
    PostgresTransaction { store, session, access: Access::Write }
}

fn records(schema: &Arc<Schema>, ids: impl IntoIterator<Item = i128>) -> Batch {
    let mut batch = Batch::new(Arc::clone(schema));
    for id in ids {
        batch.push(Value::Int(id)).unwrap();
        batch.push(Value::Text("copied")).unwrap();
    }
    batch
}

async fn schema(store: &PostgresStore) -> Arc<Schema> {
    let mut schema = store.describe("t").await.unwrap().schema;
    schema.columns.retain(|column| ["id", "note"].contains(&column.name.as_str()));
    Arc::new(schema)
}

#[tokio::test]
async fn a_copy_that_meets_a_record_leaves_it_and_the_others_go_in_after_it() {
    let database = postgres_database("migration").unwrap();
    database.run(TABLE).unwrap();
    let store = open(&database).await;
    let schema = schema(&store).await;
    let first = records(&schema, 1..=3);
    let rows: Vec<_> = first.rows().collect();
    let mut transaction = begin(&store).await;
    assert_eq!(transaction.copy_in(&schema, &rows).await.unwrap(), Some(3));
    Box::new(transaction).commit().await.unwrap();
    database.run("UPDATE t SET note = 'live' WHERE id = 2").unwrap();

    let second = records(&schema, 2..=5);
    let rows: Vec<_> = second.rows().collect();
    let mut transaction = begin(&store).await;
    assert_eq!(transaction.copy_in(&schema, &rows).await.unwrap(), None);
    // Most likely the next ones meet one too.
    for _ in 0..COPIES_PASSED {
        assert_eq!(transaction.copy_in(&schema, &rows[2..]).await.unwrap(), None);
    }
    assert_eq!(transaction.insert_absent(&schema, &rows).await.unwrap(), 2);
    Box::new(transaction).commit().await.unwrap();
    let found = database.run("SELECT id, note, length, seen FROM t ORDER BY id").unwrap();
    assert_eq!(found, "1|copied|6|7\n2|live|4|7\n3|copied|6|7\n4|copied|6|7\n5|copied|6|7\n");
}

#[tokio::test]
async fn a_table_on_which_an_insert_is_more_than_a_copy_gets_an_insert() {
    for (more, takes) in [
        ("SELECT 1", true),
        ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", false),
        ("CREATE RULE r AS ON UPDATE TO t DO ALSO NOTHING", false),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey", false),
        ("ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id) DEFERRABLE", false),
    ] {
        let database = postgres_database("migration").unwrap();
        database.run(TABLE).unwrap();
        let store = open(&database).await;
        let mut schema = Schema::clone(&*schema(&store).await);
        schema.key = vec![0];
        database.run(more).unwrap();
        let fresh = open(&database).await;
        let mut session = fresh.pool.session().await.unwrap();
        let shape = fresh.shape(&mut session, "t").await.unwrap();
        let form = shape.form(&schema).unwrap();
        assert_eq!(shape.takes_copy(&schema, &form), takes, "{more}");
    }
}

async fn end(store: &PostgresStore, locks: &[i64], waited: Duration) -> usize {
    holder::end_stopped_copies(&store.pool, locks, waited).await.unwrap()
}

#[tokio::test]
async fn whoever_waits_for_a_range_ends_the_copy_of_a_process_that_was_stopped() {
    let database = postgres_database("migration").unwrap();
    database.run(TABLE).unwrap();
    let store = open(&database).await;
    store.set_up(&["t"], &[]).await.unwrap();
    let (lock, other) = (i64::MIN + 7, 7);
    let mut stopped = store.begin_write().await.unwrap();
    run(&mut stopped, "lock", format!("SELECT pg_advisory_xact_lock({lock})")).await.unwrap();
    assert_eq!(end(&store, &[lock], Duration::ZERO).await, 0, "the server's limit ends that one");
    let copy = stopped.connection().unwrap().copy_in_raw("COPY t (note) FROM STDIN").await.unwrap();
    assert_eq!(end(&store, &[lock], holder::COPY_WAIT_MAX).await, 0);
    assert_eq!(end(&store, &[other], Duration::ZERO).await, 0);
    let since = Instant::now();
    while end(&store, &[other, lock], Duration::ZERO).await == 0 {
        assert!(since.elapsed() < PATIENCE, "the COPY does not wait for its client");
        tokio::task::yield_now().await;
    }
    let mut waiter = store.begin_write().await.unwrap();
    run(&mut waiter, "lock", format!("SELECT pg_advisory_xact_lock({lock})")).await.unwrap();
    assert!(copy.finish().await.is_err(), "whoever was stopped writes nothing when it wakes");
}

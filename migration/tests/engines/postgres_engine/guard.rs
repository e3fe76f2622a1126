//! A copy beside a live delete, one interleaving forced.
//!
//! The copy has read the record from the source. The live path deletes it and writes its tombstone,
//! and has not committed when the copy writes.

use crate::databases::PostgresDatabase;
use crate::postgres_engine::{open, session, until_somebody_waits};
use migration::batch::{Batch, Schema};
use migration::error::{ErrorKind, Result};
use migration::key::Key;
use migration::position::{Generation, Owner, Position, Version};
use migration::protocol::{Guard, Kind, Progress};
use migration::store::{
    Access, GuardRow, GuardTable, GuardWrite, LockMode, PostgresStore, StartPosition, Store as _,
    Target as _, Transactional as _,
};
use migration::value::Value;
use sqlx::Executor as _;
use std::sync::Arc;

fn database() -> PostgresDatabase {
    let database = PostgresDatabase::create();
    database.run(
        "CREATE TABLE edges (id bigint PRIMARY KEY, note text); \
         CREATE TABLE guard (id bigint PRIMARY KEY)",
    );
    database
}

/// What the obvious statement does, so that nobody replaces the locks by it.
#[tokio::test]
async fn a_test_of_the_guard_inside_the_insert_resurrects_a_deleted_record() {
    let database = database();
    database.run("INSERT INTO edges VALUES (1, 'live')");
    let (mut live, _) = session(&database.text()).await;
    let (mut copy, _) = session(&database.text()).await;
    let (mut watcher, _) = session(&database.text()).await;
    live.execute("BEGIN; DELETE FROM edges WHERE id = 1; INSERT INTO guard VALUES (1)")
        .await
        .unwrap();
    let copied = tokio::spawn(async move {
        let insert = "INSERT INTO edges SELECT 1, 'copied' \
                      WHERE NOT EXISTS (SELECT FROM guard WHERE id = 1) \
                      ON CONFLICT DO NOTHING";
        copy.execute(insert).await.unwrap().rows_affected()
    });
    until_somebody_waits(&mut watcher, "transactionid").await;
    live.execute("COMMIT").await.unwrap();
    assert_eq!(copied.await.unwrap(), 1, "the record stands beside its tombstone");
    assert_eq!(database.run("SELECT note FROM edges JOIN guard USING (id)"), "copied\n");
}

#[tokio::test]
async fn the_range_lock_before_the_guard_does_not() {
    let database = database();
    database.run("INSERT INTO edges VALUES (1, 'live')");
    let bed = Bed::open(&database).await;
    let mut live = bed.store.begin(Access::Write).await.unwrap();
    live.partition("0").await.unwrap().unwrap();
    let ranges = live.lock_ranges("edges", &bed.key, &bed.key, LockMode::Shared).await.unwrap();
    assert_eq!(ranges.len(), 1);
    live.delete(&bed.schema, &[bed.record.row(0)]).await.unwrap();
    let version = Version::new(&[7]).unwrap();
    let tombstone = GuardRow { guard: Guard { version, kind: Kind::Deleted }, lease: None };
    let write = GuardWrite { key: &bed.key, was: None, row: tombstone };
    live.put_guards(bed.table(), &[write]).await.unwrap();

    let (mut watcher, _) = session(&database.text()).await;
    let (copied, ()) = tokio::join!(bed.copy(), async {
        until_somebody_waits(&mut watcher, "advisory").await;
        live.commit().await.unwrap();
    });
    assert_eq!(copied, vec![Some(Kind::Deleted)]);
    assert_eq!(database.run("SELECT count(*) FROM edges"), "0\n");
}

#[tokio::test]
async fn two_live_batches_of_one_range_do_not_wait_for_each_other() {
    let database = database();
    let bed = Bed::open(&database).await;
    let mut one = bed.store.begin(Access::Write).await.unwrap();
    one.lock_ranges("edges", &bed.key, &bed.key, LockMode::Shared).await.unwrap();
    let mut other = bed.store.begin(Access::Write).await.unwrap();
    other.lock_ranges("edges", &bed.key, &bed.key, LockMode::Shared).await.unwrap();
    other.commit().await.unwrap();
    one.commit().await.unwrap();
}

#[tokio::test]
async fn a_range_that_is_split_while_it_is_waited_for_is_locked_as_it_has_become() {
    let database = database();
    let bed = Bed::open(&database).await;
    let (first, last) = (bed.key.clone(), Key::new([Value::Int(900)]).unwrap());
    let middle = Key::new([Value::Int(500)]).unwrap();
    let mut splitter = bed.store.begin(Access::Write).await.unwrap();
    let range = splitter.lock_range("edges", None, LockMode::Exclusive).await.unwrap().unwrap();
    let (lower, upper) = migration::protocol::split(&range, &middle).unwrap();
    splitter.put_range("edges", &lower).await.unwrap();
    splitter.put_range("edges", &upper).await.unwrap();

    let (mut watcher, _) = session(&database.text()).await;
    let mut live = bed.store.begin(Access::Write).await.unwrap();
    let (ranges, ()) =
        tokio::join!(live.lock_ranges("edges", &first, &last, LockMode::Shared), async {
            until_somebody_waits(&mut watcher, "advisory").await;
            splitter.commit().await.unwrap();
        });
    assert_eq!(ranges.unwrap(), [lower, upper.clone()]);
    // The part that did not exist when the wait began is locked too.
    let held: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .fetch_one(&mut watcher)
    .await
    .unwrap();
    assert_eq!(held, 2);
}

/// What a repair saw is not what is there any more: the live change came between.
#[tokio::test]
async fn a_repair_beside_a_live_delete_does_not_bring_the_record_back() {
    let database = database();
    database.run("INSERT INTO edges VALUES (1, 'live')");
    let bed = Bed::open(&database).await;
    let lease = GuardRow { guard: bed.guard(1, Kind::Present), lease: Some(7) };
    bed.put(None, lease).await.unwrap();

    let mut repair = bed.store.begin(Access::Write).await.unwrap();
    repair.lock_ranges("edges", &bed.key, &bed.key, LockMode::Shared).await.unwrap();
    let was = repair.guards(bed.table(), &[&bed.key]).await.unwrap()[0];
    assert_eq!(was, Some(lease));
    let deleted = GuardRow { guard: bed.guard(2, Kind::Deleted), lease: None };
    bed.put(was, deleted).await.unwrap();
    repair.upsert(&bed.schema, &[bed.record.row(0)]).await.unwrap();
    let repaired = GuardRow { guard: bed.guard(1, Kind::Present), lease: None };
    let write = GuardWrite { key: &bed.key, was, row: repaired };
    let error = repair.put_guards(bed.table(), &[write]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "it is made again, and its lease is gone then");
    drop(repair);
    assert_eq!(bed.found().await, Some(deleted));
}

#[tokio::test]
async fn of_two_that_find_no_guard_the_later_one_overwrites_nothing() {
    let database = database();
    let bed = Bed::open(&database).await;
    let mut repair = bed.store.begin(Access::Write).await.unwrap();
    assert_eq!(repair.guards(bed.table(), &[&bed.key]).await.unwrap(), [None]);
    let deleted = GuardRow { guard: bed.guard(2, Kind::Deleted), lease: None };
    bed.put(None, deleted).await.unwrap();
    let lease = GuardRow { guard: bed.guard(0, Kind::None), lease: Some(7) };
    let write = GuardWrite { key: &bed.key, was: None, row: lease };
    let error = repair.put_guards(bed.table(), &[write]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    drop(repair);
    assert_eq!(bed.found().await, Some(deleted));
}

#[tokio::test]
async fn a_guard_that_is_being_written_is_waited_for_and_not_overwritten() {
    let database = database();
    let bed = Bed::open(&database).await;
    let present = GuardRow { guard: bed.guard(1, Kind::Present), lease: None };
    bed.put(None, present).await.unwrap();
    let mut first = bed.store.begin(Access::Write).await.unwrap();
    let deleted = GuardRow { guard: bed.guard(3, Kind::Deleted), lease: None };
    let write = GuardWrite { key: &bed.key, was: Some(present), row: deleted };
    first.put_guards(bed.table(), &[write]).await.unwrap();

    let (mut watcher, _) = session(&database.text()).await;
    let older = GuardRow { guard: bed.guard(2, Kind::Present), lease: None };
    let (second, ()) = tokio::join!(bed.put(Some(present), older), async {
        until_somebody_waits(&mut watcher, "transactionid").await;
        first.commit().await.unwrap();
    });
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(bed.found().await, Some(deleted));
}

/// A migration of one table onto itself, set up and claimed.
struct Bed {
    store: PostgresStore,
    schema: Arc<Schema>,
    key: Key,
    record: Batch,
}

impl Bed {
    async fn open(database: &PostgresDatabase) -> Self {
        let store = open(&database.url()).await;
        let schema = Arc::new(store.describe("edges").await.unwrap().schema);
        let position = Position::new(&[0]).unwrap();
        let start = StartPosition { partition: "0".to_owned(), position };
        store.set_up(&["edges"], &[start]).await.unwrap();
        let epoch = Generation { number: 1, owner: Owner(1) };
        store.claim_range("edges", None, &epoch).await.unwrap();
        let mut record = Batch::new(Arc::clone(&schema));
        record.push(Value::Int(1)).unwrap();
        record.push(Value::Text("copied")).unwrap();
        let key = Key::new([Value::Int(1)]).unwrap();
        Self { store, schema, key, record }
    }

    fn table(&self) -> GuardTable<'_> {
        GuardTable { source_table: "edges", target_table: "edges" }
    }

    fn guard(&self, at: u8, kind: Kind) -> Guard<Version> {
        Guard { version: Version::new(&[at]).unwrap(), kind }
    }

    /// Writes the record's guard in a transaction of its own, if it is as it `was`.
    async fn put(&self, was: Option<GuardRow>, row: GuardRow) -> Result<()> {
        let mut transaction = self.store.begin(Access::Write).await?;
        let write = GuardWrite { key: &self.key, was, row };
        transaction.put_guards(self.table(), &[write]).await?;
        transaction.commit().await
    }

    async fn found(&self) -> Option<GuardRow> {
        let mut transaction = self.store.begin(Access::Read).await.unwrap();
        transaction.guards(self.table(), &[&self.key]).await.unwrap()[0]
    }

    /// As the copy does it: the range alone, then the guards, then what they allow. Returns the
    /// guards that it saw.
    async fn copy(&self) -> Vec<Option<Kind>> {
        let mut copy = self.store.begin(Access::Write).await.unwrap();
        let range = copy.lock_range("edges", None, LockMode::Exclusive).await.unwrap().unwrap();
        assert_eq!(range.progress, Progress::Start);
        let guards = copy.guards(self.table(), &[&self.key]).await.unwrap();
        if guards[0].is_none() {
            copy.insert_absent(&self.schema, &[self.record.row(0)]).await.unwrap();
        }
        copy.commit().await.unwrap();
        guards.into_iter().map(|row| row.map(|row| row.guard.kind)).collect()
    }
}

//! Two sessions, one after the other at the very points that matter: the obvious forms of the guard
//! bring deleted records back, and ours does not.

use crate::databases::MysqlDatabase;
use migration::batch::{Batch, Schema};
use migration::error::{ErrorKind, Result};
use migration::key::Key;
use migration::position::Version;
use migration::protocol::{Guard, Kind, split};
use migration::store::{
    Access, GuardRow, GuardTable, GuardWrite, LockMode, MysqlStore, OpenMode, Store as _,
    Target as _, Transaction, Transactional as _,
};
use migration::value::Value;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

const GUARDS: GuardTable<'static> = GuardTable { source_table: "s", target_table: "t" };

fn key(id: i128) -> Key {
    Key::new([Value::Int(id)]).unwrap()
}

fn version(at: u64) -> Version {
    Version::new(&at.to_be_bytes()).unwrap()
}

fn guard(at: u64, kind: Kind) -> GuardRow {
    GuardRow { guard: Guard { version: version(at), kind }, lease: None }
}

/// A session as anybody would write it, past everything of ours.
struct Plain(MySqlConnection);

impl Plain {
    async fn at(database: &MysqlDatabase, isolation: &str) -> Self {
        let options = MySqlConnectOptions::from_str(&database.database.url()).unwrap();
        let mut session = Self(options.disable_statement_logging().connect().await.unwrap());
        session.run(&format!("SET SESSION TRANSACTION ISOLATION LEVEL {isolation}")).await;
        session
    }

    async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut self.0).await.unwrap();
    }

    async fn count(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::query_scalar(sql).fetch_one(&mut self.0).await.unwrap()
    }
}

/// What is left when a copy has read the guard of record 1, then a live change deletes the record,
/// and then the copy inserts it: how many records, how many tombstones.
async fn without_a_range_lock(isolation: &str) -> (i64, i64) {
    let database = MysqlDatabase::create();
    database.run("CREATE TABLE t (k INT PRIMARY KEY); CREATE TABLE g (k INT PRIMARY KEY)");
    let mut copy = Plain::at(&database, isolation).await;
    let mut live = Plain::at(&database, isolation).await;
    copy.run("START TRANSACTION").await;
    assert_eq!(copy.count("SELECT count(*) FROM g WHERE k = 1").await, 0);
    live.run("START TRANSACTION; DELETE FROM t WHERE k = 1; INSERT INTO g VALUES (1); COMMIT")
        .await;
    copy.run("INSERT INTO t VALUES (1); COMMIT").await;
    (live.count("SELECT count(*) FROM t").await, live.count("SELECT count(*) FROM g").await)
}

#[tokio::test]
async fn a_guard_that_is_read_without_the_range_lock_brings_the_record_back() {
    for isolation in ["READ COMMITTED", "REPEATABLE READ"] {
        let left = without_a_range_lock(isolation).await;
        assert_eq!(left, (1, 1), "{isolation}: a record beside its tombstone");
    }
}

/// The tombstones that a copy sees which has begun, waits for the lock of its range, and reads the
/// guard afterwards as plainly as everything.
async fn behind_the_range_lock(isolation: &str) -> i64 {
    let database = MysqlDatabase::create();
    database.run(
        "CREATE TABLE r (k INT PRIMARY KEY); INSERT INTO r VALUES (1); \
         CREATE TABLE g (k INT PRIMARY KEY)",
    );
    let mut copy = Plain::at(&database, isolation).await;
    let mut live = Plain::at(&database, isolation).await;
    copy.run("START TRANSACTION").await;
    assert_eq!(copy.count("SELECT count(*) FROM g").await, 0);
    live.run("START TRANSACTION").await;
    live.count("SELECT k + 0 FROM r LOCK IN SHARE MODE").await;
    live.run("INSERT INTO g VALUES (1); COMMIT").await;
    copy.count("SELECT k + 0 FROM r FOR UPDATE").await;
    copy.count("SELECT count(*) FROM g WHERE k = 1").await
}

#[tokio::test]
async fn at_repeatable_read_even_the_lock_shows_an_old_guard() {
    assert_eq!(behind_the_range_lock("REPEATABLE READ").await, 0, "the tombstone is not seen");
    assert_eq!(behind_the_range_lock("READ COMMITTED").await, 1);
}

/// A target of ours: `t (id, v)`, with the ranges of the source table `s`.
struct Bed {
    database: MysqlDatabase,
    store: Arc<MysqlStore>,
    schema: Arc<Schema>,
}

impl Bed {
    async fn new() -> Self {
        let database = MysqlDatabase::create();
        database.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)");
        let store = MysqlStore::open("t", &database.url(), "m", OpenMode::ReadWrite).await.unwrap();
        store.set_up(&["s"], &[]).await.unwrap();
        let schema = Arc::new(store.describe("t").await.unwrap().schema);
        Self { database, store: Arc::new(store), schema }
    }

    fn record(&self, id: i128) -> Batch {
        let mut batch = Batch::new(Arc::clone(&self.schema));
        batch.push(Value::Int(id)).unwrap();
        batch.push(Value::Int(1)).unwrap();
        batch
    }

    async fn begin(&self) -> Box<dyn Transaction + '_> {
        self.store.begin(Access::Write).await.unwrap()
    }

    /// What a live change does that deletes a record, up to its commit.
    async fn delete(&self, id: i128, at: u64) -> Result<Box<dyn Transaction + '_>> {
        let mut live = self.store.begin(Access::Write).await?;
        live.lock_ranges("s", &key(id), &key(id), LockMode::Shared).await?;
        let was = live.guards(GUARDS, &[&key(id)]).await?[0];
        let keys = Arc::new(Schema {
            columns: vec![self.schema.columns[0].clone()],
            ..(*self.schema).clone()
        });
        let mut batch = Batch::new(Arc::clone(&keys));
        batch.push(Value::Int(id))?;
        live.delete(&keys, &[batch.row(0)]).await?;
        let write = GuardWrite { key: &key(id), was, row: guard(at, Kind::Deleted) };
        live.put_guards(GUARDS, &[write]).await?;
        Ok(live)
    }

    /// Returns as soon as a session waits for a lock. (`innodb_trx` would not do: it is a copy that
    /// is not made anew as long as somebody keeps looking.)
    fn until_somebody_waits(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let sessions = "SELECT id FROM information_schema.processlist WHERE db = DATABASE()";
        loop {
            let ours = self.database.run(sessions);
            let status = self.database.run("SHOW ENGINE INNODB STATUS");
            let mut waiting =
                status.split("---TRANSACTION").filter(|part| part.contains("LOCK WAIT"));
            let is_ours = |part: &str| {
                ours.lines().any(|session| part.contains(&format!("thread id {session},")))
            };
            if waiting.any(is_ours) {
                return;
            }
            assert!(Instant::now() < deadline, "nobody waits");
        }
    }

    fn records(&self) -> String {
        self.database.run("SELECT id FROM t ORDER BY id")
    }
}

#[tokio::test]
async fn our_copy_sees_the_tombstone_that_was_committed_while_it_had_begun() {
    let bed = Bed::new().await;
    let mut copy = bed.begin().await;
    // Whatever it reads first would fix the snapshot at REPEATABLE READ.
    assert_eq!(copy.partition("0").await.unwrap(), None);
    bed.delete(1, 5).await.unwrap().commit().await.unwrap();
    copy.lock_range("s", None, LockMode::Exclusive).await.unwrap().unwrap();
    let found = copy.guards_between("s", &key(0), &key(9), 10).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].key, found[0].row), (&key(1), guard(5, Kind::Deleted)));
    let found = copy.guards(GUARDS, &[&key(1), &key(2)]).await.unwrap();
    assert_eq!(found, [Some(guard(5, Kind::Deleted)), None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_live_change_waits_for_the_copy_and_deletes_what_it_copied() {
    let bed = Arc::new(Bed::new().await);
    let mut copy = bed.begin().await;
    copy.lock_range("s", None, LockMode::Exclusive).await.unwrap().unwrap();
    assert_eq!(copy.guards_between("s", &key(0), &key(9), 10).await.unwrap(), []);
    let live = tokio::spawn({
        let bed = Arc::clone(&bed);
        async move { bed.delete(1, 5).await.unwrap().commit().await }
    });
    bed.until_somebody_waits();
    let record = bed.record(1);
    assert_eq!(copy.insert_absent(&bed.schema, &[record.row(0)]).await.unwrap(), 1);
    copy.commit().await.unwrap();
    live.await.unwrap().unwrap();
    assert_eq!(bed.records(), "");
}

#[tokio::test]
async fn a_live_change_does_not_wait_for_the_copy_of_another_range() {
    let bed = Bed::new().await;
    for bound in [10, 20, 30] {
        bed.store.split_range("s", &key(bound)).await.unwrap();
    }
    let mut copies = Vec::new();
    for after in [None, Some(key(20)), Some(key(30))] {
        let mut copy = bed.begin().await;
        copy.lock_range("s", after.as_ref(), LockMode::Exclusive).await.unwrap().unwrap();
        copies.push(copy);
    }
    // The ranges below and above are locked. A wait would end as Busy.
    let live = bed.delete(15, 5).await.unwrap();
    let mut other = bed.begin().await;
    let ranges = other.lock_ranges("s", &key(11), &key(20), LockMode::Shared).await.unwrap();
    assert_eq!((ranges.len(), ranges[0].after.clone()), (1, Some(key(10))));
    live.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_a_range_that_is_split_gets_the_part_that_holds_its_keys() {
    let bed = Arc::new(Bed::new().await);
    let mut splitting = bed.begin().await;
    let whole = splitting.lock_range("s", None, LockMode::Exclusive).await.unwrap().unwrap();
    let live = tokio::spawn({
        let bed = Arc::clone(&bed);
        async move {
            let mut live = bed.begin().await;
            let upper = live.lock_ranges("s", &key(60), &key(70), LockMode::Shared).await.unwrap();
            let both = live.lock_ranges("s", &key(40), &key(70), LockMode::Shared).await.unwrap();
            (upper, both)
        }
    });
    bed.until_somebody_waits();
    let (lower, upper) = split(&whole, &key(50)).unwrap();
    splitting.put_range("s", &lower).await.unwrap();
    splitting.put_range("s", &upper).await.unwrap();
    splitting.commit().await.unwrap();
    let (found, both) = live.await.unwrap();
    assert!(found.last().unwrap().contains(&key(60)) && found.last().unwrap().contains(&key(70)));
    assert!(both.len() == 2 && both[0].contains(&key(40)) && both[1].contains(&key(70)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_find_no_guard_the_later_one_overwrites_nothing() {
    let bed = Arc::new(Bed::new().await);
    // A repair that places its lease, and a live change, beside each other in one range.
    let mut repair = bed.begin().await;
    repair.lock_ranges("s", &key(1), &key(1), LockMode::Shared).await.unwrap();
    assert_eq!(repair.guards(GUARDS, &[&key(1)]).await.unwrap(), [None]);
    bed.delete(1, 5).await.unwrap().commit().await.unwrap();
    let none = Guard { version: Version::LOWEST, kind: Kind::None };
    let lease = GuardRow { guard: none, lease: Some(7) };
    let write = GuardWrite { key: &key(1), was: None, row: lease };
    let error = repair.put_guards(GUARDS, &[write]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "it is made again, and finds the guard then");
    drop(repair);
    let mut later = bed.begin().await;
    let found = later.guards(GUARDS, &[&key(1)]).await.unwrap();
    assert_eq!(found, [Some(guard(5, Kind::Deleted))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_find_a_guard_the_later_one_waits_and_sees_what_became_of_it() {
    let bed = Arc::new(Bed::new().await);
    bed.delete(1, 5).await.unwrap().commit().await.unwrap();
    let first = bed.delete(1, 6).await.unwrap();
    let second = tokio::spawn({
        let bed = Arc::clone(&bed);
        async move {
            let mut second = bed.begin().await;
            second.lock_ranges("s", &key(1), &key(1), LockMode::Shared).await.unwrap();
            second.guards(GUARDS, &[&key(1)]).await.unwrap()
        }
    });
    bed.until_somebody_waits();
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), [Some(guard(6, Kind::Deleted))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_not_given_back_is_busy_and_says_who_may_hold_it() {
    let bed = Bed::new().await;
    let mut holder = bed.begin().await;
    holder.lock_range("s", None, LockMode::Exclusive).await.unwrap().unwrap();
    let mut waiting = bed.begin().await;
    let error = waiting.lock_range("s", None, LockMode::Exclusive).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("locked by session"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_deadlock_one_is_told_to_try_again_and_the_other_goes_on() {
    let bed = Arc::new(Bed::new().await);
    bed.store.split_range("s", &key(10)).await.unwrap();
    let (low, high) = (None, Some(key(10)));
    let mut one = bed.begin().await;
    one.lock_range("s", low.as_ref(), LockMode::Exclusive).await.unwrap();
    let other = tokio::spawn({
        let (bed, high) = (Arc::clone(&bed), high.clone());
        async move {
            let mut other = bed.begin().await;
            other.lock_range("s", high.as_ref(), LockMode::Exclusive).await.unwrap();
            let locked = other.lock_range("s", None, LockMode::Exclusive).await.map(drop);
            match locked {
                Ok(()) => other.commit().await,
                Err(error) => Err(error),
            }
        }
    });
    bed.until_somebody_waits();
    let locked = one.lock_range("s", high.as_ref(), LockMode::Exclusive).await.map(drop);
    drop(one);
    let other = other.await.unwrap();
    let kinds = [locked.map_err(|e| e.kind()), other.map_err(|e| e.kind())];
    assert!(kinds.contains(&Err(ErrorKind::Busy)) && kinds.contains(&Ok(())), "{kinds:?}");
}

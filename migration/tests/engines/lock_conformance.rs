//! What every key lock promises, on every key lock.

use migration::error::ErrorKind;
use migration::key::Key;
use migration::lock::{KeyLock, MemoryLock, RedisLock, SqliteLock, Token};
use migration::plan::ServerUrl;
use migration::value::Value;
use servers::shared::{Database, redis_database};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use std::path::Path;
use std::time::{Duration, Instant};

const LEASE: Duration = Duration::from_secs(60);
/// Runs out as soon as it is given, or nearly so.
const NO_TIME: Duration = Duration::ZERO;

/// Longest wait for what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

fn entity(number: i128) -> Key {
    Key::new([Value::Int(number)]).unwrap()
}

fn entities(numbers: impl IntoIterator<Item = i128>) -> Vec<Key> {
    numbers.into_iter().map(entity).collect()
}

struct Rig {
    _folder: tempfile::TempDir,
    _database: Option<Database>,
    lock: Box<dyn KeyLock>,
}

async fn rigs() -> Vec<Rig> {
    let folder = || tempfile::tempdir().unwrap();
    let (memory, sqlite, redis) = (folder(), folder(), folder());
    let file = SqliteLock::open(&sqlite.path().join("lock.db"), "m1").await.unwrap();
    let database = redis_database().unwrap();
    let server = RedisLock::open(&written(&redis, &database.url()), "m1").await.unwrap();
    vec![
        Rig { _folder: memory, _database: None, lock: Box::new(MemoryLock::new()) },
        Rig { _folder: sqlite, _database: None, lock: Box::new(file) },
        Rig { _folder: redis, _database: Some(database), lock: Box::new(server) },
    ]
}

/// A URL as a plan names it.
fn written(folder: &tempfile::TempDir, url: &str) -> ServerUrl {
    std::fs::write(folder.path().join("url"), url).unwrap();
    ServerUrl::parse("file:url", folder.path()).unwrap()
}

#[tokio::test]
async fn what_is_free_is_granted_and_held_until_it_is_released() {
    for rig in rigs().await {
        let (lock, token) = (&rig.lock, Token::new());
        assert!(!lock.still_held("t", token).await.unwrap());
        let asked = entities([1, 2, 3]);
        assert_eq!(lock.acquire("t", &asked, token, LEASE).await.unwrap(), [true; 3]);
        assert!(lock.still_held("t", token).await.unwrap());
        assert_eq!(lock.holders("t", &entities([2])).await.unwrap(), [token]);
        assert_eq!(lock.count().await.unwrap(), 1);
        lock.release("t", token).await.unwrap();
        assert!(!lock.still_held("t", token).await.unwrap());
        assert_eq!(lock.holders("t", &asked).await.unwrap(), []);
        assert_eq!(lock.count().await.unwrap(), 0);
        lock.release("t", token).await.unwrap();
    }
}

#[tokio::test]
async fn what_somebody_else_holds_is_not_granted() {
    for rig in rigs().await {
        let (one, two) = (Token::new(), Token::new());
        rig.lock.acquire("t", &entities([10, 11, 12]), one, LEASE).await.unwrap();
        let granted = rig.lock.acquire("t", &entities([5, 12, 13]), two, LEASE).await.unwrap();
        assert_eq!(granted[..2], [true, false]);
        assert_eq!(rig.lock.holders("t", &entities([12])).await.unwrap(), [one]);
        assert_eq!(rig.lock.holders("t", &entities([5])).await.unwrap(), [two]);
        // Two tokens never hold one entity.
        for number in 0..20 {
            let holders = rig.lock.holders("t", &entities([number])).await.unwrap();
            assert!(holders.len() <= 1, "{number}: {holders:?}");
        }
    }
}

#[tokio::test]
async fn nothing_granted_is_nothing_held() {
    for rig in rigs().await {
        let (one, two) = (Token::new(), Token::new());
        rig.lock.acquire("t", &entities([1, 2]), one, LEASE).await.unwrap();
        let granted = rig.lock.acquire("t", &entities([1, 2]), two, LEASE).await.unwrap();
        assert_eq!(granted, [false, false]);
        assert!(!rig.lock.still_held("t", two).await.unwrap());
        assert!(rig.lock.acquire("t", &[], Token::new(), LEASE).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_two_ends_of_an_interval_stand_for_all_of_it_where_the_lock_says_so() {
    for rig in rigs().await {
        let token = Token::new();
        rig.lock.acquire("t", &entities([10, 20]), token, LEASE).await.unwrap();
        let holders = rig.lock.holders("t", &entities([15])).await.unwrap();
        assert_eq!(holders.contains(&token), rig.lock.locks_intervals());
        let granted = rig.lock.acquire("t", &entities([5, 30]), Token::new(), LEASE).await.unwrap();
        assert_eq!(granted == [true, true], !rig.lock.locks_intervals());
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_locks_nothing() {
    for rig in rigs().await {
        let (one, two) = (Token::new(), Token::new());
        rig.lock.acquire("t", &entities([1, 2]), one, NO_TIME).await.unwrap();
        let since = Instant::now();
        while !rig.lock.holders("t", &entities([1, 2])).await.unwrap().is_empty() {
            assert!(since.elapsed() < PATIENCE);
        }
        assert!(!rig.lock.still_held("t", one).await.unwrap());
        // What it leaves behind, if anything, is one holding.
        assert!(rig.lock.count().await.unwrap() <= 1);
        let granted = rig.lock.acquire("t", &entities([1, 2]), two, LEASE).await.unwrap();
        assert_eq!(granted, [true, true]);
        assert!(rig.lock.still_held("t", two).await.unwrap());
        assert!(!rig.lock.still_held("t", one).await.unwrap());
        // The late release of the first takes nothing from the second.
        rig.lock.release("t", one).await.unwrap();
        assert!(rig.lock.still_held("t", two).await.unwrap());
    }
}

#[tokio::test]
async fn a_revoked_holding_is_gone_for_its_holder_and_others_stay() {
    for rig in rigs().await {
        let (one, two) = (Token::new(), Token::new());
        rig.lock.acquire("t", &entities([1, 2]), one, LEASE).await.unwrap();
        rig.lock.acquire("t", &entities([3]), two, LEASE).await.unwrap();
        rig.lock.revoke("t", &[one, Token::new()]).await.unwrap();
        assert!(!rig.lock.still_held("t", one).await.unwrap());
        assert!(rig.lock.still_held("t", two).await.unwrap());
        assert_eq!(rig.lock.holders("t", &entities([1, 2, 3])).await.unwrap(), [two]);
    }
}

#[tokio::test]
async fn each_holder_is_named_once_whatever_the_order_of_the_entities() {
    for rig in rigs().await {
        let (one, two) = (Token::new(), Token::new());
        rig.lock.acquire("t", &entities(0..100), one, LEASE).await.unwrap();
        rig.lock.acquire("t", &entities(100..200), two, LEASE).await.unwrap();
        let mut holders = rig.lock.holders("t", &entities((0..300).rev())).await.unwrap();
        holders.sort();
        let mut expected = [one, two];
        expected.sort();
        assert_eq!(holders, expected);
    }
}

#[tokio::test]
async fn tables_are_locked_apart_and_clear_takes_all() {
    for rig in rigs().await {
        let (one, two) = (Token::new(), Token::new());
        rig.lock.acquire("t", &entities([1]), one, LEASE).await.unwrap();
        let granted = rig.lock.acquire("u", &entities([1]), two, LEASE).await.unwrap();
        assert_eq!(granted, [true]);
        rig.lock.revoke("u", &[one]).await.unwrap();
        assert!(rig.lock.still_held("t", one).await.unwrap());
        assert_eq!(rig.lock.count().await.unwrap(), 2);
        rig.lock.clear().await.unwrap();
        assert_eq!(rig.lock.count().await.unwrap(), 0);
        assert!(!rig.lock.still_held("t", one).await.unwrap());
    }
}

#[tokio::test]
async fn migrations_that_share_a_lock_file_do_not_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock.db");
    let one = SqliteLock::open(&path, "m1").await.unwrap();
    let two = SqliteLock::open(&path, "m2").await.unwrap();
    let token = Token::new();
    one.acquire("t", &entities([1]), token, LEASE).await.unwrap();
    assert_eq!(two.holders("t", &entities([1])).await.unwrap(), []);
    two.clear().await.unwrap();
    assert!(one.still_held("t", token).await.unwrap());
}

#[tokio::test]
async fn processes_that_share_a_lock_file_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock.db");
    let worker = SqliteLock::open(&path, "m1").await.unwrap();
    let live = SqliteLock::open(&path, "m1").await.unwrap();
    let token = Token::new();
    worker.acquire("t", &entities([1, 9]), token, LEASE).await.unwrap();
    assert_eq!(live.holders("t", &entities([5])).await.unwrap(), [token]);
    live.revoke("t", &[token]).await.unwrap();
    assert!(!worker.still_held("t", token).await.unwrap());
}

/// Both processes work again, and see each other, after `harm` was done to the file.
async fn survives(harm: impl AsyncFn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock.db");
    let worker = SqliteLock::open(&path, "m1").await.unwrap();
    let live = SqliteLock::open(&path, "m1").await.unwrap();
    let lost = Token::new();
    worker.acquire("t", &entities([1]), lost, LEASE).await.unwrap();
    live.holders("t", &entities([1])).await.unwrap();
    harm(&path).await;
    let token = Token::new();
    let granted = worker.acquire("t", &entities([5]), token, LEASE).await.unwrap();
    assert_eq!(granted, [true]);
    assert_eq!(live.holders("t", &entities([5])).await.unwrap(), [token]);
    assert!(!worker.still_held("t", lost).await.unwrap(), "the first holding was in the file");
    live.revoke("t", &[token]).await.unwrap();
    assert!(!worker.still_held("t", token).await.unwrap());
    // A third, that starts now.
    let third = SqliteLock::open(&path, "m1").await.unwrap();
    assert_eq!(third.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_deleted_file_is_made_anew() {
    survives(async |path| std::fs::remove_file(path).unwrap()).await;
}

#[tokio::test]
async fn a_file_deleted_with_all_that_belongs_to_it_is_made_anew() {
    survives(async |path| {
        for suffix in ["", "-wal", "-shm"] {
            std::fs::remove_file(format!("{}{suffix}", path.display())).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_dropped_table_is_made_anew() {
    survives(async |path| {
        let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        sqlx::query("DROP TABLE key_lock").execute(&mut connection).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_file_replaced_by_garbage_is_set_aside() {
    survives(async |path| {
        let garbage = path.with_extension("garbage");
        std::fs::write(&garbage, vec![0xa5; 20_000]).unwrap();
        std::fs::rename(garbage, path).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_file_whose_pages_are_damaged_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock.db");
    {
        let lock = SqliteLock::open(&path, "m1").await.unwrap();
        lock.acquire("t", &entities([1]), Token::new(), LEASE).await.unwrap();
    }
    let mut bytes = std::fs::read(&path).unwrap();
    // The header stays, everything behind it is garbage.
    bytes[100..].fill(0xa5);
    std::fs::remove_file(&path).unwrap();
    drop(std::fs::remove_file(format!("{}-wal", path.display())));
    std::fs::write(&path, bytes).unwrap();
    let lock = SqliteLock::open(&path, "m1").await.unwrap();
    let token = Token::new();
    lock.acquire("t", &entities([1]), token, LEASE).await.unwrap();
    assert!(lock.still_held("t", token).await.unwrap());
    assert!(folder.path().join("lock.db.damaged").exists());
}

#[tokio::test]
async fn a_database_that_is_no_lock_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source.db");
    let mut source = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::query("CREATE TABLE followers (id INTEGER)").execute(&mut source).await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = SqliteLock::open(&path, "m1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.next_step().is_some());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!folder.path().join("source.db.damaged").exists());
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none/lock.db");
    let error = SqliteLock::open(&path, "m1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn a_file_that_another_process_will_not_let_go_costs_a_bounded_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock.db");
    let lock = SqliteLock::open(&path, "m1").await.unwrap();
    let mut stuck = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut stuck).await.unwrap();
    let began = Instant::now();
    let error = lock.acquire("t", &entities([1]), Token::new(), LEASE).await.unwrap_err();
    assert!(error.kind().is_retryable(), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    // Who only looks is not held up at all.
    assert_eq!(lock.holders("t", &entities([1])).await.unwrap(), []);
    sqlx::query("ROLLBACK").execute(&mut stuck).await.unwrap();
    assert_eq!(
        lock.acquire("t", &entities([1]), Token::new(), LEASE).await.unwrap(),
        [true],
        "and goes on when it is let go"
    );
}

//! What is Redis's own among the key locks: what a server does that is shared, wiped, restarted,
//! frozen or gone. What every lock promises is in `lock_conformance`.

use migration::error::{Error, ErrorKind};
use migration::key::Key;
use migration::lock::{KeyLock, RedisLock, Token};
use migration::plan::ServerUrl;
use migration::value::Value;
use servers::Redis;
use servers::shared::redis_database;
use std::time::{Duration, Instant};

const LEASE: Duration = Duration::from_secs(60);

/// Longest wait for what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

fn entities(numbers: impl IntoIterator<Item = i128>) -> Vec<Key> {
    numbers.into_iter().map(|number| Key::new([Value::Int(number)]).unwrap()).collect()
}

async fn open(url: &str, migration: &str) -> Result<RedisLock, Error> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), url).unwrap();
    let url = ServerUrl::parse("file:url", folder.path()).unwrap();
    RedisLock::open(&url, migration).await
}

/// A server of its own, with a copy and a live path on it.
async fn own() -> (Redis, RedisLock, RedisLock) {
    let server = servers::redis().start().unwrap();
    let copy = open(&server.url(), "m1").await.unwrap();
    let live = open(&server.url(), "m1").await.unwrap();
    (server, copy, live)
}

#[tokio::test]
async fn processes_on_several_machines_see_each_other_and_other_migrations_do_not() {
    let database = redis_database().unwrap();
    let [copy, live] = [open(&database.url(), "m1").await, open(&database.url(), "m1").await];
    let (copy, live) = (copy.unwrap(), live.unwrap());
    let other = open(&database.url(), "m2").await.unwrap();
    let token = Token::new();
    copy.acquire("t", &entities([1, 9]), token, LEASE).await.unwrap();
    assert_eq!(live.holders("t", &entities([0, 9])).await.unwrap(), [token]);
    assert_eq!(other.holders("t", &entities([9])).await.unwrap(), []);
    assert_eq!(other.count().await.unwrap(), 0);
    other.clear().await.unwrap();
    assert!(copy.still_held("t", token).await.unwrap());
    live.revoke("t", &[token]).await.unwrap();
    assert!(!copy.still_held("t", token).await.unwrap());
}

#[tokio::test]
async fn what_belongs_to_others_in_the_database_stays_there() {
    let database = redis_database().unwrap();
    database.run("SET session:1 alice").unwrap();
    let lock = open(&database.url(), "m1").await.unwrap();
    lock.acquire("t", &entities(0..10), Token::new(), LEASE).await.unwrap();
    lock.acquire("u", &entities(0..10), Token::new(), LEASE).await.unwrap();
    assert_eq!(database.run("DBSIZE").unwrap().trim(), "24", "20 locks, 2 holdings, their set");
    lock.clear().await.unwrap();
    assert_eq!(database.run("KEYS *").unwrap().trim(), "session:1");
}

#[tokio::test]
async fn a_large_batch_is_locked_found_and_given_back_in_a_few_round_trips() {
    let database = redis_database().unwrap();
    let lock = open(&database.url(), "m1").await.unwrap();
    let (one, two, asked) = (Token::new(), Token::new(), entities(0..5_000));
    lock.acquire("t", &asked[2_500..2_501], one, LEASE).await.unwrap();
    let granted = lock.acquire("t", &asked, two, LEASE).await.unwrap();
    let refused: Vec<usize> = (0..granted.len()).filter(|&place| !granted[place]).collect();
    assert_eq!((granted.len(), refused), (5_000, vec![2_500]));
    let mut holders = lock.holders("t", &asked).await.unwrap();
    holders.sort();
    assert_eq!(holders, [one.min(two), one.max(two)]);
    lock.release("t", two).await.unwrap();
    assert_eq!(lock.holders("t", &asked).await.unwrap(), [one], "another's is left alone");
}

#[tokio::test]
async fn every_lock_runs_out_by_itself() {
    let (server, copy, _) = own().await;
    copy.acquire("t", &entities(0..3), Token::new(), LEASE).await.unwrap();
    let lasting = "local lasting = {} for _, key in ipairs(redis.call('KEYS', '*')) do \
                   if redis.call('PTTL', key) < 0 then table.insert(lasting, key) end end \
                   return lasting";
    let lasting = server.command(&["EVAL", lasting, "0"]).unwrap();
    assert_eq!(lasting.trim(), "midflight:{m1}:holds", "the names of holdings alone");
}

#[tokio::test]
async fn what_has_run_out_is_not_counted_and_leaves_nothing() {
    let (server, copy, _) = own().await;
    copy.acquire("t", &entities(0..3), Token::new(), LEASE).await.unwrap();
    assert_eq!(copy.count().await.unwrap(), 1);
    // As time does, once a process was killed.
    let run_out = "for _, key in ipairs(redis.call('KEYS', '*t*')) do \
                   if redis.call('PTTL', key) > 0 then redis.call('PEXPIRE', key, 0) end end";
    server.command(&["EVAL", run_out, "0"]).unwrap();
    assert_eq!(copy.count().await.unwrap(), 0);
    assert_eq!(server.command(&["DBSIZE"]).unwrap().trim(), "0");
}

#[tokio::test]
async fn a_wiped_server_has_lost_every_lock_and_takes_new_ones() {
    let (server, copy, live) = own().await;
    let (lost, token) = (Token::new(), Token::new());
    copy.acquire("t", &entities([1]), lost, LEASE).await.unwrap();
    server.command(&["FLUSHALL"]).unwrap();
    server.command(&["SCRIPT", "FLUSH"]).unwrap();
    assert!(!copy.still_held("t", lost).await.unwrap());
    copy.release("t", lost).await.unwrap();
    assert_eq!(copy.acquire("t", &entities([1]), token, LEASE).await.unwrap(), [true]);
    assert_eq!(live.holders("t", &entities([1])).await.unwrap(), [token]);
}

#[tokio::test]
async fn a_restarted_server_is_used_by_the_next_call() {
    let (mut server, copy, live) = own().await;
    let lost = Token::new();
    copy.acquire("t", &entities([1]), lost, LEASE).await.unwrap();
    live.count().await.unwrap();
    server.kill().unwrap();
    server.start().unwrap();
    assert!(!copy.still_held("t", lost).await.unwrap());
    let token = Token::new();
    assert_eq!(copy.acquire("t", &entities([1]), token, LEASE).await.unwrap(), [true]);
    assert_eq!(live.holders("t", &entities([1])).await.unwrap(), [token]);
}

/// Calls until one is answered; returns how many were not.
async fn until_answered(lock: &RedisLock) -> usize {
    let (since, mut failed) = (Instant::now(), 0);
    while let Err(error) = lock.count().await {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(since.elapsed() < PATIENCE, "{error:?}");
        failed += 1;
        tokio::task::yield_now().await;
    }
    failed
}

#[tokio::test]
async fn a_frozen_server_costs_one_bounded_wait_and_then_none() {
    let (mut server, copy, _) = own().await;
    server.freeze().unwrap();
    let since = Instant::now();
    let error = copy.still_held("t", Token::new()).await.unwrap_err();
    let waited = since.elapsed();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(waited >= Duration::from_millis(400) && waited < Duration::from_secs(5), "{waited:?}");
    // Until somebody asks again, nobody waits.
    let since = Instant::now();
    let mut refused = 0;
    while since.elapsed() < Duration::from_millis(500) {
        assert!(copy.acquire("t", &entities([1]), Token::new(), LEASE).await.is_err());
        refused += 1;
    }
    assert!(refused > 100, "each of {refused} waited");
    server.thaw().unwrap();
    until_answered(&copy).await;
    let token = Token::new();
    assert_eq!(copy.acquire("t", &entities([7]), token, LEASE).await.unwrap(), [true]);
    assert!(copy.still_held("t", token).await.unwrap());
}

/// The live path waits for a few milliseconds only: that nothing comes back is noticed all the
/// same.
#[tokio::test]
async fn a_caller_who_gives_up_early_does_not_hide_that_nothing_comes_back() {
    let (mut server, _, live) = own().await;
    server.freeze().unwrap();
    let (since, asked) = (Instant::now(), entities([1]));
    let mut answered = false;
    while !answered && since.elapsed() < PATIENCE {
        let call = live.holders("t", &asked);
        answered = tokio::time::timeout(Duration::from_millis(20), call).await.is_ok();
    }
    assert!(answered, "it was never marked down");
    server.thaw().unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_found_when_it_is() {
    let mut server = servers::redis().start().unwrap();
    server.kill().unwrap();
    let lock = open(&server.url(), "m1").await.unwrap();
    let error = lock.acquire("t", &entities([1]), Token::new(), LEASE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.next_step().unwrap().contains("start Redis again"), "{error:?}");
    assert!(error.to_string().contains("it is down"), "not asked again at once: {error}");
    server.start().unwrap();
    until_answered(&lock).await;
}

#[tokio::test]
async fn who_may_not_come_in_is_refused_and_no_password_is_repeated() {
    let server = servers::redis().set("requirepass", "hunter2").start().unwrap();
    let with = |login: &str| server.url().replace("redis://", &format!("redis://{login}"));
    for url in [server.url(), with(":hunter3@"), with("nobody:hunter2@")] {
        let error = open(&url, "m1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
        assert!(error.next_step().unwrap().contains("password"), "{error:?}");
    }
    let lock = open(&with(":hunter2@"), "m1").await.unwrap();
    assert!(!format!("{lock:?}").contains("hunter"));
    assert_eq!(lock.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_full_server_refuses_locks_and_says_what_to_do() {
    let server = servers::redis().set("maxmemory", "1").start().unwrap();
    let lock = open(&server.url(), "m1").await.unwrap();
    let error = lock.acquire("t", &entities([1]), Token::new(), LEASE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error:?}");
    assert!(error.next_step().unwrap().contains("INFO memory"), "{error:?}");
}

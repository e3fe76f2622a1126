//! How long the live path waits on a lock store that does not do its part. Time is tokio's, and
//! moves only while everybody waits.

use super::{Hold, REVOKE_MAX};
use async_trait::async_trait;
use migration::error::Result;
use migration::key::Key;
use migration::lock::{KeyLock, MemoryLock, Token};
use migration::route::Touched;
use migration::value::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const TABLE: &str = "followers";
const WAIT: Duration = Duration::from_millis(50);

/// A lock store whose calls take their time.
#[derive(Debug)]
struct Slow {
    inner: MemoryLock,
    /// How many looks are answered at once; the others take `look`.
    prompt: usize,
    looks: AtomicUsize,
    look: Duration,
    revoke: Duration,
}

impl Slow {
    fn new(prompt: usize, look: Duration, revoke: Duration) -> Arc<Self> {
        let (inner, looks) = (MemoryLock::new(), AtomicUsize::new(0));
        Arc::new(Self { inner, prompt, looks, look, revoke })
    }

    async fn is_held(&self, token: Token) -> bool {
        self.inner.still_held(TABLE, token).await.unwrap()
    }

    /// A copy that holds an entity and does not give it back.
    async fn held(&self, entity: &str) -> Token {
        let token = Token::new();
        let granted =
            self.inner.acquire(TABLE, &[key(entity)], token, Duration::from_secs(60)).await;
        assert_eq!(granted.unwrap(), [true]);
        token
    }
}

#[async_trait]
impl KeyLock for Slow {
    fn locks_intervals(&self) -> bool {
        self.inner.locks_intervals()
    }
    async fn acquire(
        &self,
        table: &str,
        entities: &[Key],
        token: Token,
        lease: Duration,
    ) -> Result<Vec<bool>> {
        self.inner.acquire(table, entities, token, lease).await
    }
    async fn still_held(&self, table: &str, token: Token) -> Result<bool> {
        self.inner.still_held(table, token).await
    }
    async fn holders(&self, table: &str, entities: &[Key]) -> Result<Vec<Token>> {
        if self.looks.fetch_add(1, Ordering::SeqCst) >= self.prompt {
            sleep(self.look).await;
        }
        self.inner.holders(table, entities).await
    }
    async fn revoke(&self, table: &str, tokens: &[Token]) -> Result<()> {
        sleep(self.revoke).await;
        self.inner.revoke(table, tokens).await
    }
    async fn release(&self, table: &str, token: Token) -> Result<()> {
        self.inner.release(table, token).await
    }
    async fn count(&self) -> Result<u64> {
        self.inner.count().await
    }
    async fn clear(&self) -> Result<()> {
        self.inner.clear().await
    }
}

fn key(entity: &str) -> Key {
    Key::new([Value::Text(entity)]).unwrap()
}

fn touched(entities: &[&str]) -> Vec<Touched> {
    vec![(TABLE.to_owned().into(), entities.iter().copied().map(key).collect())]
}

/// How long the live path was held up, and how many locks it set out to revoke.
async fn clear(lock: &Arc<Slow>, touched: &[Touched]) -> (Duration, usize) {
    let hold = Hold { lock: Arc::<Slow>::clone(lock), wait: WAIT };
    let begun = Instant::now();
    let revoked = hold.clear(touched).await;
    (begun.elapsed(), revoked)
}

const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_lock_store_that_hangs_holds_the_live_path_up_for_no_longer_than_the_wait() {
    for prompt in [0, 1, 3] {
        let lock = Slow::new(prompt, NEVER, NEVER);
        lock.held("a").await;
        let (waited, _) = clear(&lock, &touched(&["a"])).await;
        assert!(waited <= WAIT, "{waited:?}, after {prompt} answers");
    }
}

#[tokio::test(start_paused = true)]
async fn several_tables_share_one_wait() {
    let lock = Slow::new(0, NEVER, NEVER);
    let mut all = touched(&["a"]);
    for table in ["b", "c"] {
        all.push((table.to_owned().into(), vec![key("a")]));
    }
    let (waited, revoked) = clear(&lock, &all).await;
    assert!(waited <= WAIT, "{waited:?}");
    assert_eq!(revoked, 0);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_that_hangs_goes_on_behind_the_live_path() {
    let slow = REVOKE_MAX / 2;
    let lock = Slow::new(usize::MAX, Duration::ZERO, slow);
    let token = lock.held("a").await;
    let (waited, revoked) = clear(&lock, &touched(&["a"])).await;
    assert!(waited <= WAIT, "{waited:?}");
    assert_eq!(revoked, 1);
    assert!(lock.is_held(token).await, "the wait is over before the lock store has answered");
    sleep(slow).await;
    assert!(!lock.is_held(token).await);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_not_given_back_is_revoked_before_the_batch_is_written() {
    let lock = Slow::new(usize::MAX, Duration::ZERO, Duration::ZERO);
    let (mine, other) = (lock.held("a").await, lock.held("b").await);
    let (waited, revoked) = clear(&lock, &touched(&["a", "x"])).await;
    assert!(waited <= WAIT && waited >= WAIT / 2, "{waited:?}");
    assert_eq!(revoked, 1);
    assert!(!lock.is_held(mine).await && lock.is_held(other).await);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_nobody_holds_costs_one_look_and_no_wait() {
    let lock = Slow::new(usize::MAX, Duration::ZERO, Duration::ZERO);
    lock.held("b").await;
    assert_eq!(clear(&lock, &touched(&["a"])).await, (Duration::ZERO, 0));
    assert_eq!(lock.looks.load(Ordering::SeqCst), 1);
}

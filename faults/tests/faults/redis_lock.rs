//! The key lock on Redis: whatever becomes of it in the middle of a copy costs retries, which are
//! counted, and never a record.
//!
//! The copy is frozen with a batch that it has read and not written. What it read is changed and
//! deleted meanwhile, and the lock is lost.

use faults::{Bed, Ran, differences};
use serde_json::Value;
use servers::Redis;
use std::time::{Duration, Instant};

const ROWS: u64 = 900;

/// Changes made while the copy is frozen: of 60 entities each is hit by several.
const CHANGES: u64 = 400;

const JSON: [&str; 3] = ["run", "--output", "json"];

/// One worker, so that nothing else of the copy stands still with a file locked.
const COPY: [&str; 5] = ["run", "--workers", "1", "--output", "json"];

/// Once the first batch was read, of the first packages, and before anything was written.
const READ: &str = "stop:backfill.read@1";

struct Flight {
    bed: Bed,
    redis: Redis,
}

/// What the two phases counted.
struct Counted {
    copy: Value,
    live: Value,
    /// How long the copy stood still.
    frozen: Duration,
}

impl Counted {
    /// An interval that the live path keeps taking away is written without its lock in the end;
    /// that is for the few, while Redis answers.
    fn mostly_under_the_lock(&self) -> bool {
        self.copied("unlocked") * 4 < self.copied("batches")
    }

    fn copied(&self, name: &str) -> u64 {
        self.copy[name].as_u64().unwrap_or_else(|| unreachable!("no {name}: {}", self.copy))
    }

    fn revoked(&self) -> u64 {
        self.live["locks_revoked"].as_u64().unwrap_or_else(|| unreachable!("{}", self.live))
    }
}

impl Flight {
    async fn new(seed: u64) -> Self {
        let bed = Bed::new(ROWS, seed).await;
        let redis = servers::redis().start().unwrap();
        let plan = std::fs::read_to_string(bed.path("migration.toml")).unwrap();
        let file = "engine = \"sqlite\"\npath = \"locks.db\"";
        assert!(plan.contains(file));
        let url = format!("engine = \"redis\"\nurl = \"{}\"", redis.url());
        std::fs::write(bed.path("migration.toml"), plan.replace(file, &url)).unwrap();
        drop(bed.run("dual-write", &["set-up"]).ok());
        Self { bed, redis }
    }

    /// Freezes a copy with its first batch, does `harm`, makes changes that reach the target, and
    /// lets the copy go on to its end.
    async fn fly(&mut self, harm: fn(&mut Redis)) -> Counted {
        let live = self.bed.start("dual-write", &JSON);
        let mut copy = self.bed.start_with(READ, "backfill", &COPY);
        copy.frozen();
        let begun = Instant::now();
        harm(&mut self.redis);
        // Into the batch, first of all: its lock runs out while nobody renews it.
        self.bed.put_edge("lib000", "held-up").await;
        self.bed.wait_until_applied();
        self.bed.change(CHANGES).await;
        self.bed.wait_until_applied();
        copy.signal("CONT");
        let frozen = begun.elapsed();
        let copy = copy.wait().json();
        self.bed.change(CHANGES).await;
        self.bed.wait_until_applied();
        let live = live.drain().json();
        assert_eq!(differences(&self.bed).await, []);
        Counted { copy, live, frozen }
    }
}

#[tokio::test]
async fn a_copy_that_is_frozen_with_a_lock_loses_it_to_the_live_path_and_reads_again() {
    let mut flight = Flight::new(81).await;
    let counted = flight.fly(|_| {}).await;
    assert!(counted.revoked() > 0, "{}", counted.live);
    assert!(counted.copied("later") > 0, "{}", counted.copy);
    assert!(counted.mostly_under_the_lock(), "{}", counted.copy);
    let locks = flight.bed.run("backfill", &["locks", "list", "--output", "json"]).json();
    assert_eq!(locks["key_locks"], 0, "all are given back");
}

#[tokio::test]
async fn a_redis_that_is_wiped_costs_the_batches_that_were_locked() {
    let mut flight = Flight::new(82).await;
    let counted = flight.fly(|redis| drop(redis.command(&["FLUSHALL"]).unwrap())).await;
    assert_eq!(counted.revoked(), 0, "there was nothing to take away: {}", counted.live);
    assert!(counted.copied("later") > 0, "{}", counted.copy);
    assert!(counted.mostly_under_the_lock(), "{}", counted.copy);
}

#[tokio::test]
async fn a_redis_that_is_shut_down_costs_retries_and_then_the_guard_alone_decides() {
    let mut flight = Flight::new(83).await;
    // It answers with nothing: the connection is gone before.
    let shut_down = |redis: &mut Redis| {
        drop(redis.command(&["SHUTDOWN", "NOSAVE"]));
        redis.kill().unwrap();
    };
    let counted = flight.fly(shut_down).await;
    assert!(counted.copied("later") > 0, "{}", counted.copy);
    assert!(counted.copied("unlocked") > 0, "{}", counted.copy);
    // And both phases start without it.
    let live = flight.bed.start("dual-write", &JSON);
    flight.bed.change(50).await;
    flight.bed.wait_until_applied();
    drop(live.drain().ok());
    let again = flight.bed.run("backfill", &JSON);
    says_that_the_lock_is_down(&again);
    drop(again.ok());
    assert_eq!(differences(&flight.bed).await, []);

    let found = flight.bed.run("backfill", &["check", "--output", "json"]).finds();
    found.names(&["lock", "start Redis again"]);
    flight.redis.start().unwrap();
    drop(flight.bed.run("backfill", &["check"]).ok());
}

fn says_that_the_lock_is_down(ran: &Ran) {
    ran.warns(&["the key lock does not answer", "127.0.0.1"]);
}

#[tokio::test]
async fn a_redis_that_is_frozen_costs_bounded_waits_and_no_more() {
    let mut flight = Flight::new(84).await;
    let counted = flight.fly(|redis| redis.freeze().unwrap()).await;
    assert!(counted.copied("later") > 0, "{}", counted.copy);
    assert!(counted.copied("unlocked") > 0, "{}", counted.copy);
    // Most of its own time it stood still.
    let seconds = counted.copy["seconds"].as_f64().unwrap() - counted.frozen.as_secs_f64();
    assert!(seconds < 30.0, "{seconds} s beside {:?}: {}", counted.frozen, counted.copy);

    // Awake, it does what it was asked meanwhile, for nobody: those locks run out or are taken
    // away.
    flight.redis.thaw().unwrap();
    let live = flight.bed.start("dual-write", &JSON);
    flight.bed.change(CHANGES).await;
    flight.bed.wait_until_applied();
    drop(live.drain().ok());
    assert_eq!(differences(&flight.bed).await, []);
}

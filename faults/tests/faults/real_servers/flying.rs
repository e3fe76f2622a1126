//! A migration over Kafka that is set up.

use faults::{Engine, Flight, Place, Relay, Running, all_faults, seed};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use servers::shared::{Database, kafka_brokers, redis_database};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Applies what the queue holds, and ends.
pub(super) const DRAIN: &[&str] = &["run", "--until-drained", "--output", "json"];

/// The same until it is told to stop.
pub(super) const RUN: &[&str] = &["run", "--output", "json"];

/// As [`RUN`], of a copy that is to stand still: no other worker of it stands still with a
/// transaction in its hands.
pub(super) const COPY_ALONE: &[&str] = &["run", "--workers", "1", "--output", "json"];

/// As short as the plan allows: the place of a killed consumer is free after that.
const SESSION_MS: u64 = 1_000;

pub(super) const PARTITIONS: i32 = 3;

/// Longest wait for dead letters to be passed.
const LETTERS_MAX: Duration = Duration::from_secs(30);

/// One for the whole run.
pub(super) static SEED: LazyLock<u64> = LazyLock::new(seed);

/// From which engine to which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direction {
    pub(super) source: Engine,
    pub(super) target: Engine,
}

const BOTH: [Direction; 2] = [
    Direction { source: Engine::MariaDb, target: Engine::Postgres },
    Direction { source: Engine::Postgres, target: Engine::MariaDb },
];

/// The directions to fly a test in: both, or the one that the seed draws for it.
pub(super) fn directions(test: u64) -> Vec<Direction> {
    let mut random = StdRng::seed_from_u64(SEED.wrapping_add(test));
    let drawn = if all_faults() { BOTH.to_vec() } else { vec![*BOTH.choose(&mut random).unwrap()] };
    eprintln!("fault {test}: {drawn:?}");
    drawn
}

/// A flight whose outbox is carried to a topic.
pub(super) struct Flying {
    pub(super) flight: Flight,
    pub(super) redis: Database,
    relay: Option<Relay>,
}

impl Flying {
    /// On shared servers, not set up.
    pub(super) async fn prepared(direction: Direction) -> Self {
        let shards = [0, 1].map(|_| Place::shared(direction.target, "shard"));
        Self::between(Place::shared(direction.source, "source"), shards).await
    }

    /// Between these places, not set up. The progress lies in a database of the target's engine.
    pub(super) async fn between(source: Place, shards: [Place; 2]) -> Self {
        let checkpoint = Place::shared(shards[0].engine(), "checkpoint");
        let mut flying = Self::over(source, shards, &checkpoint, &kafka_brokers().unwrap()).await;
        flying.flight.keep(checkpoint);
        flying
    }

    /// Between these places and over these brokers, not set up.
    pub(super) async fn over(
        source: Place,
        shards: [Place; 2],
        checkpoint: &Place,
        brokers: &str,
    ) -> Self {
        let mut flight = Flight::new(source, shards, checkpoint, *SEED).await;
        let redis = redis_database().unwrap();
        flight.lock_in_redis(&redis.url());
        flight.watch().await;
        flight.fly_over(brokers, PARTITIONS, SESSION_MS).await;
        Self { flight, redis, relay: None }
    }

    /// Set up, and the outbox carried from now on.
    pub(super) async fn begun(direction: Direction) -> Self {
        Self::prepared(direction).await.begin()
    }

    /// As [`Self::begun`], with everything copied.
    pub(super) async fn copied(direction: Direction) -> Self {
        let flying = Self::begun(direction).await;
        drop(flying.flight.ok("backfill", &["run"]));
        flying
    }

    /// As [`Self::copied`], with a live path that has applied changes.
    pub(super) async fn live(direction: Direction) -> (Self, Running) {
        let flying = Self::copied(direction).await;
        let live = flying.applies().await;
        (flying, live)
    }

    /// A live path that has begun: it applies changes.
    pub(super) async fn applies(&self) -> Running {
        let live = self.flight.bed.start("dual-write", RUN);
        self.change(10).await;
        self.flight.bed.wait_until_applied();
        live
    }

    pub(super) fn begin(mut self) -> Self {
        drop(self.flight.ok("dual-write", &["set-up"]));
        self.relay = Some(self.flight.relay());
        self
    }

    /// Changes that are in the topic when this returns: four sessions of so many transactions.
    pub(super) async fn change(&self, transactions: u64) {
        self.flight.change(transactions).await;
        self.flight.carried().await;
    }

    /// The open dead letters.
    pub(super) fn letters(&self) -> Vec<serde_json::Value> {
        let list = self.flight.ok("dual-write", &["dlq", "list", "-o", "ndjson"]);
        list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until a live path has passed over so many records, and applied what comes behind them
    /// in their partitions.
    pub(super) async fn until_missing(&self, records: usize) {
        let begun = Instant::now();
        loop {
            let missing = self.flight.missing().await;
            if missing.len() == records {
                return;
            }
            assert!(begun.elapsed() < LETTERS_MAX, "missing: {missing:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Gives a column of the second copy this width.
    pub(super) async fn resize(&self, width: u32) {
        for shard in &self.flight.shards {
            let to = match shard.engine() {
                Engine::MariaDb => {
                    format!("MODIFY requirement varchar({width}) CHARACTER SET utf8mb4")
                }
                Engine::Postgres => format!("ALTER requirement TYPE varchar({width})"),
            };
            shard.run(&format!("ALTER TABLE follows {to}")).await;
        }
    }

    /// Applies what is in the topic, and looks whether both sides are what was acknowledged.
    pub(super) async fn is_well(&self) {
        self.flight.carried().await;
        drop(self.flight.ok("dual-write", DRAIN));
        self.flight.is_the_same().await;
    }

    /// Copies and applies what is left, has `verify` judge it, and asks the oracle; and no change
    /// was written twice or out of order on the way.
    pub(super) async fn ends_well(mut self) {
        self.finish().await;
        let writes = self.flight.nothing_was_done_twice().await;
        eprintln!("{writes} writes of one copy, none of a change twice or out of order");
    }

    /// As [`Self::ends_well`] where a repair has written what the source holds, over what there
    /// was.
    pub(super) async fn ends_repaired(mut self) {
        self.finish().await;
    }

    async fn finish(&mut self) {
        let flight = &self.flight;
        if let Some(relay) = self.relay.take() {
            relay.stop().await;
        }
        flight.bed.finish();
        drop(flight.ok("verify", &["run"]));
        flight.is_the_same().await;
    }
}

/// Asserts that what a live path consumed is the sum of what became of it.
#[track_caller]
pub(super) fn is_conserved(counted: &serde_json::Value) {
    let count =
        |name: &str| counted[name].as_u64().unwrap_or_else(|| panic!("no {name}: {counted}"));
    let became =
        ["applied", "stale", "duplicate", "compacted", "dead_letters", "foreign", "ignored"];
    assert_eq!(became.map(count).iter().sum::<u64>(), count("consumed"), "{counted}");
}

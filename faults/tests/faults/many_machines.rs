//! Three machines copy and three apply at once, under load. They share a checkpoint store, a key
//! lock on Redis and a topic, and nothing else: no directory, and no process that another could
//! look at.
//!
//! One of each kind is frozen with a batch in its hands for longer than its lease and its session,
//! one is killed, and the frozen ones wake when everything was taken over.

use faults::{Engine, Flight, Machine, Place, Ran, Running};
use serde_json::Value;
use servers::shared::{kafka_brokers, redis_database};
use std::time::{Duration, Instant};

const JSON: [&str; 3] = ["run", "--output", "json"];

const PARTITIONS: i32 = 6;

/// How long the group waits for a consumer that says nothing: a frozen copy is waited for longer.
const SESSION_MS: u64 = 4_000;

/// How long the group may take to give the partitions of a frozen consumer to others.
const TAKEN_OVER_MAX: Duration = Duration::from_secs(60);

/// Rows a second of each copy: slow enough that each of them gets some.
const RATE: &str = "batch_rows_max = 20\nrate = 250";

struct Machines {
    flight: Flight,
    named: [Machine; 3],
}

/// What a process counted.
#[track_caller]
fn count(ran: Ran, name: &str) -> u64 {
    let counted = ran.json();
    counted[name].as_u64().unwrap_or_else(|| panic!("no {name}: {counted}"))
}

impl Machines {
    async fn new(source: Engine, target: Engine, redis: &str, seed: u64) -> Self {
        // What the target runs on keeps the progress too.
        let checkpoint = Place::shared(target, "checkpoint");
        let mut flight = Flight::shared(source, target, &checkpoint, seed).await;
        flight.keep(checkpoint);
        flight.lock_in_redis(redis);
        flight.fly_over(&kafka_brokers().unwrap(), PARTITIONS, SESSION_MS).await;
        flight.bed.edit("batch_rows_max = 50", RATE);
        flight.bed.edit("ranges = 4", "ranges = 12");
        flight.watch().await;
        let named = ["north", "east", "west"].map(|name| Machine::new(&flight.bed, name));
        Self { flight, named }
    }

    /// Kills one copy and freezes another with a batch in its hands; the ranges of both are taken
    /// over once their leases have run out. Returns the frozen one.
    fn copy(&self) -> Running {
        let [north, east, west] = &self.named;
        let mut frozen = north.start_with("stop:backfill.checked@6", "backfill", &JSON);
        let killed = east.start_with("abort:backfill.written@9", "backfill", &JSON);
        frozen.frozen();
        assert_eq!(killed.wait().code, None, "it was to be killed");
        // Its machine starts again beside the third, while most of the ranges are free.
        let third = west.start("backfill", &JSON);
        let again = east.start("backfill", &JSON);
        for ran in [third.wait(), again.wait()] {
            let counted = ran.json();
            assert_eq!(counted["ended"], "done", "{counted}");
            assert!(counted["batches"].as_u64() > Some(0), "it took no part: {counted}");
        }
        frozen
    }
}

/// Who reads the partitions, as the generations in the target tell: one for each time it changed
/// hands.
fn generations(flight: &Flight) -> Vec<String> {
    let status = flight.bed.run("dual-write", &["status", "--output", "json"]).json();
    let positions = status["positions"].as_array().unwrap();
    let number = |position: &Value| position["generation"].as_str().unwrap().to_owned();
    positions.iter().map(number).collect()
}

/// Waits until every partition has changed hands: nobody knows in which of them the frozen consumer
/// has its batch, and in one that is still its own the batch would be applied, rightly.
fn wait_until_taken_over(flight: &Flight, before: &[String]) {
    let begun = Instant::now();
    while generations(flight).iter().zip(before).any(|(now, before)| now == before) {
        assert!(begun.elapsed() < TAKEN_OVER_MAX, "nobody took the partitions over: {before:?}");
    }
}

async fn share_a_migration(source: Engine, target: Engine, seed: u64) {
    let redis = redis_database().unwrap();
    let machines = Machines::new(source, target, &redis.url(), seed).await;
    let (flight, [north, east, west]) = (&machines.flight, &machines.named);
    drop(north.run("dual-write", &["set-up"]).ok());
    let relay = flight.relay();
    let load = flight.application.load();

    let mut frozen = north.start_with("stop:dual-write.cleared@12", "dual-write", &JSON);
    let killed = east.start("dual-write", &JSON);
    let third = west.start("dual-write", &JSON);
    frozen.frozen();
    let before = generations(flight);
    drop(killed.kill());
    let again = east.start("dual-write", &JSON);
    let mut frozen_copy = machines.copy();
    wait_until_taken_over(flight, &before);

    frozen_copy.signal("CONT");
    let woken = frozen_copy.wait();
    assert!(count(woken, "fenced") > 0, "the copy that woke late was not fenced");
    frozen.signal("CONT");
    flight.application.made(200).await;
    load.stop().await;
    let carried = relay.stop().await;
    flight.bed.wait_until_applied();
    // It stood by, joined again, and takes part.
    let drained = frozen.drain();
    let said = format!("{drained:?}");
    assert!(count(drained, "fenced") > 0, "the consumer that woke late was not fenced: {said}");
    let applied = [third, again].map(|running| count(running.drain(), "applied"));
    assert!(applied.iter().all(|&count| count > 0), "one of them applied nothing: {applied:?}");

    drop(east.run("verify", &["run"]).ok());
    flight.is_the_same().await;
    let writes = flight.nothing_was_done_twice().await;
    eprintln!(
        "{source:?} to {target:?}: {carried} messages, {writes} writes of a copy, {applied:?} \
         applied by the two that lived"
    );
    let locks = flight.bed.run("backfill", &["locks", "list", "--output", "json"]).json();
    assert_eq!(locks["key_locks"], 0, "{locks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_machines_carry_mariadb_to_postgresql_and_what_wakes_late_is_fenced() {
    share_a_migration(Engine::MariaDb, Engine::Postgres, 101).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_machines_carry_postgresql_to_mariadb_and_what_wakes_late_is_fenced() {
    share_a_migration(Engine::Postgres, Engine::MariaDb, 102).await;
}

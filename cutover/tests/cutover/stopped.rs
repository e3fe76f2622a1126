//! A process that is stopped, and wakes in another world.

use crate::fixture::{Fixture, put, share};
use cutover::{Reader, Store};
use migration::checkpoint::SqliteCheckpoint;
use migration::plan::Plan;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PLAN: &str = "STOPPED_VICTIM_PLAN";

/// The bound that the switch promises, and then some.
const STOPPED_FOR: Duration = Duration::from_millis(1_100);

/// Longest wait of the victim for its stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Not a test of its own: a service that notices that it was stopped, and says what it decides
/// first after that.
#[test]
#[expect(clippy::print_stdout, reason = "how the victim answers")]
fn victim() {
    let Some(plan) = std::env::var_os(PLAN) else { return };
    let plan = Plan::load(Path::new(&plan)).unwrap();
    let reader = Reader::connect(&plan).unwrap();
    while reader.decide("user-1").store == Store::Old {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    // Read before the answer that lets it be stopped.
    let began = Instant::now();
    println!("victim: answers new");
    let mut last = began;
    // One reading of the clock a round, so that no gap falls between two of them.
    loop {
        let now = Instant::now();
        if now - last > STOPPED_FOR / 2 {
            break;
        }
        assert!(now - began < PATIENCE, "nobody stopped it");
        last = now;
    }
    let first = reader.decide("user-1");
    let new = (0..1_000_000).filter(|_| reader.decide("user-1").store == Store::New).count();
    println!("victim: woke {:?} {:?}, then {new} new", first.store, first.reason);
}

#[tokio::test]
async fn a_service_that_was_stopped_while_the_switch_was_thrown_wakes_with_it_thrown() {
    let fixture = Fixture::new();
    let store = SqliteCheckpoint::open(&fixture.checkpoint(), "flight").await.unwrap();
    put(&store, &fixture.at(share(10_000))).await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stopped::victim", "--nocapture"])
        .env(PLAN, fixture.plan_file())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = |text: &str| loop {
        let line = lines.next().unwrap().unwrap();
        if let Some((_, rest)) = line.split_once(text) {
            return rest.to_owned();
        }
    };
    said("victim: answers new");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).unwrap();
    let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped());
    std::fs::write(fixture.rollback_file(), "").unwrap();
    // The promise is a second from here; nothing but time can end it for a process that is stopped.
    std::thread::sleep(STOPPED_FOR);
    kill_process(pid, Signal::CONT).unwrap();
    let woke = said("victim: woke ");
    assert!(woke.starts_with("Old") && woke.ends_with("then 0 new"), "{woke}");
    assert!(child.wait().unwrap().success());
}

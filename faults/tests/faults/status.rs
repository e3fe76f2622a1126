//! What `status` says of a phase that runs, was told to stop, was killed, or is done.

use faults::Bed;
use serde_json::Value;
use std::time::{Duration, Instant};

const ROWS: u64 = 2_000;

/// Longest wait for a phase to get somewhere.
const WAIT_MAX: Duration = Duration::from_secs(30);

async fn ready() -> Bed {
    let bed = Bed::new(ROWS, 31).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed
}

/// What a phase says of its latest process.
fn process(bed: &Bed, program: &str) -> Value {
    bed.run(program, &["status", "-o", "json"]).json()["processes"][0].clone()
}

/// Waits until that is so.
fn wait_until(bed: &Bed, program: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let seen = process(bed, program);
        if is_so(&seen) {
            return seen;
        }
        assert!(begun.elapsed() < WAIT_MAX, "{program}: {seen}");
    }
}

#[tokio::test]
async fn a_phase_that_was_told_to_stop_has_stopped_and_not_crashed() {
    let bed = ready().await;
    drop(bed.run("backfill", &["set", "rate=100"]).ok());
    drop(bed.run("verify", &["pause"]).ok());
    // A script must not take what was stopped half way for what is done.
    for (program, busy, code) in
        [("dual-write", "running", 0), ("backfill", "running", 3), ("verify", "paused", 4)]
    {
        let running = bed.start(program, &["run"]);
        wait_until(&bed, program, |seen| seen["activity"] == busy);
        assert_eq!(running.drain().code, Some(code), "{program}");
        let seen = process(&bed, program);
        assert_eq!((&seen["activity"], &seen["silent"]), (&"stopped".into(), &false.into()));
        let text = bed.run(program, &["status"]).ok();
        assert!(text.contains("; stopped") && !text.contains("without a word"), "{text}");
    }
}

#[tokio::test]
async fn a_phase_that_was_killed_is_shown_as_what_it_is() {
    let bed = ready().await;
    let running = bed.start("dual-write", &["run"]);
    wait_until(&bed, "dual-write", |seen| seen["activity"] == "running");
    drop(running.kill());
    let text = bed.run("dual-write", &["status"]).ok();
    assert!(text.contains("STOPPED without a word"), "{text}");
}

#[tokio::test]
async fn a_live_path_that_has_drained_the_queue_is_done() {
    let mut bed = ready().await;
    bed.change(20).await;
    drop(bed.run("dual-write", &["run", "--until-drained"]).ok());
    assert_eq!(process(&bed, "dual-write")["activity"], "done");
}

#[tokio::test]
async fn a_copy_that_was_killed_goes_on_where_it_was_and_ends_with_everything() {
    let bed = ready().await;
    drop(bed.run("backfill", &["set", "rate=200"]).ok());
    let running = bed.start("backfill", &["run"]);
    wait_until(&bed, "backfill", |seen| seen["done"].as_u64() > Some(ROWS / 3));
    // Whoever is slow to look still finds it under way: what is left takes seconds at this rate.
    drop(bed.run("backfill", &["pause"]).ok());
    let before = wait_until(&bed, "backfill", |seen| seen["activity"] == "paused");
    drop(running.kill());
    drop(bed.run("backfill", &["set", "rate=100"]).ok());
    drop(bed.run("backfill", &["resume"]).ok());
    let again = bed.start("backfill", &["run"]);
    let after = wait_until(&bed, "backfill", |seen| {
        seen["pid"] != before["pid"] && seen["activity"] == "running"
    });
    // The copy that was killed had committed about what it said: it is not forgotten.
    assert!(after["done"].as_u64() > Some(ROWS / 6), "{before} then {after}");
    drop(bed.run("backfill", &["set", "rate=unlimited"]).ok());
    drop(again.wait().ok());
    let seen = process(&bed, "backfill");
    // What was committed and not yet noted when it was killed is read once more.
    assert!(seen["done"].as_u64() >= Some(ROWS) && seen["total"] == ROWS, "{seen}");
    assert_eq!((&seen["ratio"], &seen["activity"]), (&1.0.into(), &"done".into()));
    assert!(bed.run("backfill", &["status"]).ok().contains("100.0 %; done"));
}

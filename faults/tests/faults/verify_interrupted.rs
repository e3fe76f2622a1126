//! A comparison that is killed, stopped, left for days, or begun twice says what an uninterrupted
//! one would say, or begins anew.

use faults::{Bed, Ran, differences, kills, seed};
use serde_json::Value;

const ROWS: u64 = 700;

/// A run that gives its verdict as JSON.
const VERIFY: &[&str] = &["run", "--output", "json"];

/// Everything copied and applied.
async fn copied(seed: u64) -> Bed {
    let mut bed = Bed::new(ROWS, seed).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed.change(120).await;
    bed.finish();
    bed
}

fn verdict(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// Slow enough that a run is saved several times before its end.
fn set_rate(bed: &Bed, rate: &str) {
    drop(bed.run("verify", &["set", &format!("rate={rate}")]).ok());
}

/// Leaves a run that has compared a part and saved it.
fn compare_a_part(bed: &Bed) {
    set_rate(bed, "1000");
    kill(bed, "abort:verify.save@3");
    set_rate(bed, "unlimited");
}

fn kill(bed: &Bed, fault: &str) {
    let ran = bed.start_with(fault, "verify", VERIFY).wait();
    assert_eq!(ran.code, None, "{fault}: {ran:?}");
}

/// Kills a run at this hit of a point, or, where that does not come, another at the first. Returns
/// how many verdicts there were before the one that was killed.
fn kill_at(bed: &Bed, point: &str, number: usize) -> usize {
    let before = verdicts(bed).len();
    let ran = bed.start_with(&format!("abort:{point}@{number}"), "verify", VERIFY).wait();
    if ran.code.is_none() {
        return before;
    }
    // Some points are passed by the clock, so a late hit may not come up again; the first does.
    assert_eq!(ran.code, Some(3), "{point} at {number}: {ran:?}");
    kill(bed, &format!("abort:{point}@1"));
    before + 1
}

/// Removes `count` records of one shard, past everything.
async fn lose(bed: &Bed, count: u64) {
    let lost = format!(
        "DELETE FROM follower_of WHERE rowid IN
         (SELECT rowid FROM follower_of ORDER BY followed, follower LIMIT {count})"
    );
    bed.execute("shard-0.db", &lost).await;
}

/// Every verdict in the log.
fn verdicts(bed: &Bed) -> Vec<Value> {
    let list = bed.run("verify", &["list", "--output", "ndjson"]).ok();
    list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn verify_killed_anywhere_counts_nothing_twice_and_loses_no_verdict() {
    let seed = seed();
    let bed = copied(seed).await;
    lose(&bed, 1).await;
    set_rate(&bed, "2000");
    let whole = verdict(&bed.run("verify", VERIFY));
    let hits = bed.hits("verify", VERIFY, 3);
    let kills = kills(&hits, &["verify.judged", "verify.read-again"], seed);
    for point in ["verify.judged", "verify.read-again"] {
        assert!(kills.iter().any(|(name, _)| name == point), "{kills:?}");
    }
    eprintln!("verify: {} hits, {} kills", hits.len(), kills.len());
    for (point, number) in kills {
        let before = kill_at(&bed, &point, number);
        let ran = bed.run("verify", VERIFY);
        let place = format!("killed at hit {number} of {point}, seed {seed}: {ran:?}");
        assert_eq!(ran.code, Some(3), "{place}");
        let said = verdict(&ran);
        assert_eq!(said["compared"], whole["compared"], "{place}");
        assert_eq!(
            (&said["differing"], &said["tally"]["missing"]),
            (&1.into(), &1.into()),
            "{place}"
        );
        assert_eq!(bed.run("verify", &["diff"]).ok().lines().count(), 1, "{place}");
        let runs = verdicts(&bed);
        assert_eq!(runs.len(), before + 1, "one run, one verdict; {place}");
        assert_eq!(runs.last().unwrap()["run"], said["run"], "{place}");
    }
    drop(bed.run("verify", &["repair", "--execute"]).ok());
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn what_the_copy_brought_since_a_run_was_interrupted_is_no_difference() {
    let bed = Bed::new(ROWS, 5).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    // Nothing is copied: everything that it compares is missing.
    compare_a_part(&bed);
    bed.finish();
    let ran = bed.run("verify", VERIFY);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let said = verdict(&ran);
    assert_eq!((&said["differing"], &said["compared"]), (&0.into(), &(2 * ROWS).into()), "{said}");
    assert!(said["tally"]["mended"].as_u64().unwrap() >= 100, "{said}");
    assert_eq!(bed.run("verify", &["diff"]).ok(), "");
    // It says of itself that it is not of one piece.
    assert_eq!(said["interruptions"], 1, "{said}");
    assert!(said["started"].as_str().unwrap() < said["resumed"].as_str().unwrap(), "{said}");
    let text = bed.run("verify", &["show"]).ok();
    assert!(text.contains("interrupted 1 times and gone on with since"), "{text}");
}

#[tokio::test]
async fn the_age_of_a_verdict_counts_from_its_first_comparison_however_often_it_was_resumed() {
    let bed = copied(5).await;
    compare_a_part(&bed);
    // An hour ago: the gate takes a day.
    age(&bed, 3_600).await;
    let said = verdict(&bed.run("verify", VERIFY));
    assert_eq!(said["interruptions"], 1, "{said}");
    let gate = bed.run("cutover", &["status", "--output", "json"]);
    let reason = finding(&verdict(&gate));
    assert!(reason.contains("begun 1h"), "{reason}");
}

#[tokio::test]
async fn a_run_that_was_left_for_longer_than_a_verdict_counts_begins_anew() {
    let bed = copied(5).await;
    compare_a_part(&bed);
    lose(&bed, 50).await;
    age(&bed, 2 * 86_400).await;
    let ran = bed.run("verify", VERIFY);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let said = verdict(&ran);
    // The old run had passed them when they were lost.
    assert_eq!(
        (&said["tally"]["missing"], &said["interruptions"]),
        (&50.into(), &0.into()),
        "{said}"
    );
    assert!(ran.stderr.contains("verdict_age_max_s"), "{ran:?}");
}

#[tokio::test]
async fn a_verdict_that_was_lost_with_its_process_is_recorded_even_when_a_new_run_begins() {
    let bed = copied(5).await;
    kill(&bed, "abort:verify.judged@1");
    assert_eq!(verdicts(&bed).len(), 0);
    let said = verdict(&bed.run("verify", &["run", "--restart", "--output", "json"]));
    let runs = verdicts(&bed);
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert!(runs[0]["run"] != said["run"] && runs[1]["run"] == said["run"], "{runs:?}");
}

#[tokio::test]
async fn a_run_is_not_gone_on_with_after_a_shard_was_restored_from_a_backup() {
    let mut bed = copied(5).await;
    for part in ["", "-wal"] {
        let (file, copy) = (bed.path(&format!("shard-1.db{part}")), format!("backup.db{part}"));
        if file.exists() {
            std::fs::copy(file, bed.path(&copy)).unwrap();
        }
    }
    bed.change(120).await;
    bed.finish();
    compare_a_part(&bed);
    for part in ["", "-wal", "-shm"] {
        let (file, copy) = (bed.path(&format!("shard-1.db{part}")), format!("backup.db{part}"));
        if file.exists() {
            std::fs::remove_file(&file).unwrap();
        }
        if bed.path(&copy).exists() {
            std::fs::copy(bed.path(&copy), file).unwrap();
        }
    }
    // Nobody applies what the shard has lost yet, so there is nothing to wait for.
    let ran = bed.run("verify", &["run", "--output", "json", "--set", "verify.settle_ms=10"]);
    assert_eq!(verdict(&ran)["interruptions"], 0, "{ran:?}");
    assert!(ran.stderr.contains("shard-1 has lost live changes"), "{ran:?}");
    bed.finish();
    assert_eq!(bed.run("verify", VERIFY).code, Some(0));
}

#[tokio::test]
async fn a_second_comparison_is_refused_and_names_the_first() {
    let bed = copied(5).await;
    let mut first = bed.start_with("stop:verify.settled@3", "verify", VERIFY);
    first.frozen();
    for again in [&["run"][..], &["run", "--restart"]] {
        let said = bed.run("verify", again).refused(5);
        assert!(said.contains(&format!("pid {}", first.id())), "{said}");
    }
    first.signal("CONT");
    let ran = first.wait();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(verdict(&ran)["compared"], verdict(&bed.run("verify", VERIFY))["compared"]);
}

/// Has the run that was interrupted have begun `seconds` earlier.
async fn age(bed: &Bed, seconds: u64) {
    let earlier = format!(
        "UPDATE entry SET value = CAST(json_set(CAST(value AS TEXT), '$.value.started_at',
            json_extract(CAST(value AS TEXT), '$.value.started_at') - {seconds} * 1000000) AS BLOB)
         WHERE key = 'verify/run'"
    );
    bed.execute("checkpoint.db", &earlier).await;
}

/// What the gate says of the verdict.
fn finding(status: &Value) -> String {
    let findings = status["gate"]["findings"].as_array().unwrap();
    let verdict = findings.iter().find(|finding| finding["condition"] == "verdict").unwrap();
    verdict["reason"].as_str().unwrap().to_owned()
}

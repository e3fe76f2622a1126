//! The copy as an operator knows it: killed late it does not begin from the front, and another
//! terminal pauses it, resumes it and changes its rate while it runs.

use faults::{Bed, Running, differences};
use serde_json::Value;
use sqlx::Connection as _;
use std::time::{Duration, Instant};

const ROWS: u64 = 700;

/// The plan's batch, and how many of them can be read and not yet written: two workers, each with
/// one in hand and one read ahead.
const BATCH: u64 = 50;
const IN_HAND: u64 = 4;

/// Longest wait for something that another process is about to do.
const SOON: Duration = Duration::from_secs(30);

/// Between two looks at the status.
const LOOK_EVERY: Duration = Duration::from_millis(100);

async fn ready() -> Bed {
    let bed = Bed::new(ROWS, 23).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed
}

/// Records of one copy that are in the target.
async fn copied(bed: &Bed) -> u64 {
    let mut sum = 0;
    for shard in ["shard-0.db", "shard-1.db"] {
        let mut connection = bed.open(shard).await;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM follower_of")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        sum += u64::try_from(count).unwrap();
    }
    sum
}

#[tokio::test]
async fn a_copy_that_is_killed_late_reads_on_from_where_it_was() {
    let hits = ready().await.hits("backfill", &["run"], 0).len();
    let bed = ready().await;
    let late = format!("abort@{}", hits * 4 / 5);
    assert_eq!(bed.start_with(&late, "backfill", &["run"]).wait().code, None);
    let before = copied(&bed).await;
    assert!(before > ROWS / 2, "only {before} were copied at hit {late} of {hits}");
    let said = bed.run("backfill", &["run", "--output", "json"]).json();
    let read = said["read"].as_u64().unwrap();
    assert!(read <= ROWS - before + IN_HAND * BATCH, "{read} read again, {before} were there");
    assert!(read < ROWS, "{read} are all");
    assert_eq!(differences(&bed).await, []);
    let again = bed.run("backfill", &["run", "--output", "json"]).json();
    assert_eq!(again["read"], 0, "what is done is done: {again}");
}

#[tokio::test]
async fn a_copy_that_nobody_gave_a_rate_says_which_it_has_and_how_to_get_more() {
    const SAYS: &str = "copies at most 10000/s, the default";
    let bed = ready().await;
    let said = bed.run("backfill", &["run", "--sample", "20%"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stderr.matches(SAYS).count(), 1, "{said:?}");
    assert!(said.stderr.contains("`backfill set rate=unlimited`"), "{said:?}");
    assert!(bed.run("backfill", &["explain-config"]).ok().contains("backfill.rate = 10000"));

    let over = ["--set", "backfill.rate=unlimited"];
    let said = bed.run("backfill", &[&["run", "--sample", "20%"][..], &over].concat());
    assert!(said.code == Some(0) && !said.stderr.contains(SAYS), "{said:?}");
    let plan = bed.run("backfill", &[&["plan", "-o", "json"][..], &over].concat()).json();
    assert_eq!((&plan["rate"], &plan["at_least_s"]), (&"unlimited".into(), &Value::Null));

    drop(bed.run("backfill", &["set", "rate=unlimited"]).ok());
    let said = bed.run("backfill", &["run"]);
    assert!(said.code == Some(0) && !said.stderr.contains(SAYS), "{said:?}");
    assert_eq!(differences(&bed).await, []);
}

/// What the running process says of itself, once it is as wanted.
fn status(bed: &Bed, running: &mut Running, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        assert_eq!(running.has_ended(), None, "it was to be seen at work");
        let status = bed.run("backfill", &["status", "--output", "json"]).json();
        let process = &status["processes"][0];
        if process.is_object() && is_wanted(process) {
            return process.clone();
        }
        assert!(begun.elapsed() < SOON, "{status:#}");
        std::thread::sleep(LOOK_EVERY);
    }
}

#[tokio::test]
async fn a_running_copy_is_paused_resumed_and_sped_up_from_another_terminal() {
    let bed = ready().await;
    drop(bed.run("backfill", &["set", "rate=50"]).ok());
    let mut running = bed.start("backfill", &["run"]);
    status(&bed, &mut running, |process| process["done"].as_u64() > Some(0));

    drop(bed.run("backfill", &["pause", "--reason", "the replica is behind"]).ok());
    let is_paused = |process: &Value| {
        process["activity"] == "paused"
            && process["throttle"].as_str().is_some_and(|why| why.contains("the replica is behind"))
    };
    let mut standing = status(&bed, &mut running, is_paused);
    let newer = |than: &Value| {
        let than = than["updated"].as_str().unwrap().to_owned();
        move |process: &Value| process["updated"].as_str().unwrap() > than.as_str()
    };
    // What was in hand when it stopped is written once it says the same twice.
    let begun = Instant::now();
    loop {
        let before = standing["done"].clone();
        standing = status(&bed, &mut running, newer(&standing));
        if standing["done"] == before {
            break;
        }
        assert!(begun.elapsed() < SOON, "{standing:#}");
    }
    let (done, there) = (standing["done"].clone(), copied(&bed).await);
    assert!(done.as_u64() < Some(ROWS), "{standing:#}");
    for _ in 0..2 {
        standing = status(&bed, &mut running, newer(&standing));
        assert_eq!(standing["done"], done, "{standing:#}");
        assert!(is_paused(&standing), "{standing:#}");
    }
    assert_eq!(copied(&bed).await, there, "nothing is written in a pause");

    drop(bed.run("backfill", &["resume"]).ok());
    let slow = |process: &Value| {
        process["activity"] == "running"
            && process["throttle"].as_str().is_some_and(|why| why.contains("rate"))
    };
    status(&bed, &mut running, slow);
    drop(bed.run("backfill", &["set", "rate=unlimited"]).ok());
    let faster = Instant::now();
    drop(running.wait().ok());
    // At 50 a second the rest would have taken more than ten.
    assert!(faster.elapsed() < Duration::from_secs(8), "{:?}", faster.elapsed());
    assert_eq!(differences(&bed).await, []);
}

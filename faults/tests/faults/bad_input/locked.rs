//! Databases that somebody keeps locked, and work that somebody else has.

use super::ready;
use faults::{Bed, differences};
use sqlx::{Connection, Executor, Row};

/// This process, which holds the locks.
fn holder() -> String {
    format!("process {} ", std::process::id())
}

#[tokio::test]
async fn a_locked_target_is_named_with_its_holder_and_the_copy_goes_on_when_it_is_free() {
    let bed = ready().await;
    let mut keeper = bed.open("shard-1.db").await;
    keeper.execute("BEGIN IMMEDIATE").await.unwrap();
    let copied = bed.run("backfill", &["run", "--timeout", "8s"]);
    copied.complains(6).names(&["shard-1", &holder()]);
    keeper.execute("ROLLBACK").await.unwrap();
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_target_locked_for_the_live_path_is_named_with_its_holder_and_nothing_is_lost() {
    let mut bed = ready().await;
    bed.change(50).await;
    let mut keeper = bed.open("shard-0.db").await;
    keeper.execute("BEGIN IMMEDIATE").await.unwrap();
    let applied = bed.run("dual-write", &["run", "--until-drained", "--timeout", "8s"]);
    // It does not give up on a target that is only busy: each interruption is in the log.
    assert_eq!(applied.complains(6).error, "finish in time: timeout_s 8");
    applied.warns(&["shard-0", &holder()]);
    keeper.execute("ROLLBACK").await.unwrap();
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_locked_source_is_named_with_its_holder() {
    let mut bed = ready().await;
    bed.change(50).await;
    let keeper = bed.open_alone("source.db").await;
    for program in ["backfill", "dual-write", "verify"] {
        bed.run(program, &["run"]).complains(1).names(&["source.db", &holder()]);
    }
    keeper.close().await.unwrap();
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_locked_checkpoint_is_named_with_its_holder() {
    let bed = ready().await;
    let mut keeper = bed.open("checkpoint.db").await;
    keeper.execute("BEGIN IMMEDIATE").await.unwrap();
    bed.run("backfill", &["pause"]).complains(1).names(&["checkpoint.db", &holder()]);
    bed.run("backfill", &["run"]).complains(1).names(&["checkpoint.db", &holder()]);
    keeper.execute("ROLLBACK").await.unwrap();
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

/// Records in the source, and in the target.
async fn counts(bed: &Bed) -> (i64, i64) {
    let count = async |database: &str, select: &'static str| -> i64 {
        let mut connection = bed.open(database).await;
        let row = sqlx::query(select).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        row.get(0)
    };
    let target = "SELECT (SELECT count(*) FROM follower_of) + (SELECT count(*) FROM follows)";
    let mut there = 0;
    for shard in ["shard-0.db", "shard-1.db"] {
        there += count(shard, target).await;
    }
    (count("source.db", "SELECT count(*) FROM followers").await, there)
}

#[tokio::test]
async fn two_backfills_at_once_share_the_ranges_and_copy_everything_once() {
    let bed = ready().await;
    let args = ["run", "--output", "json"];
    let (first, second) = (bed.start("backfill", &args), bed.start("backfill", &args));
    let mut inserted = 0;
    for ran in [first.wait(), second.wait()] {
        // Whoever comes when every range is held does not wait for it.
        if ran.code == Some(5) {
            ran.complains(5).names(&["process"]);
            continue;
        }
        let summary = ran.json();
        assert_eq!((&summary["ended"], &summary["existing"]), (&"done".into(), &0.into()));
        inserted += summary["inserted"].as_i64().unwrap();
    }
    let (records, there) = counts(&bed).await;
    assert_eq!((inserted, there), (2 * records, 2 * records));
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn two_backfills_beside_live_writes_and_their_consumer_lose_nothing() {
    let mut bed = ready().await;
    let consumer = bed.start("dual-write", &["run"]);
    let (first, second) = (bed.start("backfill", &["run"]), bed.start("backfill", &["run"]));
    bed.change(100).await;
    for ran in [first.wait(), second.wait()] {
        assert!(matches!(ran.code, Some(0 | 5)), "{ran:?}");
    }
    drop(consumer.drain().ok());
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_backfill_that_finds_every_range_held_names_the_process_that_has_them() {
    let bed = ready().await;
    // One range and one worker: frozen between its lease and its first lock, it holds nothing else.
    let run = ["run", "--workers", "1", "--set", "backfill.ranges=1"];
    let mut first = bed.start_with("stop:backfill.leased@1", "backfill", &run);
    first.frozen();
    let other = format!("pid {}", first.id());
    bed.run("backfill", &run).complains(5).names(&[&other]);
    first.signal("CONT");
    drop(first.wait().ok());
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

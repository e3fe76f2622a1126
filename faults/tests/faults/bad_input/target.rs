//! Target tables that do not take what is written to them.

use super::{new, ready};
use faults::{Bed, differences};

#[tokio::test]
async fn a_target_table_without_a_column_is_found_by_check_and_nothing_is_written() {
    let bed = new().await;
    bed.execute("shard-1.db", "ALTER TABLE follows DROP COLUMN category").await;
    bed.run("dual-write", &["check", "-o", "json"]).finds().names(&["category"]);
    assert!(!bed.path("checkpoint.db").exists(), "check makes no file");
    bed.run("dual-write", &["set-up"]).complains(7).names(&["category"]);
}

#[tokio::test]
async fn a_target_that_is_not_empty_is_refused_by_check() {
    let bed = new().await;
    bed.execute(
        "shard-0.db",
        "INSERT INTO follows VALUES ('a', 'b', NULL, 'c', '1', '2026-01-01 00:00:00.000000')",
    )
    .await;
    let check = bed.run("backfill", &["check", "-o", "json"]);
    check.finds().names(&["follows on shard-0", "target_may_hold_rows"]);
    bed.run("dual-write", &["set-up"]).complains(7).names(&["shard-0", "target_may_hold_rows"]);
}

/// Makes `follows` again, with a constraint or without, on both shards. What is there stays, even
/// where it does not meet the constraint.
async fn constrain(bed: &Bed, constraint: &str) {
    let statements = format!(
        "PRAGMA ignore_check_constraints = ON;
         CREATE TABLE other (
             follower TEXT NOT NULL, followed TEXT NOT NULL, requirement TEXT,
             category TEXT NOT NULL, size_kib TEXT NOT NULL, changed_at TIMESTAMP NOT NULL,
             PRIMARY KEY (follower, followed) {constraint});
         INSERT INTO other SELECT * FROM follows;
         DROP TABLE follows;
         ALTER TABLE other RENAME TO follows"
    );
    for shard in ["shard-0.db", "shard-1.db"] {
        bed.execute(shard, &statements).await;
    }
}

const NARROW: &str = ", CHECK (CAST(size_kib AS INTEGER) < 100000)";

#[tokio::test]
async fn a_target_that_is_narrowed_under_way_stops_the_copy_until_it_is_widened() {
    let bed = ready().await;
    constrain(&bed, NARROW).await;
    bed.run("backfill", &["run"]).complains(7).names(&["shard-", "follows", "drop the constraint"]);
    constrain(&bed, "").await;
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_target_that_is_narrowed_beside_a_running_consumer_stops_it_until_it_is_widened() {
    let mut bed = ready().await;
    bed.change(40).await;
    let mut consumer = bed.start("dual-write", &["run"]);
    bed.wait_until_applied();
    constrain(&bed, NARROW).await;
    assert_eq!(consumer.has_ended(), None);
    bed.change(60).await;
    consumer.wait().complains(7).names(&["shard-", "follows", "drop the constraint"]);
    constrain(&bed, "").await;
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_second_unique_key_of_the_target_is_refused_until_it_is_dropped() {
    let mut bed = new().await;
    for shard in ["shard-0.db", "shard-1.db"] {
        bed.execute(shard, "CREATE UNIQUE INDEX by_time ON follower_of (changed_at)").await;
    }
    let check = bed.run("dual-write", &["check", "-o", "json"]);
    check.finds().names(&["follower_of", "(changed_at)", "drop it"]);
    bed.run("dual-write", &["set-up"]).complains(7).names(&["(changed_at)", "drop it"]);
    for shard in ["shard-0.db", "shard-1.db"] {
        bed.execute(shard, "DROP INDEX by_time").await;
    }
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed.change(100).await;
    bed.finish();
    // Once nothing is on the way any more, it holds again; the clean-up does not mind it.
    for shard in ["shard-0.db", "shard-1.db"] {
        bed.execute(shard, "CREATE UNIQUE INDEX by_time ON follower_of (changed_at)").await;
    }
    drop(bed.run("dual-write", &["cleanup", "--yes"]).ok());
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_record_of_the_source_that_the_target_cannot_hold_stops_the_copy_and_is_named() {
    let mut bed = ready().await;
    let far = "UPDATE followers SET changed_at = 900000000000000000 WHERE rowid =
               (SELECT max(rowid) FROM followers)";
    bed.execute("source.db", far).await;
    let copied = bed.run("backfill", &["run"]);
    copied.complains(1).names(&["changed_at", "key", "mend the record in the source"]);
    bed.execute(
        "source.db",
        "UPDATE followers SET changed_at = 1 WHERE changed_at > 800000000000000000",
    )
    .await;
    bed.change(20).await;
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

//! `verify` finds every class of difference on real files, and `repair` mends them.

use faults::{Bed, differences};
use sqlx::Connection as _;

async fn copied() -> Bed {
    let mut bed = Bed::new(2_500, 11).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed.change(100).await;
    bed.finish();
    bed
}

/// Plants a fault, has `verify` find exactly `count` records of `kind`, and repairs them.
async fn found_and_repaired(plant: &str, kind: &str, count: u64) {
    let bed = copied().await;
    bed.execute("shard-0.db", plant).await;
    found_and_repaired_in(&bed, plant, kind, count).await;
}

async fn found_and_repaired_in(bed: &Bed, plant: &str, kind: &str, count: u64) {
    let ran = bed.run("verify", &["run", "--output", "json"]);
    assert_eq!(ran.code, Some(3), "{plant}: {ran:?}");
    let verdict: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(verdict["tally"][kind], count, "{plant}: {verdict}");
    assert_eq!(verdict["differing"], count, "{plant}: {verdict}");
    let diff = bed.run("verify", &["diff"]).ok();
    assert_eq!(u64::try_from(diff.lines().count()).unwrap(), count);
    drop(bed.run("verify", &["repair", "--execute"]).ok());
    assert_eq!(differences(bed).await, [], "{plant}");
    drop(bed.run("verify", &["run"]).ok());
}

#[tokio::test]
async fn a_missing_record() {
    found_and_repaired(
        "DELETE FROM follows WHERE rowid IN (SELECT rowid FROM follows LIMIT 1)",
        "missing",
        1,
    )
    .await;
}

#[tokio::test]
async fn a_record_too_many() {
    let plant = "INSERT INTO follower_of SELECT followed, 'nobody', NULL, 'x', '1', changed_at
                 FROM follower_of LIMIT 1";
    found_and_repaired(plant, "only_on_target", 1).await;
}

#[tokio::test]
async fn a_stale_record() {
    let plant = "UPDATE follows SET size_kib = '1' WHERE rowid = (SELECT min(rowid) FROM follows)";
    found_and_repaired(plant, "different", 1).await;
}

#[tokio::test]
async fn two_equal_length_values_swapped() {
    let plant = "
        UPDATE follows SET category = 'aaaa' WHERE rowid = (SELECT min(rowid) FROM follows);
        UPDATE follows SET category = 'bbbb' WHERE rowid = (SELECT max(rowid) FROM follows);";
    found_and_repaired(plant, "different", 2).await;
}

#[tokio::test]
async fn one_column_shifted_by_one_row_over_a_thousand_rows() {
    let plant = "
        CREATE TEMP TABLE shifted AS SELECT rowid AS id,
            lead(changed_at) OVER (ORDER BY rowid) AS next FROM follows LIMIT 1000;
        UPDATE follows SET changed_at = (SELECT next FROM shifted WHERE id = follows.rowid)
            WHERE rowid IN (SELECT id FROM shifted WHERE next IS NOT NULL);";
    found_and_repaired(plant, "different", 1_000).await;
}

#[tokio::test]
async fn the_same_update_lost_on_an_even_number_of_rows() {
    let plant = "UPDATE follower_of SET category = 'lost'
                 WHERE rowid IN (SELECT rowid FROM follower_of LIMIT 10)";
    found_and_repaired(plant, "different", 10).await;
}

#[tokio::test]
async fn null_where_the_source_has_empty_text() {
    let plant = "UPDATE follows SET requirement = NULL WHERE rowid =
                 (SELECT min(rowid) FROM follows WHERE requirement = '')";
    found_and_repaired(plant, "different", 1).await;
}

#[tokio::test]
async fn a_deleted_record_that_is_there_again() {
    let mut bed = copied().await;
    let keep = "CREATE TABLE kept AS SELECT * FROM follows LIMIT 1";
    bed.execute("shard-0.db", keep).await;
    let mut shard = bed.open("shard-0.db").await;
    let (follower, followed): (String, String) =
        sqlx::query_as("SELECT follower, followed FROM kept").fetch_one(&mut shard).await.unwrap();
    shard.close().await.unwrap();
    bed.delete_edge(&followed, &follower).await;
    bed.finish();
    assert_eq!(differences(&bed).await, [], "deleted everywhere");
    let plant = "INSERT INTO follows SELECT * FROM kept; DROP TABLE kept";
    bed.execute("shard-0.db", plant).await;
    found_and_repaired_in(&bed, plant, "resurrected", 1).await;
}

#[tokio::test]
async fn a_small_sample_without_a_difference_is_too_little_to_pass() {
    let bed = copied().await;
    let ran = bed.run("verify", &["run", "--sample", "500", "--output", "json"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let verdict: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&verdict["outcome"], &verdict["kind"]), (&"inconclusive".into(), &"sample".into()));
    assert_eq!(verdict["differing"], 0, "{verdict}");
    assert!(verdict["advice"].as_str().unwrap().contains("2995731 at 95 %"), "{verdict}");
    assert_eq!(bed.run("verify", &["gate"]).code, Some(4));
}

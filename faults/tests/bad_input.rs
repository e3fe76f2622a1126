//! Bad input ends in a clear error or a dead letter, with the next command to run, and loses
//! nothing.

use faults::{Bed, differences};
use sqlx::Executor;

const ROWS: u64 = 500;

async fn ready() -> Bed {
    let bed = Bed::new(ROWS, 7).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed
}

#[tokio::test]
async fn rows_that_cannot_be_decoded_end_as_dead_letters_and_the_rest_is_applied() {
    let mut bed = ready().await;
    for payload in ["{", "[1]", r#"{"package":1,"dependent":"x"}"#, r#"{"package":"lib001"}"#, ""] {
        bed.emit_raw("upsert", payload).await;
    }
    bed.emit_raw("explode", r#"{"package":"lib001","dependent":"x"}"#).await;
    bed.change(50).await;
    bed.finish();
    let list = bed.run("dual-write", &["dlq", "list", "--output", "ndjson"]).ok();
    assert_eq!(list.lines().count(), 6, "{list}");
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_source_restored_from_a_backup_stops_the_live_path_and_the_hints_lead_out_of_it() {
    let mut bed = ready().await;
    bed.change(60).await;
    bed.finish();
    std::fs::copy(bed.path("source.db"), bed.path("backup.db")).unwrap();
    bed.change(60).await;
    bed.finish();
    for suffix in ["-wal", "-shm"] {
        let path = bed.path(&format!("source.db{suffix}"));
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        }
    }
    std::fs::copy(bed.path("backup.db"), bed.path("source.db")).unwrap();
    bed.change(5).await;
    let said = bed.run("dual-write", &["run", "--until-drained"]).refused(1);
    assert!(said.contains("`source.epoch`") && said.contains("`dual-write set-up`"), "{said}");
    let check = bed.run("dual-write", &["check"]);
    assert_eq!(check.code, Some(3), "{check:?}");
    // The way out, as the hints say it.
    let plan = std::fs::read_to_string(bed.path("migration.toml")).unwrap();
    let raised = plan.replacen("[source]", "[source]\nepoch = 1", 1);
    std::fs::write(bed.path("migration.toml"), raised).unwrap();
    let said = bed.run("dual-write", &["run", "--until-drained"]).refused(1);
    assert!(said.contains("`dual-write set-up`"), "{said}");
    let set_up = bed.run("dual-write", &["set-up"]);
    assert!(set_up.stderr.contains("--yes"), "it skips messages, so it asks: {set_up:?}");
    drop(bed.run("dual-write", &["set-up", "--yes"]).ok());
    bed.change(30).await;
    drop(bed.run("dual-write", &["run", "--until-drained"]).ok());
    assert_eq!(bed.run("verify", &["run"]).code, Some(3), "the target holds what was undone");
    drop(bed.run("verify", &["repair", "--execute"]).ok());
    drop(bed.run("verify", &["run"]).ok());
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_plan_that_changed_under_way_is_refused_and_names_the_field() {
    let bed = ready().await;
    let plan = std::fs::read_to_string(bed.path("migration.toml")).unwrap();
    let changed = plan.replace(r#"requirement = "constraint""#, r#"requirement = "section""#);
    std::fs::write(bed.path("migration.toml"), &changed).unwrap();
    let said = bed.run("backfill", &["run"]).refused(7);
    assert!(said.contains("columns[2].from") && said.contains("hint"), "{said}");
    std::fs::write(bed.path("migration.toml"), plan).unwrap();
    drop(bed.run("backfill", &["run"]).ok());
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_foreign_checkpoint_is_refused_and_left_as_it_is() {
    let bed = Bed::new(ROWS, 7).await;
    bed.execute("checkpoint.db", "CREATE TABLE precious (id INTEGER); PRAGMA user_version = 3")
        .await;
    let before = std::fs::read(bed.path("checkpoint.db")).unwrap();
    let ran = bed.run("dual-write", &["set-up"]);
    assert!(ran.code.is_some_and(|code| code != 0), "{ran:?}");
    assert!(ran.stderr.contains("checkpoint.db"), "{ran:?}");
    assert_eq!(std::fs::read(bed.path("checkpoint.db")).unwrap(), before);
}

#[tokio::test]
async fn a_checkpoint_that_is_no_database_is_unreadable_not_absent() {
    let bed = Bed::new(ROWS, 7).await;
    std::fs::write(bed.path("checkpoint.db"), vec![b'x'; 8_192]).unwrap();
    let ran = bed.run("dual-write", &["set-up"]);
    assert!(ran.code.is_some_and(|code| code != 0), "{ran:?}");
    assert!(ran.stderr.contains("checkpoint.db"), "{ran:?}");
    assert_eq!(std::fs::read(bed.path("checkpoint.db")).unwrap(), vec![b'x'; 8_192]);
}

#[tokio::test]
async fn a_locked_target_is_named_and_the_copy_goes_on_when_it_is_free() {
    let bed = ready().await;
    let mut holder = bed.open("shard-1.db").await;
    holder.execute("BEGIN IMMEDIATE").await.unwrap();
    let ran = bed.run("backfill", &["run", "--timeout", "4s"]);
    assert!(ran.code.is_some_and(|code| code != 0), "{ran:?}");
    assert!(ran.stderr.contains("shard-1") || ran.stderr.contains("timeout"), "{ran:?}");
    holder.execute("ROLLBACK").await.unwrap();
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn two_backfills_at_once_share_the_ranges_and_copy_everything_once() {
    let mut bed = ready().await;
    let first = bed.start("backfill", &["run"]);
    let second = bed.start("backfill", &["run"]);
    bed.change(100).await;
    let codes = [first.wait(), second.wait()].map(|ran| (ran.code, ran.stderr));
    // One may find every range held: that is exit 5, and names the holder.
    assert!(codes.iter().all(|(code, _)| matches!(code, Some(0 | 5))), "{codes:?}");
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_target_table_without_a_column_is_found_by_check_and_nothing_is_written() {
    let bed = Bed::new(ROWS, 7).await;
    bed.execute("shard-1.db", "ALTER TABLE follows DROP COLUMN category").await;
    let ran = bed.run("dual-write", &["check"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stdout.contains("category"), "{ran:?}");
    assert!(!bed.path("checkpoint.db").exists(), "check makes no file");
}

#[tokio::test]
async fn a_target_that_is_not_empty_is_refused_by_check() {
    let bed = Bed::new(ROWS, 7).await;
    bed.execute(
        "shard-0.db",
        "INSERT INTO follows VALUES ('a', 'b', NULL, 'c', '1', '2026-01-01 00:00:00.000000')",
    )
    .await;
    let ran = bed.run("backfill", &["check"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stdout.contains("target_may_hold_rows"), "{ran:?}");
}

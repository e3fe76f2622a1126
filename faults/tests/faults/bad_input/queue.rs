//! Messages that say nothing, an outbox that forgets, and a source that goes back in time.

use super::{new, ready};
use faults::differences;

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
async fn an_outbox_whose_ids_may_come_again_is_found_by_check() {
    let bed = new().await;
    bed.execute(
        "source.db",
        "DROP TABLE outbox;
         CREATE TABLE outbox (
             id INTEGER PRIMARY KEY, table_name TEXT NOT NULL, op TEXT NOT NULL, payload TEXT,
             made_at INTEGER NOT NULL)",
    )
    .await;
    bed.run("dual-write", &["check", "-o", "json"]).finds().names(&["AUTOINCREMENT"]);
    bed.run("dual-write", &["set-up"]).complains(7).names(&["AUTOINCREMENT"]);
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
    let applied = bed.run("dual-write", &["run", "--until-drained"]);
    applied.complains(1).names(&["`source.epoch`", "`dual-write set-up`"]);
    bed.run("dual-write", &["check", "-o", "json"]).finds().names(&["queue"]);
    // The way out, as the hints say it.
    let plan = std::fs::read_to_string(bed.path("migration.toml")).unwrap();
    let raised = plan.replacen("[source]", "[source]\nepoch = 1", 1);
    std::fs::write(bed.path("migration.toml"), raised).unwrap();
    let applied = bed.run("dual-write", &["run", "--until-drained"]);
    applied.complains(1).names(&["`dual-write set-up`"]);
    // It skips messages, so it asks.
    bed.run("dual-write", &["set-up"]).complains(7).names(&["--yes"]);
    drop(bed.run("dual-write", &["set-up", "--yes"]).ok());
    bed.change(30).await;
    drop(bed.run("dual-write", &["run", "--until-drained"]).ok());
    assert_eq!(bed.run("verify", &["run"]).code, Some(3), "the target holds what was undone");
    drop(bed.run("verify", &["repair", "--execute"]).ok());
    drop(bed.run("verify", &["run"]).ok());
    assert_eq!(differences(&bed).await, []);
}

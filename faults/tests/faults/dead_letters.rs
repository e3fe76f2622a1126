//! Dead letters from end to end: what cannot be decoded is kept, shown, replayed or given up, and
//! whichever it is, the target ends as the source.

use faults::{Bed, Ran, differences};
use serde_json::Value;

const ROWS: u64 = 400;

/// A migration in which everything is copied and applied.
async fn copied() -> Bed {
    let mut bed = Bed::new(ROWS, 17).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed.change(40).await;
    bed.finish();
    bed
}

fn apply(bed: &Bed) {
    drop(bed.run("dual-write", &["run", "--until-drained"]).ok());
}

/// The open letters.
fn letters(bed: &Bed) -> Vec<Value> {
    let list = bed.run("dual-write", &["dlq", "list", "-o", "ndjson"]).ok();
    list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The names of the open letters.
fn ids(bed: &Bed) -> Vec<String> {
    letters(bed).iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
}

fn replay(bed: &Bed, which: &str) -> Ran {
    bed.run("dual-write", &["dlq", "replay", which, "-o", "json"])
}

/// What became of each letter of a replay that ended with this code.
#[track_caller]
fn outcomes(ran: &Ran, code: i32) -> Vec<Value> {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    let outcomes: Value = serde_json::from_str(&ran.stdout).unwrap();
    outcomes["letters"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_poisoned_record_is_kept_shown_and_replayed_once_the_source_is_mended() {
    let mut bed = copied().await;
    bed.poison_source("lib001", "poisoned").await;
    bed.change(20).await;
    apply(&bed);
    let letters = letters(&bed);
    assert_eq!(letters.len(), 1, "{letters:?}");
    let id = letters[0]["id"].as_str().unwrap();
    assert!(letters[0]["error"].as_str().unwrap().contains("installed_kib"), "{letters:?}");

    let shown = bed.run("dual-write", &["dlq", "show", id, "-o", "json"]).json();
    assert!(shown["record"].as_str().unwrap().contains("poisoned"), "{shown}");
    assert!(shown["payload"].as_str().unwrap().contains("many"), "{shown}");
    let headers = shown["headers"].to_string();
    assert!(headers.contains("__connect.errors.exception.message"), "{shown}");

    // The source itself is what cannot be read: nothing is changed, and the letter stays.
    let failed = &outcomes(&replay(&bed, "--all"), 3)[0];
    assert_eq!((&failed["id"], &failed["replayed"]), (&Value::from(id), &Value::Null), "{failed}");
    assert!(failed["error"].as_str().unwrap().contains("installed_kib"), "{failed}");
    assert!(!failed["hint"].as_str().unwrap_or_default().is_empty(), "{failed}");
    assert_eq!(ids(&bed), [id]);

    bed.execute("source.db", "UPDATE followers SET installed_kib = 7 WHERE dependent = 'poisoned'")
        .await;
    assert_eq!(outcomes(&replay(&bed, "--all"), 0)[0]["replayed"], "repaired");
    assert_eq!(ids(&bed), <[String; 0]>::default());
    assert_eq!(differences(&bed).await, []);
    drop(bed.run("verify", &["run"]).ok());
    // Again is safe.
    assert_eq!(outcomes(&replay(&bed, id), 0)[0]["replayed"], "repaired");
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_letter_of_many_parts_is_kept_once_and_whole_whenever_the_live_path_is_killed() {
    let mut bed = copied().await;
    let payload = format!(
        r#"{{"package":"lib001","dependent":"large","constraint":"{}","section":"libs",
            "installed_kib":"many","changed_at":1}}"#,
        "x".repeat(600_000)
    );
    bed.emit_raw("upsert", &payload).await;
    bed.change(20).await;
    for point in ["part@1", "part@2", "part@4", "kept@1"] {
        let fault = format!("abort:dead-letter.{point}");
        let until_drained = ["run", "--until-drained"];
        let killed = bed.start_with(&fault, "dual-write", &until_drained).wait();
        assert_eq!(killed.code, None, "{point}: {killed:?}");
    }
    apply(&bed);
    let ids = ids(&bed);
    assert_eq!(ids.len(), 1, "{ids:?}");
    let shown = bed.run("dual-write", &["dlq", "show", &ids[0], "-o", "json"]).json();
    assert!(shown["payload"] == payload, "it is not whole");
    // The source does not hold it, so there is nothing to bring.
    assert_eq!(outcomes(&replay(&bed, "--all"), 0)[0]["replayed"], "repaired");
    assert_eq!(differences(&bed).await, []);
}

/// It can be read, but has no place in the target: its year has five digits.
const NO_PLACE: &str = r#"{"package":"lib001","dependent":"late","constraint":null,
    "section":"libs","installed_kib":1,"changed_at":900000000000000000}"#;

#[tokio::test]
async fn a_record_that_the_target_cannot_hold_is_a_dead_letter_and_the_rest_is_applied() {
    let mut bed = copied().await;
    bed.change(70).await;
    bed.emit_raw("upsert", NO_PLACE).await;
    bed.change(70).await;
    bed.emit_raw("upsert", NO_PLACE).await;
    apply(&bed);
    let letters = letters(&bed);
    assert_eq!(letters.len(), 2, "{letters:?}");
    for letter in &letters {
        assert!(letter["record"].as_str().unwrap().contains("late"), "{letter}");
        assert!(letter["error"].as_str().unwrap().contains("changed_at"), "{letter}");
    }
    assert_eq!(differences(&bed).await, []);
    // The source does not hold it, so there is nothing to bring.
    drop(outcomes(&replay(&bed, "--all"), 0));
    assert_eq!(ids(&bed), <[String; 0]>::default());
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_target_that_takes_nothing_any_more_stops_the_live_path() {
    let mut bed = copied().await;
    for _ in 0..=100 {
        bed.emit_raw("upsert", NO_PLACE).await;
    }
    let ran = bed.run("dual-write", &["run", "--until-drained"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("the target takes none of them"), "{ran:?}");
    assert_eq!(letters(&bed).len(), 100, "and no more");
}

#[tokio::test]
async fn a_queue_that_nobody_can_decode_stops_the_live_path_before_it_fills_the_store() {
    let mut bed = copied().await;
    for _ in 0..3_500 {
        bed.emit_raw("upsert", "{}").await;
    }
    let until_drained = ["run", "--until-drained", "--set", "dual-write.batch_rows_max=1000"];
    let ran = bed.run("dual-write", &until_drained);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("none can be, one after the other"), "{ran:?}");
    let kept = letters(&bed).len();
    assert!((1_000..3_500).contains(&kept), "{kept}");
    // Whoever means to pass them starts it again.
    let more = bed.run("dual-write", &until_drained);
    assert!(letters(&bed).len() > kept, "{more:?}");
}

#[tokio::test]
async fn a_letter_that_a_later_change_has_overtaken_changes_nothing() {
    let mut bed = copied().await;
    bed.emit_raw("upsert", NO_PLACE).await;
    apply(&bed);
    bed.put_edge("lib001", "late").await;
    apply(&bed);
    assert_eq!(ids(&bed).len(), 1);
    assert_eq!(outcomes(&replay(&bed, "--all"), 0)[0]["replayed"], "overtaken");
    assert_eq!(ids(&bed), <[String; 0]>::default());
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_letter_of_a_record_that_was_deleted_since_brings_it_not_back() {
    let mut bed = copied().await;
    bed.poison("lib001", "poisoned").await;
    bed.delete_edge("lib001", "poisoned").await;
    apply(&bed);
    drop(outcomes(&replay(&bed, "--all"), 0));
    assert_eq!(ids(&bed), <[String; 0]>::default());
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_letter_that_is_given_up_leaves_a_difference_that_verify_finds_and_repairs() {
    let mut bed = copied().await;
    bed.poison("lib001", "poisoned").await;
    apply(&bed);
    let id = ids(&bed).remove(0);
    let give_up = ["dlq", "drop", &id, "--reason", "a test"];
    bed.run("dual-write", &give_up).complains(7).names(&["--yes"]);
    assert_eq!(ids(&bed), [&*id]);
    drop(bed.run("dual-write", &["dlq", "drop", &id, "--reason", "a test", "--yes"]).ok());
    assert_eq!(ids(&bed), <[String; 0]>::default());
    let all = bed.run("dual-write", &["dlq", "list", "--all", "-o", "ndjson"]).ok();
    assert!(all.contains(r#""fate":"dropped""#), "{all}");
    let audit = bed.run("dual-write", &["dlq", "show", &id, "-o", "json"]).json();
    assert!(audit["decided_by"].as_str().unwrap().ends_with("a test"), "{audit}");

    assert_eq!(bed.run("verify", &["run"]).code, Some(3));
    assert_eq!(differences(&bed).await.len(), 2, "both copies of the edge");
    drop(bed.run("verify", &["repair", "--execute"]).ok());
    assert_eq!(differences(&bed).await, []);
    drop(bed.run("verify", &["run"]).ok());
}

#[tokio::test]
async fn a_letter_is_replayed_from_the_source_after_the_guards_were_purged() {
    let mut bed = copied().await;
    bed.poison("lib001", "gone").await;
    bed.poison("lib001", "stays").await;
    bed.delete_edge("lib001", "gone").await;
    apply(&bed);
    let ids = ids(&bed);
    assert_eq!(ids.len(), 2);
    bed.run("dual-write", &["purge", "--yes"]).complains(7).names(&["dlq"]);
    drop(bed.run("dual-write", &["dlq", "drop", "--all", "--reason", "a test", "--yes"]).ok());
    let purged = bed.run("dual-write", &["purge", "--yes", "-o", "json"]).json();
    assert!(purged["tables"][0]["removed"].as_u64().unwrap() > 0, "{purged}");
    assert_eq!(differences(&bed).await.len(), 2, "the one that stays, in both copies");
    // Nothing but the source remembers what came after them.
    for id in &ids {
        assert_eq!(outcomes(&replay(&bed, id), 0)[0]["replayed"], "repaired");
    }
    assert_eq!(differences(&bed).await, []);
    bed.change(40).await;
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_letter_of_which_not_even_the_key_can_be_read_says_how_to_go_on_without_it() {
    let mut bed = copied().await;
    bed.emit_raw("upsert", "{").await;
    apply(&bed);
    let failed = &outcomes(&replay(&bed, "--all"), 3)[0];
    let hint = failed["hint"].as_str().unwrap();
    let id = ids(&bed).remove(0);
    for words in [format!("dlq show {id}"), format!("dlq drop {id}"), "verify run".to_owned()] {
        assert!(hint.contains(&words), "{hint}");
    }
    drop(bed.run("dual-write", &["dlq", "drop", &id, "--reason", "a test", "--yes"]).ok());
    drop(bed.run("verify", &["run"]).ok());
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_letter_that_is_not_there_is_refused_with_the_command_that_lists_them() {
    let bed = copied().await;
    for command in [["dlq", "show", "outbox/999/0"], ["dlq", "replay", "outbox/999/0"]] {
        bed.run("dual-write", &command)
            .complains(7)
            .names(&["outbox/999/0", "`dual-write dlq list`"]);
    }
}

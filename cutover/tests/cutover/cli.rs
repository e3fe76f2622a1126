//! The program as an operator types it.

mod climb;
mod switch;

pub(crate) use switch::throws;

use crate::fixture::{Fixture, MIRROR, put, share};
use crate::program::Program;
use cutover::{Record, Stage};
use migration::checkpoint::{CheckpointStore, SqliteCheckpoint, plan_record};
use migration::clock::Timestamp;
use migration::position::Position;
use migration::servers::Servers;
use migration::store::StartPosition;
use serde_json::json;
use std::fs;

/// A plan whose gates want no soak and ten mirrored reads.
fn easy() -> Fixture {
    Fixture::with("[cutover.gate]\nsoak_s = 0\nmirrored_min = 10\n")
}

/// A program and a store in which the stage is `stage`.
async fn begun(fixture: &Fixture, stage: Stage) -> (Program, SqliteCheckpoint) {
    let store = fixture.store().await;
    put(&store, &fixture.at(stage)).await;
    (Program::new(fixture), store)
}

async fn stage_of(store: &SqliteCheckpoint) -> Record {
    crate::fixture::stage(store).await
}

#[tokio::test]
async fn at_the_last_stage_status_says_whether_the_answers_are_right() {
    let fixture = easy();
    let (program, store) = begun(&fixture, share(10_000)).await;
    fixture.lag(&store, 5).await;
    fixture.verdict(&store, 0).await;
    let right = program.run(&["status"]);
    assert!(right.stdout.contains("pass: 0 of 1000 differ"), "{right:?}");
    assert!(right.stdout.contains("lag           5ms") && !right.stdout.contains("rollback"));
    fixture.verdict(&store, 7).await;
    let wrong = program.run(&["status"]);
    assert!(wrong.stdout.contains("fail: 7 of 1000 differ"), "{wrong:?}");
    assert!(wrong.stdout.contains("cutover rollback"), "{wrong:?}");
}

#[tokio::test]
async fn status_says_how_old_the_lag_is_and_shows_a_failed_sample_at_every_stage() {
    for stage in [share(100), share(10_000)] {
        let fixture = easy();
        let (program, store) = begun(&fixture, stage).await;
        fixture.verdict(&store, 0).await;
        let then = Timestamp(Timestamp::now().0 - 3_600_000_000);
        fixture.reported(&store, 676, then).await;
        let status = program.run(&["status"]);
        let dead = "it was 676ms when last reported 1h 0m ago; is `dual-write run` running?";
        assert!(status.stdout.contains(dead), "{status:?}");
        assert!(!status.stdout.contains("cutover rollback"), "{status:?}");
        fixture.sample_verdict(&store, 7).await;
        fixture.lag(&store, 676).await;
        let status = program.run(&["status"]);
        for line in [
            "pass: 0 of 1000 differ (every record), begun ",
            "fail: 7 of 1000 differ (a sample), begun ",
            "lag           676ms, reported ",
            "readers get wrong answers from the target: `cutover rollback`",
        ] {
            assert!(status.stdout.contains(line), "{line}: {status:?}");
        }
        let status = program.run(&["status", "-o", "json"]).json();
        assert_eq!(status["verdicts"][1]["outcome"], "fail");
        assert_eq!(status["lag"]["lives"], true);
    }
}

#[tokio::test]
async fn status_shows_the_ladder_the_gate_and_a_rollback() {
    let fixture = easy();
    let (program, _store) = begun(&fixture, share(100)).await;
    let status = program.run(&["status"]);
    assert_eq!(status.code, 0, "{status:?}");
    assert!(status.stdout.contains("> 1%") && status.stdout.contains("gate from 1% to 10%"));
    program.run(&["rollback", "--why", "p99"]);
    let status = program.run(&["status", "-o", "json"]);
    assert_eq!(status.code, 3);
    let status = status.json();
    assert_eq!((&status["stage"], &status["rolled_back"]["why"]), (&json!("off"), &json!("p99")));
    assert_eq!(status["schema_version"], 1);
}

#[tokio::test]
async fn evaluate_explains_with_the_code_that_readers_use() {
    let fixture = easy();
    let (program, _store) = begun(&fixture, share(1_000)).await;
    let ran = program.run(&["evaluate", "--key", "user-1", "-o", "json"]).json();
    assert_eq!((&ran["hash"], &ran["bucket"]), (&json!(2_904_845_250_u32), &json!(6_763)));
    assert_eq!((&ran["store"], &ran["reason"]), (&json!("old"), &json!("share")));
    program.run(&["whitelist", "add", "user-1"]);
    let ran = program.run(&["evaluate", "--key", "user-1", "-o", "json"]).json();
    assert_eq!((&ran["store"], &ran["reason"]), (&json!("new"), &json!("whitelist")));
    fs::write(fixture.rollback_file(), "").unwrap();
    let ran = program.run(&["evaluate", "--key", "user-1"]);
    assert!(ran.stdout.starts_with("old (source): the big red switch is thrown"), "{ran:?}");
}

#[tokio::test]
async fn the_whitelist_grows_shrinks_and_is_listed() {
    let fixture = easy();
    let (program, _store) = begun(&fixture, MIRROR).await;
    assert_eq!(program.run(&["whitelist", "add", "b", "a", "b"]).stdout, "a\nb\n");
    assert_eq!(program.run(&["whitelist", "remove", "a"]).stdout, "b\n");
    assert_eq!(program.run(&["whitelist", "list"]).stdout, "b\n");
    assert_eq!(program.run(&["whitelist", "add", ""]).code, 7);
}

#[tokio::test]
async fn a_list_of_the_whitelist_leaves_the_store_as_it_was() {
    let fixture = easy();
    let (program, store) = begun(&fixture, MIRROR).await;
    let before = store.list("", None, 9).await.unwrap();
    let audited = store.log_end("audit").await.unwrap();
    let listed = program.run(&["whitelist", "list", "-o", "ndjson"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, ""), "{listed:?}");
    assert_eq!(store.list("", None, 9).await.unwrap(), before);
    assert_eq!(store.log_end("audit").await.unwrap(), audited);
    program.run(&["whitelist", "add", "a"]);
    let listed = program.run(&["whitelist", "list", "-o", "ndjson"]).json();
    assert_eq!(listed["key"], "a");
}

#[tokio::test]
async fn check_says_what_is_not_ready_and_how_to_mend_it() {
    let fixture = Fixture::with("rollback_file = \"switch/rollback\"\n");
    fixture.databases().await;
    let program = Program::new(&fixture);
    let ran = program.run(&["check"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("create the directory"), "{ran:?}");
    let directory = fixture.directory.path().join("switch");
    fs::create_dir(&directory).unwrap();
    let ran = program.run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0, "it leaves nothing behind");
    fs::write(fixture.rollback_file(), "").unwrap();
    let ran = program.run(&["check"]);
    assert!(ran.code == 3 && ran.stdout.contains("cutover retry"), "{ran:?}");
}

/// A migration that has been set up everywhere, at a stage.
async fn set_up(fixture: &Fixture, stage: Stage) -> (Program, Servers) {
    fixture.databases().await;
    let servers = Servers::open(&fixture.plan).await.unwrap();
    let start =
        StartPosition { partition: "outbox".to_owned(), position: Position::new(&[0]).unwrap() };
    for target in &servers.targets {
        target.set_up(&["followers"], std::slice::from_ref(&start)).await.unwrap();
    }
    plan_record::bind(&*servers.checkpoint, &fixture.plan, "alice@db1").await.unwrap();
    put(&*servers.checkpoint, &fixture.at(stage)).await;
    (Program::new(fixture), servers)
}

#[tokio::test]
async fn cleanup_lists_first_and_removes_everything_on_request() {
    let fixture = easy();
    let (program, servers) = set_up(&fixture, share(10_000)).await;
    fs::write(fixture.rollback_file(), "").unwrap();
    let listed = program.run(&["cleanup"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    for item in ["target t0", "midflight_range", "rollback file", "checkpoint store", "nothing was"]
    {
        assert!(listed.stdout.contains(item), "{item}: {listed:?}");
    }
    assert!(servers.targets[0].is_set_up().await.unwrap());
    let wrong = program.run(&["cleanup", "--confirm", "another"]);
    assert_eq!(wrong.code, 7, "{wrong:?}");
    for _ in 0..2 {
        let removed = program.run(&["cleanup", "--confirm", "flight"]);
        assert_eq!(removed.code, 0, "{removed:?}");
        assert_eq!(servers.targets[0].side_tables().await.unwrap(), []);
        assert_eq!(servers.checkpoint.list("", None, 9).await.unwrap(), []);
        assert!(!fixture.rollback_file().exists());
    }
}

#[tokio::test]
async fn cleanup_is_refused_while_a_process_a_reader_or_the_switch_needs_what_is_there() {
    let fixture = easy();
    let (program, servers) = set_up(&fixture, share(10_000)).await;
    let refused = |hint: &str| {
        let ran = program.run(&["cleanup", "--confirm", "flight"]);
        assert_eq!(ran.code, 7, "{ran:?}");
        assert!(ran.stderr.contains(hint), "{ran:?}");
    };
    fixture.lag(&*servers.checkpoint, 0).await;
    refused("dual-write abort");
    let entry = servers.checkpoint.get("progress/dual-write/1").await.unwrap().unwrap();
    servers.checkpoint.remove("progress/dual-write/1", entry.revision).await.unwrap();
    let reader = cutover::Reader::connect(&fixture.plan).unwrap();
    while cutover::readers(&*servers.checkpoint).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    refused("deploy it without the reader");
    reader.shutdown();
    put(&*servers.checkpoint, &fixture.at(share(100))).await;
    refused("climb to 100% first");
    assert!(servers.targets[0].is_set_up().await.unwrap());
}

#[tokio::test]
async fn a_plan_that_was_changed_under_way_is_refused_and_names_the_field() {
    let fixture = easy();
    let (program, _store) = begun(&fixture, MIRROR).await;
    let text = fs::read_to_string(fixture.plan_file()).unwrap();
    fs::write(fixture.plan_file(), text.replace("orders.read", "users.read")).unwrap();
    for command in [&["status"][..], &["promote"]] {
        let ran = program.run(command);
        assert_eq!(ran.code, 7, "{ran:?}");
        assert!(ran.stderr.contains("cutover.flag"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_migration_that_has_not_begun_is_not_begun_by_a_command_of_the_switch() {
    let fixture = easy();
    let store = SqliteCheckpoint::open(&fixture.checkpoint(), "flight").await.unwrap();
    let program = Program::new(&fixture);
    for command in [
        &["promote"][..],
        &["promote", "--override", "x"],
        &["gate"],
        &["status"],
        &["retry", "--yes"],
        &["pause", "--why", "x"],
        &["whitelist", "add", "a"],
        &["serve", "--listen", "127.0.0.1:0"],
    ] {
        let ran = program.run(command);
        assert_eq!(ran.code, 7, "{command:?}: {ran:?}");
        assert!(ran.stderr.contains("`dual-write set-up` begins it"), "{command:?}: {ran:?}");
        assert_eq!(store.list("", None, 9).await.unwrap(), [], "{command:?}");
    }
    // Nor is the right plan in the way of anything then.
    plan_record::bind(&store, &fixture.plan, "alice@db1").await.unwrap();
    assert_eq!(program.run(&["status"]).code, 0);
}

#[tokio::test]
async fn pause_holds_and_abort_goes_back_without_a_latch() {
    let fixture = easy();
    let (program, store) = begun(&fixture, share(100)).await;
    assert_eq!(program.run(&["pause", "--why", "weekend"]).code, 0);
    let held = program.run(&["promote"]);
    assert!(held.code == 3 && held.stdout.contains("paused by"), "{held:?}");
    assert_eq!(program.run(&["promote", "--override", "x"]).code, 7);
    assert_eq!(program.run(&["resume"]).code, 0);
    assert_eq!(program.run(&["abort", "--yes"]).code, 0);
    let record = stage_of(&store).await;
    assert_eq!((record.stage, record.rolled_back), (Stage::Off, None));
}

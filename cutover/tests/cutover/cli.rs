//! The program as an operator types it.

use crate::fixture::{Fixture, MIRROR, put, share};
use crate::program::{Program, Ran};
use cutover::{Record, Signed, Stage};
use migration::checkpoint::{CheckpointStore, SqliteCheckpoint, plan_record};
use migration::clock::Timestamp;
use migration::position::Position;
use migration::servers::Servers;
use migration::store::StartPosition;
use serde_json::json;
use std::fs;
use std::path::Path;

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
async fn a_gate_without_evidence_is_inconclusive_and_nothing_is_promoted() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    let gate = program.run(&["gate"]);
    assert_eq!(gate.code, 4, "{gate:?}");
    assert!(gate.stdout.contains("verify run") && gate.stdout.contains("dual-write run"));
    assert_eq!(program.run(&["promote"]).code, 4);
    assert_eq!(stage_of(&store).await.stage, Stage::Off);
}

#[tokio::test]
async fn a_gate_with_evidence_against_it_says_so_and_how_to_go_on() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    fixture.verdict(&store, 7).await;
    fixture.lag(&store, 5).await;
    let promoted = program.run(&["promote"]);
    assert_eq!(promoted.code, 3, "{promoted:?}");
    assert!(promoted.stdout.contains("fails: 7 differing"), "{promoted:?}");
}

#[tokio::test]
async fn the_climb_stops_where_the_evidence_ends_and_goes_on_when_it_is_there() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    fixture.verdict(&store, 0).await;
    fixture.lag(&store, 5).await;
    assert_eq!(program.run(&["promote"]).code, 0);
    let full = program.run(&["promote", "--full", "-o", "json"]);
    assert_eq!(full.code, 4, "no read was mirrored yet: {full:?}");
    assert_eq!(full.json()["gate"]["findings"][5]["outcome"], "unknown");
    fixture.mirrored(&store, stage_of(&store).await.generation, 10).await;
    let one = program.run(&["promote"]);
    assert_eq!(one.code, 0, "{one:?}");
    assert_eq!(stage_of(&store).await.stage.to_string(), "whitelist");
    let whitelist = stage_of(&store).await.generation;
    fixture.mirrored(&store, whitelist, 10).await;
    assert_eq!(program.run(&["promote"]).code, 0);
    let kept = migration::checkpoint::list_all(&store, "mirror/").await.unwrap();
    let last = cutover::mirror_key(whitelist, "r");
    assert_eq!(kept, [last], "those of the stage before the last are gone");
    let history = program.run(&["history", "-o", "json"]).json();
    let climbed: Vec<_> =
        history["changes"].as_array().unwrap().iter().map(|c| c["to"].clone()).collect();
    assert_eq!(climbed, ["off", "mirror", "whitelist", "0.01%"].map(serde_json::Value::from));
    assert!(history["changes"][2]["evidence"].as_array().unwrap().len() > 3);
}

#[tokio::test]
async fn a_climb_to_a_named_stage_may_be_said_again() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    fixture.verdict(&store, 0).await;
    fixture.lag(&store, 5).await;
    for _ in 0..2 {
        let ran = program.run(&["promote", "--to", "mirror"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(stage_of(&store).await.stage, MIRROR);
    }
    let beyond = program.run(&["promote", "--to", "1%"]);
    assert_eq!(beyond.code, 4, "no read was mirrored yet: {beyond:?}");
    let unknown = program.run(&["promote", "--to", "2%"]);
    assert_eq!(unknown.code, 7);
    assert!(unknown.stderr.contains("mirror, whitelist, 0.01%"), "{unknown:?}");
}

#[tokio::test]
async fn a_promotion_that_waits_ends_at_its_timeout() {
    let fixture = easy();
    let (program, _store) = begun(&fixture, Stage::Off).await;
    let ran = program.run(&["promote", "--wait", "--timeout", "1500ms"]);
    assert_eq!(ran.code, 6, "{ran:?}");
}

#[tokio::test]
async fn a_promotion_that_is_told_to_stop_while_it_waits_has_not_arrived_and_says_so() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    let mut running = program.start(&["promote", "--wait", "-o", "ndjson"]);
    running.said("the gate is not met");
    let (code, printed) = running.terminate_and_read();
    assert_eq!(code, Some(4), "{printed}");
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&printed["stopped"], &printed["steps"]), (&json!(true), &json!([])));
    assert_eq!(stage_of(&store).await.stage, Stage::Off);
}

#[tokio::test]
async fn a_promotion_that_waits_outlives_a_store_that_is_busy() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    fixture.verdict(&store, 0).await;
    fixture.lag(&store, 5).await;
    // The history is written up to here before the store is locked.
    assert_eq!(program.run(&["whitelist", "add", "a"]).code, 0);
    let lock = crate::fixture::lock(&fixture.checkpoint()).await;
    let mut running = program.start(&["promote", "--wait", "--to", "mirror"]);
    running.said("looking again");
    drop(lock);
    // However long it stood before the lock, the live path has reported since.
    fixture.lag(&store, 5).await;
    assert_eq!(running.wait(), Some(0));
    assert_eq!(stage_of(&store).await.stage, MIRROR);
}

#[tokio::test]
async fn an_override_climbs_without_evidence_and_is_recorded() {
    let fixture = easy();
    let (program, store) = begun(&fixture, Stage::Off).await;
    assert_eq!(program.run(&["promote", "--override", "drill"]).code, 0);
    assert_eq!(stage_of(&store).await.stage, MIRROR);
    let history = program.run(&["history", "-o", "json"]).json();
    assert_eq!(history["changes"][1]["action"], "override");
    assert_eq!(history["changes"][1]["why"], "drill");
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

/// Throws the switch under `program` and checks that readers would see it.
pub(crate) fn throws(fixture: &Fixture, ran: &Ran) {
    assert_eq!(ran.code, 0, "{ran:?}");
    let said = fs::read_to_string(fixture.rollback_file()).unwrap();
    let said: Signed = serde_json::from_str(&said).unwrap();
    assert!(said.why == "p99" && said.who.contains('@') && said.when > Timestamp(0));
}

#[tokio::test]
async fn a_rollback_is_in_place_and_recorded_and_latches_until_retry() {
    let fixture = easy();
    let (program, store) = begun(&fixture, share(10_000)).await;
    let ran = program.run(&["rollback", "--why", "p99", "-o", "json"]);
    throws(&fixture, &ran);
    assert_eq!((&ran.json()["in_place"], &ran.json()["recorded"]), (&json!(true), &json!(true)));
    for refused in [&["promote"][..], &["promote", "--override", "x"], &["abort", "--yes"]] {
        let code = program.run(refused).code;
        assert!(code == 3 || code == 7, "{refused:?}: {code}");
    }
    let unasked = program.run(&["retry"]);
    assert_eq!(unasked.code, 7, "off a terminal it needs a yes");
    assert!(unasked.stderr.contains("--yes"), "{unasked:?}");
    assert_eq!(program.run(&["retry", "--yes"]).code, 0);
    assert!(!fixture.rollback_file().exists());
    let record = stage_of(&store).await;
    assert_eq!((record.stage, record.rolled_back), (Stage::Off, None));
    assert_eq!(program.run(&["promote", "--override", "again"]).code, 0);
    assert_eq!(stage_of(&store).await.stage, MIRROR);
}

#[tokio::test]
async fn the_switch_works_without_a_checkpoint_store() {
    let fixture = easy();
    let ran = Program::new(&fixture).run(&["rollback", "--why", "p99"]);
    throws(&fixture, &ran);
    assert!(ran.stdout.contains("not recorded"));
    assert!(!fixture.checkpoint().exists(), "it made no store");
}

#[tokio::test]
async fn the_switch_works_with_a_corrupt_checkpoint_store() {
    let fixture = easy();
    fs::write(fixture.checkpoint(), "not a database, and long enough to look at".repeat(99))
        .unwrap();
    throws(&fixture, &Program::new(&fixture).run(&["rollback", "--why", "p99"]));
}

#[tokio::test]
async fn the_switch_works_with_a_corrupt_stage() {
    let fixture = easy();
    let store = fixture.store().await;
    store.put(cutover::STAGE_KEY, b"{", None).await.unwrap().unwrap();
    let ran = Program::new(&fixture).run(&["rollback", "--why", "p99"]);
    throws(&fixture, &ran);
    assert!(ran.stdout.contains("not recorded"), "{ran:?}");
}

#[tokio::test]
async fn the_switch_works_with_a_checkpoint_store_that_may_not_be_written() {
    let fixture = easy();
    let (program, store) = begun(&fixture, share(10_000)).await;
    drop(store);
    // A superuser may write it all the same: then the rollback is recorded, too.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    fs::set_permissions(fixture.checkpoint(), mode).unwrap();
    throws(&fixture, &program.run(&["rollback", "--why", "p99"]));
}

#[tokio::test]
async fn the_switch_works_while_the_checkpoint_store_is_locked() {
    let fixture = easy();
    let (program, _store) = begun(&fixture, share(10_000)).await;
    let lock = crate::fixture::lock(&fixture.checkpoint()).await;
    let began = std::time::Instant::now();
    let ran = program.run(&["rollback", "--why", "p99"]);
    throws(&fixture, &ran);
    assert!(ran.stdout.contains("not known to be recorded"), "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    assert!(began.elapsed().as_secs() < 20, "it does not wait for the store");
    drop(lock);
    let again = program.run(&["rollback", "--why", "p99"]);
    assert!(
        again.code == 0 && again.stdout.contains("in the place of an earlier one"),
        "{again:?}"
    );
    assert!(again.stdout.contains("recorded: stage off"), "{again:?}");
}

#[tokio::test]
async fn the_switch_works_with_a_plan_that_is_wrong_elsewhere() {
    let fixture = easy();
    let text = fs::read_to_string(fixture.plan_file()).unwrap();
    let broken = text.replace("[queue]", "[qeue]").replace("flag =", "flagg =");
    fs::write(fixture.plan_file(), broken).unwrap();
    throws(&fixture, &Program::new(&fixture).run(&["rollback", "--why", "p99"]));
}

#[tokio::test]
async fn the_switch_works_without_any_plan_if_the_file_is_named() {
    let fixture = easy();
    fs::write(fixture.plan_file(), "= not toml").unwrap();
    let program = Program::new(&fixture);
    let lost = program.run(&["rollback", "--why", "p99"]);
    assert_eq!(lost.code, 2, "{lost:?}");
    assert!(lost.stderr.contains("--rollback-file"), "{lost:?}");
    let file = fixture.rollback_file();
    let named =
        program.run(&["rollback", "--why", "p99", "--rollback-file", file.to_str().unwrap()]);
    throws(&fixture, &named);
}

#[tokio::test]
async fn a_switch_that_cannot_be_thrown_fails_loudly() {
    let fixture = easy();
    fs::write(fixture.plan_file(), "= not toml").unwrap();
    let ran =
        Program::new(&fixture).run(&["rollback", "--rollback-file", "/proc/nowhere/rollback"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("THE SWITCH IS NOT THROWN") && ran.stdout.contains("touch"));
}

#[tokio::test]
async fn a_rollback_file_that_is_named_and_planned_is_thrown_once() {
    let fixture = easy();
    let (program, _store) = begun(&fixture, share(10_000)).await;
    let file = fixture.rollback_file();
    let named = ["--rollback-file", file.to_str().unwrap()];
    let words = ["rollback", "--why", "p99", "-o", "json"];
    let said = program.run(&[&words[..], &named].concat()).json();
    let files = said["files"].as_array().unwrap();
    assert_eq!((files.len(), &files[0]["state"]), (1, &json!("created")), "{said}");
}

/// A file that whoever opens it waits for.
fn pipe(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
}

#[tokio::test]
async fn the_switch_does_not_wait_for_a_plan_on_a_mount_that_hangs() {
    let fixture = easy();
    fs::remove_file(fixture.plan_file()).unwrap();
    pipe(&fixture.plan_file());
    let file = fixture.rollback_file();
    let words = ["rollback", "--why", "p99", "--rollback-file", file.to_str().unwrap()];
    let ran = Program::new(&fixture).run(&words);
    throws(&fixture, &ran);
    assert!(ran.stdout.contains("not recorded: read plan: after 3s"), "{ran:?}");
}

#[tokio::test]
async fn a_rollback_is_recorded_while_its_file_is_on_a_mount_that_hangs() {
    // So long that there is no room for a draft beside it: it is signed where it lies.
    let fixture = Fixture::with(&format!("rollback_file = \"{}\"\n", "r".repeat(230)));
    let (program, store) = begun(&fixture, share(10_000)).await;
    pipe(&fixture.rollback_file());
    let ran = program.run(&["rollback", "--why", "p99", "-o", "json"]);
    assert_eq!(ran.code, 1, "it is not known to be in place: {ran:?}");
    let said = ran.json();
    assert_eq!((&said["files"][0]["state"], &said["recorded"]), (&json!("unknown"), &json!(true)));
    assert_eq!(stage_of(&store).await.rolled_back.unwrap().signed.why, "p99");
}

#[tokio::test]
async fn a_rollback_that_only_the_file_knows_is_recorded_by_retry() {
    let fixture = easy();
    let (program, store) = begun(&fixture, share(100)).await;
    fs::write(fixture.rollback_file(), "").unwrap();
    assert_eq!(program.run(&["promote"]).code, 3);
    assert_eq!(program.run(&["promote", "--override", "x"]).code, 7);
    assert_eq!(program.run(&["retry", "--yes"]).code, 0);
    let record = stage_of(&store).await;
    assert_eq!((record.stage, record.rolled_back), (Stage::Off, None));
    let history = program.run(&["history", "-o", "json"]).json();
    assert_eq!(history["changes"][1]["action"], "rollback");
    assert_eq!(history["changes"][2]["action"], "retry");
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

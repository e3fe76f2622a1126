//! The big red switch, with everything else broken.

use super::{begun, easy, stage_of};
use crate::fixture::{Fixture, MIRROR, share};
use crate::program::{Program, Ran};
use cutover::{Signed, Stage};
use migration::checkpoint::CheckpointStore;
use migration::clock::Timestamp;
use serde_json::json;
use std::fs;
use std::path::Path;

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

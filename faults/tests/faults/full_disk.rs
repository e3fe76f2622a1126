//! A full disk stops a phase with an error that names the file, and costs nothing but time.

use faults::{Bed, differences};

const ROWS: u64 = 3_000;

/// What the side tables need, but not the data.
const SMALL_KIB: u64 = 256;

/// What an error message needs, but no database.
const TINY_KIB: u64 = 8;

async fn ready() -> Bed {
    let bed = Bed::new(ROWS, 13).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed
}

#[track_caller]
fn says_which_file(ran: &faults::Ran, file: &str) {
    ran.complains(1).names(&[file, "ulimit -f"]);
}

#[tokio::test]
async fn a_copy_goes_on_when_there_is_room_again() {
    let mut bed = ready().await;
    says_which_file(&bed.run_on_full_disk(SMALL_KIB, "backfill", &["run"]), "shard-");
    bed.change(50).await;
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn the_live_path_goes_on_when_there_is_room_again() {
    let mut bed = ready().await;
    bed.change(3_000).await;
    says_which_file(
        &bed.run_on_full_disk(SMALL_KIB, "dual-write", &["run", "--until-drained"]),
        "shard-",
    );
    bed.change(50).await;
    bed.finish();
    assert_eq!(differences(&bed).await, []);
}

#[tokio::test]
async fn a_verification_that_cannot_be_recorded_is_no_pass() {
    let bed = ready().await;
    bed.finish();
    for kib in [0, TINY_KIB] {
        says_which_file(&bed.run_on_full_disk(kib, "verify", &["run"]), "checkpoint.db");
    }
    drop(bed.run("verify", &["run"]).ok());
}

#[tokio::test]
async fn a_promotion_that_cannot_be_recorded_did_not_happen() {
    let bed = ready().await;
    bed.finish();
    drop(bed.run("verify", &["run"]).ok());
    for kib in [0, TINY_KIB] {
        says_which_file(&bed.run_on_full_disk(kib, "cutover", &["promote"]), "checkpoint.db");
    }
    let stage = bed.run("cutover", &["status", "--output", "json"]).json();
    assert_eq!(stage["stage"], "off", "{stage}");
}

#[tokio::test]
async fn the_big_red_switch_works_when_nothing_else_can_be_written() {
    let bed = ready().await;
    let thrown = bed.run_on_full_disk(TINY_KIB, "cutover", &["rollback", "--why", "disk full"]);
    assert_eq!(thrown.code, Some(0), "{thrown:?}");
    assert!(bed.path("rollback").exists(), "{thrown:?}");
}

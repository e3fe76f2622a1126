//! The switch thrown while an earlier throw is being ended, at every moment of that.

use super::fault_points::{Frozen, run};
use crate::fixture::{Fixture, lock, put, share, stage};
use cutover::{RollbackFile, Stage};
use migration::checkpoint::SqliteCheckpoint;

/// A retry that stands still at this point, of a rollback from the full share.
async fn retrying(point: &str) -> (Fixture, SqliteCheckpoint, Frozen) {
    let fixture = Fixture::with("[cutover.gate]\nsoak_s = 0\n");
    let store = fixture.store().await;
    put(&store, &fixture.at(share(10_000))).await;
    assert!(run(&fixture, &["rollback", "--why", "first"], "abort@1000000").success());
    let frozen = Frozen::at(&fixture, &["retry", "--yes"], point);
    (fixture, store, frozen)
}

/// Why the switch is thrown, by its files.
async fn why(fixture: &Fixture) -> Vec<String> {
    let found = RollbackFile::new(fixture.rollback_file()).read().await.unwrap();
    found.into_iter().map(|rollback| rollback.signed.why).collect()
}

#[tokio::test]
async fn a_rollback_that_cannot_be_recorded_survives_the_end_of_an_earlier_one() {
    for point in [
        "cutover.retry-before-remove",
        "cutover.rollback-file-ended",
        "cutover.rollback-file-aside",
        "cutover.rollback-file-removed",
    ] {
        let (fixture, store, frozen) = retrying(point).await;
        let lock = lock(&fixture.checkpoint()).await;
        let thrown = run(&fixture, &["rollback", "--why", "second"], "abort@1000000");
        assert!(thrown.success(), "{point}");
        drop(lock);
        let ended = frozen.go_on();
        assert_eq!(ended.code(), Some(5), "{point}: it says that it ended nothing");
        assert_eq!(why(&fixture).await, ["second"], "{point}");
        assert_eq!(stage(&store).await.rolled_back, None, "{point}: it was not recorded");
        // A retry that is given after it ends it like any other.
        assert!(run(&fixture, &["retry", "--yes"], "abort@1000000").success(), "{point}");
        assert!(why(&fixture).await.is_empty(), "{point}");
    }
}

#[tokio::test]
async fn a_rollback_that_is_recorded_while_an_earlier_one_is_ended_stays_latched() {
    for point in ["cutover.retry-recorded", "cutover.retry-before-remove"] {
        let (fixture, store, frozen) = retrying(point).await;
        assert!(run(&fixture, &["rollback", "--why", "second"], "abort@1000000").success());
        assert_eq!(frozen.go_on().code(), Some(5), "{point}");
        assert_eq!(why(&fixture).await, ["second"], "{point}");
        let record = stage(&store).await;
        assert_eq!(record.rolled_back.unwrap().signed.why, "second", "{point}");
        assert_eq!(record.stage, Stage::Off);
    }
}

//! The removal of guards that have done their duty.

use crate::bed::{Bed, PARTITION, SOURCE, applied, copied, delete, generation, key, set, version};
use migration::error::ErrorKind;
use migration::protocol::{Finish, Progress};
use migration::store::{CopyOutcome, LiveOutcome};

const EDGE: (&str, &str) = ("a", "x");

/// Copies nothing and marks the range as done.
async fn finish(bed: &Bed) {
    assert_eq!(bed.copy(0, &Progress::End, &[]).await, copied(0, 0, 0));
    let finish = bed.target.finish_range(SOURCE, None, &generation(1), 1).await.unwrap();
    assert_eq!(finish, Finish::Mark);
}

pub(crate) async fn guards_up_to_the_version_go_and_the_epoch_rises(bed: Bed) {
    bed.claimed().await;
    let changes = [delete(EDGE, 1), set(("b", "x"), 2, "live"), delete(("c", "x"), 3)];
    assert_eq!(bed.live(0, &changes).await, applied(3, 0, 0));
    finish(&bed).await;
    let before = bed.target.range(SOURCE, None).await.unwrap().unwrap().epoch.number;
    let purged = bed.target.purge(SOURCE, None, &version(2), 100).await.unwrap();
    assert_eq!(purged, 4, "two records in two tables");
    assert!(bed.guard(EDGE).await.is_none() && bed.guard(("b", "x")).await.is_none());
    assert!(bed.guard(("c", "x")).await.is_some());
    let after = bed.target.range(SOURCE, None).await.unwrap().unwrap().epoch.number;
    assert_eq!(after, before + 1);
    assert_eq!(bed.target.purge(SOURCE, None, &version(2), 100).await.unwrap(), 0);
}

pub(crate) async fn after_a_purge_the_old_epoch_and_the_old_generation_are_refused(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[delete(EDGE, 1)]).await, applied(1, 0, 0));
    finish(&bed).await;
    bed.target.claim_partition(PARTITION, &generation(2)).await.unwrap();
    assert_eq!(bed.target.purge(SOURCE, None, &version(9), 100).await.unwrap(), 2);
    // Nothing but the fences stands between the deleted edge and its return now.
    assert_eq!(bed.copy(1, &Progress::End, &[EDGE]).await, CopyOutcome::Fenced);
    assert_eq!(bed.live(1, &[set(EDGE, 0, "zombie")]).await, LiveOutcome::Fenced);
    // The current consumer, polling again from before its position, does not bring it back either.
    let current = generation(2);
    let again = bed.live_as(&current, 0, 1, &[set(EDGE, 0, "again")]).await;
    assert_eq!(again, applied(0, 1, 0));
    assert_eq!(bed.both().await, []);
}

pub(crate) async fn a_range_that_is_not_done_keeps_its_guards(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[delete(EDGE, 1)]).await, applied(1, 0, 0));
    let error = bed.target.purge(SOURCE, None, &version(9), 100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(bed.guard(EDGE).await.is_some());
    let error = bed.target.purge(SOURCE, Some(&key(EDGE)), &version(9), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
}

pub(crate) async fn a_purge_takes_no_more_than_it_may(bed: Bed) {
    bed.claimed().await;
    let changes = [delete(EDGE, 1), delete(("b", "x"), 2), delete(("c", "x"), 3)];
    assert_eq!(bed.live(0, &changes).await, applied(3, 0, 0));
    finish(&bed).await;
    for expected in [4, 2, 0] {
        assert_eq!(bed.target.purge(SOURCE, None, &version(9), 4).await.unwrap(), expected);
    }
}

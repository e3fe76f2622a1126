//! The removal of guards that have done their duty.

use crate::store_conformance::bed::{
    Bed, PARTITION, SOURCE, applied, copied, delete, generation, key, position, set, version,
};
use migration::error::ErrorKind;
use migration::protocol::{Finish, Progress};
use migration::store::{CopyOutcome, LiveOutcome, PurgeStep};

const EDGE: (&str, &str) = ("a", "x");

/// A purge that nothing stands against, up to a version.
fn below(at: u64) -> PurgeStep<'static> {
    PurgeStep {
        source_table: SOURCE,
        range_after: None,
        below: version(at),
        partition: PARTITION,
        passed: position(0),
        source_shows: true,
        open_dead_letters: false,
        limit: 100,
    }
}

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
    let purged = bed.target.purge(&below(2)).await.unwrap();
    assert_eq!(purged, 4, "two records in two tables");
    assert!(bed.guard(EDGE).await.is_none() && bed.guard(("b", "x")).await.is_none());
    assert!(bed.guard(("c", "x")).await.is_some());
    let after = bed.target.range(SOURCE, None).await.unwrap().unwrap().epoch.number;
    assert_eq!(after, before + 1);
    assert_eq!(bed.target.purge(&below(2)).await.unwrap(), 0);
}

pub(crate) async fn after_a_purge_the_old_epoch_and_the_old_generation_are_refused(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[delete(EDGE, 1)]).await, applied(1, 0, 0));
    finish(&bed).await;
    bed.target.claim_partition(PARTITION, &generation(2)).await.unwrap();
    assert_eq!(bed.target.purge(&below(9)).await.unwrap(), 2);
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
    let error = bed.target.purge(&below(9)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(bed.guard(EDGE).await.is_some());
    let nowhere = PurgeStep { range_after: Some(&key(EDGE)), ..below(9) };
    let error = bed.target.purge(&nowhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
}

pub(crate) async fn a_purge_takes_no_more_than_it_may(bed: Bed) {
    bed.claimed().await;
    let changes = [delete(EDGE, 1), delete(("b", "x"), 2), delete(("c", "x"), 3)];
    assert_eq!(bed.live(0, &changes).await, applied(3, 0, 0));
    finish(&bed).await;
    for expected in [4, 2, 0] {
        assert_eq!(bed.target.purge(&PurgeStep { limit: 4, ..below(9) }).await.unwrap(), expected);
    }
}

pub(crate) async fn guards_that_something_still_needs_stay(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[delete(EDGE, 1)]).await, applied(1, 0, 0));
    finish(&bed).await;
    let next = bed.target.partition(PARTITION).await.unwrap().unwrap().next;
    let later = position(9);
    assert!(later > next);
    for (step, needed_for) in [
        (PurgeStep { open_dead_letters: true, ..below(9) }, "dlq"),
        (PurgeStep { source_shows: false, ..below(9) }, "replica"),
        (PurgeStep { passed: later, ..below(9) }, "dual-write run"),
        (PurgeStep { partition: "unheard-of", ..below(9) }, "dual-write run"),
    ] {
        let error = bed.target.purge(&step).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.next_step().unwrap().contains(needed_for), "{error:?}");
    }
    assert!(bed.guard(EDGE).await.is_some());
    let purged = bed.target.purge(&PurgeStep { passed: next, ..below(9) }).await.unwrap();
    assert_eq!(purged, 2);
}

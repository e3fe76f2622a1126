//! The copy of the history.

use crate::store_conformance::bed::{
    Bed, PARTITION, SOURCE, applied, copied, delete, generation, key, notes, set,
};
use migration::protocol::{Finish, Kind, Progress, RangeState};
use migration::store::CopyOutcome;

const EDGE: (&str, &str) = ("a", "x");
const OTHER: (&str, &str) = ("b", "x");

fn after(edge: (&str, &str)) -> Progress {
    Progress::After(key(edge))
}

pub(crate) async fn the_copy_inserts_what_is_not_there(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.copy(0, &after(EDGE), &[EDGE]).await, copied(2, 0, 0));
    let range = bed.target.range(SOURCE, None).await.unwrap().unwrap();
    assert_eq!(range.state, RangeState::Copying);
    assert_eq!((range.progress, range.batches), (after(EDGE), 1));
    // A batch that was written and whose answer was lost is read and written again.
    assert_eq!(bed.copy(1, &after(OTHER), &[EDGE, OTHER]).await, copied(2, 2, 0));
    assert_eq!(bed.both().await, notes(&[("a/x", "copied"), ("b/x", "copied")]));
    assert_eq!(bed.guard(EDGE).await, None, "the copy writes no guard");
}

pub(crate) async fn a_tombstone_refuses_the_copy(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[delete(EDGE, 1)]).await, applied(1, 0, 0));
    assert_eq!(bed.copy(0, &Progress::End, &[EDGE, OTHER]).await, copied(2, 0, 2));
    assert_eq!(bed.both().await, notes(&[("b/x", "copied")]));
}

pub(crate) async fn live_data_wins_over_the_copy(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(EDGE, 1, "live")]).await, applied(1, 0, 0));
    assert_eq!(bed.copy(0, &Progress::End, &[EDGE, OTHER]).await, copied(2, 0, 2));
    assert_eq!(bed.both().await, notes(&[("a/x", "live"), ("b/x", "copied")]));
    // And the copy gives way to what comes live after it.
    assert_eq!(bed.live(1, &[set(OTHER, 2, "later")]).await, applied(1, 0, 0));
    assert_eq!(bed.both().await, notes(&[("a/x", "live"), ("b/x", "later")]));
}

pub(crate) async fn a_worker_of_an_old_epoch_is_refused(bed: Bed) {
    bed.claimed().await;
    bed.target.claim_range(SOURCE, None, &generation(2)).await.unwrap();
    assert_eq!(bed.copy(0, &after(EDGE), &[EDGE]).await, CopyOutcome::Fenced);
    assert_eq!(bed.both().await, []);
    let second = generation(2);
    let next = after(EDGE);
    assert_eq!(bed.copy_as(&second, None, 0, Some(&next), &[EDGE]).await, copied(2, 0, 0));
}

pub(crate) async fn a_batch_that_was_lost_shows(mut bed: Bed) {
    bed.claimed().await;
    bed.back_up().await;
    // A lower key waits, so the lost batch leaves the progress where it was.
    assert_eq!(bed.copy(0, &Progress::Start, &[OTHER]).await, copied(2, 0, 0));
    bed.restore().await;
    assert_eq!(bed.copy(1, &Progress::End, &[EDGE]).await, CopyOutcome::LostTail);
    assert_eq!(bed.both().await, []);
    assert_eq!(bed.copy(0, &Progress::End, &[EDGE, OTHER]).await, copied(4, 0, 0));
}

pub(crate) async fn a_claim_after_a_lost_tail_is_no_claim(mut bed: Bed) {
    bed.set_up().await;
    bed.back_up().await;
    bed.target.claim_range(SOURCE, None, &generation(1)).await.unwrap();
    bed.restore().await;
    assert_eq!(bed.copy(0, &after(EDGE), &[EDGE]).await, CopyOutcome::LostTail);
    assert_eq!(bed.both().await, []);
}

pub(crate) async fn a_sample_keeps_no_progress(bed: Bed) {
    bed.claimed().await;
    let before = bed.target.range(SOURCE, None).await.unwrap();
    assert_eq!(bed.live(0, &[delete(EDGE, 1)]).await, applied(1, 0, 0));
    let epoch = generation(1);
    assert_eq!(bed.copy_as(&epoch, None, 0, None, &[EDGE, OTHER]).await, copied(2, 0, 2));
    assert_eq!(bed.target.range(SOURCE, None).await.unwrap(), before);
    assert_eq!(bed.both().await, notes(&[("b/x", "copied")]));
    assert_eq!(bed.copy(0, &Progress::End, &[OTHER]).await, copied(0, 2, 0));
}

pub(crate) async fn a_range_that_is_done_takes_no_more(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.copy(0, &Progress::End, &[]).await, copied(0, 0, 0));
    let done = bed.target.finish_range(SOURCE, None, &generation(1), 1).await.unwrap();
    assert_eq!(done, Finish::Mark);
    // The worker that has marked it is as old as any other; one that claims it anew is told.
    assert_eq!(bed.copy(1, &Progress::End, &[EDGE]).await, CopyOutcome::Fenced);
    let anew = generation(9);
    bed.target.claim_range(SOURCE, None, &anew).await.unwrap();
    let end = Progress::End;
    assert_eq!(bed.copy_as(&anew, None, 1, Some(&end), &[EDGE]).await, CopyOutcome::Done);
    assert_eq!(bed.both().await, []);
}

pub(crate) async fn a_dirty_record_is_read_again_later(bed: Bed) {
    bed.claimed().await;
    bed.plant(EDGE, Kind::Dirty, 4).await;
    let outcome = bed.copy(0, &Progress::End, &[EDGE, OTHER]).await;
    let later = vec![key(EDGE)];
    assert_eq!(outcome, CopyOutcome::Applied { inserted: 3, existing: 0, refused: 0, later });
    assert_eq!(bed.notes(bed.followers()).await, notes(&[("b/x", "copied")]));
}

pub(crate) async fn scattered_records_ask_for_their_guards_by_key(bed: Bed) {
    bed.claimed().await;
    // Between two records of a batch lie more guards than it is worth reading.
    let names: Vec<String> = (0..300).map(|n| format!("m{n:03}")).collect();
    let mut changes: Vec<_> =
        names.iter().zip(1..).map(|(name, at)| set((name, "x"), at, "live")).collect();
    changes.push(delete(("z", "x"), 1000));
    assert_eq!(bed.live(0, &changes).await, applied(301, 0, 0));
    let outcome = bed.copy(0, &Progress::End, &[EDGE, ("m100", "x"), ("z", "x")]).await;
    assert_eq!(outcome, copied(2, 0, 4));
    let found = bed.both().await;
    assert_eq!(found.len(), 301);
    assert!(!found.iter().any(|(edge, _)| edge == "z/x"));
}

pub(crate) async fn a_record_outside_of_the_range_is_refused(bed: Bed) {
    bed.set_up().await;
    bed.target.split_range(SOURCE, &key(EDGE)).await.unwrap();
    // The lower part ends with this edge, whoever has it.
    bed.target.claim_range(SOURCE, None, &generation(9)).await.unwrap();
    let epoch = generation(9);
    let next = after(EDGE);
    let beyond = bed.copy_as(&epoch, None, 0, Some(&next), &[EDGE, OTHER]).await;
    assert_eq!(beyond, CopyOutcome::Fenced);
    assert_eq!(bed.both().await, []);
    assert_eq!(bed.copy_as(&epoch, None, 0, Some(&next), &[EDGE]).await, copied(2, 0, 0));
    assert!(bed.target.partition(PARTITION).await.unwrap().is_some());
}

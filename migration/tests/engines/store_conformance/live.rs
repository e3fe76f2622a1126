//! Live changes.

use crate::store_conformance::bed::{
    Bed, PARTITION, applied, delete, generation, live_step, notes, position, renamed, set, version,
};
use migration::error::ErrorKind;
use migration::protocol::{Claim, Effect, Kind};
use migration::store::{LiveOutcome, StartPosition};

const EDGE: (&str, &str) = ("a", "x");

pub(crate) async fn a_batch_is_applied_and_moves_the_position(bed: Bed) {
    bed.claimed().await;
    let changes = [set(EDGE, 1, "one"), set(("b", "x"), 2, "two"), delete(("c", "x"), 3)];
    assert_eq!(bed.live(0, &changes).await, applied(3, 0, 0));
    assert_eq!(bed.both().await, notes(&[("a/x", "one"), ("b/x", "two")]));
    assert_eq!(bed.target.partition(PARTITION).await.unwrap().unwrap().next, position(3));
    assert_eq!(bed.guard(EDGE).await.map(|guard| guard.kind), Some(Kind::Present));
    let tombstone = bed.guard(("c", "x")).await.unwrap();
    assert_eq!((tombstone.kind, tombstone.version), (Kind::Deleted, version(3)));

    assert_eq!(bed.live(3, &[set(EDGE, 4, "four"), delete(("b", "x"), 5)]).await, applied(2, 0, 0));
    assert_eq!(bed.both().await, notes(&[("a/x", "four")]));
}

pub(crate) async fn an_older_change_does_not_reach_the_target(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(EDGE, 9, "new")]).await, applied(1, 0, 0));
    assert_eq!(bed.live(1, &[set(EDGE, 8, "old")]).await, applied(0, 0, 1));
    assert_eq!(bed.live(2, &[delete(EDGE, 7)]).await, applied(0, 0, 1));
    assert_eq!(bed.both().await, notes(&[("a/x", "new")]));
    assert_eq!(bed.guard(EDGE).await.unwrap().version, version(9));
}

pub(crate) async fn the_same_change_again_is_a_duplicate(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(EDGE, 9, "new")]).await, applied(1, 0, 0));
    // Redelivered further on in the queue, so that the position does not tell.
    assert_eq!(bed.live(1, &[set(EDGE, 9, "new")]).await, applied(0, 1, 0));
    assert_eq!(bed.both().await, notes(&[("a/x", "new")]));
}

pub(crate) async fn a_deleted_record_does_not_come_back_with_an_older_change(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(EDGE, 1, "old"),]).await, applied(1, 0, 0));
    assert_eq!(bed.live(1, &[delete(EDGE, 3)]).await, applied(1, 0, 0));
    assert_eq!(bed.live(2, &[set(EDGE, 2, "late")]).await, applied(0, 0, 1));
    assert_eq!(bed.both().await, []);
}

pub(crate) async fn a_newer_change_brings_a_deleted_record_back(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[delete(EDGE, 3)]).await, applied(1, 0, 0));
    assert_eq!(bed.live(1, &[set(EDGE, 4, "again")]).await, applied(1, 0, 0));
    assert_eq!(bed.both().await, notes(&[("a/x", "again")]));
}

pub(crate) async fn a_partition_begins_anew_with_a_claim_and_not_without(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(EDGE, 5, "before")]).await, applied(1, 0, 0));
    let anew = bed.target.restart_partition(PARTITION, &generation(1), &position(2)).await.unwrap();
    assert_ne!(anew, Claim::Take);
    let anew = bed.target.restart_partition(PARTITION, &generation(2), &position(2)).await.unwrap();
    assert_eq!(anew, Claim::Take);
    let row = bed.target.partition(PARTITION).await.unwrap().unwrap();
    assert_eq!((row.generation, row.start, row.next), (generation(2), position(2), position(2)));
    assert_eq!(bed.live(2, &[set(EDGE, 6, "zombie")]).await, LiveOutcome::Fenced);
    assert_eq!(bed.both().await, notes(&[("a/x", "before")]), "the data stays");
}

pub(crate) async fn a_zombie_of_an_old_generation_is_refused(bed: Bed) {
    bed.claimed().await;
    let claim = bed.target.claim_partition(PARTITION, &generation(2)).await.unwrap();
    assert_eq!(claim, Claim::Take);
    assert_eq!(bed.live(0, &[set(EDGE, 1, "zombie")]).await, LiveOutcome::Fenced);
    // Another process that claimed the same number is no less a stranger.
    let mut twin = generation(2);
    twin.owner.0 += 1;
    assert_eq!(bed.live_as(&twin, 0, 1, &[set(EDGE, 1, "twin")]).await, LiveOutcome::Fenced);
    assert_eq!(bed.both().await, []);
    assert_eq!(bed.target.partition(PARTITION).await.unwrap().unwrap().next, position(0));
    let current = generation(2);
    assert_eq!(bed.live_as(&current, 0, 1, &[set(EDGE, 1, "it")]).await, applied(1, 0, 0));
}

pub(crate) async fn a_batch_that_begins_beyond_the_position_is_a_gap(bed: Bed) {
    bed.claimed().await;
    let gap = LiveOutcome::Gap(position(0));
    assert_eq!(bed.live(1, &[set(EDGE, 2, "second")]).await, gap);
    assert_eq!(bed.both().await, []);
    assert_eq!(bed.guard(EDGE).await, None);
}

pub(crate) async fn changes_before_the_position_are_passed_over(bed: Bed) {
    bed.claimed().await;
    assert_eq!(bed.live(0, &[set(EDGE, 1, "one")]).await, applied(1, 0, 0));
    let changes = [set(("b", "x"), 1, "gone by"), set(EDGE, 2, "two")];
    assert_eq!(bed.live(0, &changes).await, applied(1, 1, 0));
    assert_eq!(bed.both().await, notes(&[("a/x", "two")]));
}

pub(crate) async fn a_batch_without_changes_moves_the_position(bed: Bed) {
    bed.claimed().await;
    let none = generation(1);
    let step = live_step(&none, 0, 40, &[]);
    let outcome = bed.target.apply_live(&step).await.unwrap();
    assert_eq!(outcome, LiveOutcome::Applied { tallies: Vec::new() });
    assert_eq!(bed.target.partition(PARTITION).await.unwrap().unwrap().next, position(40));
}

pub(crate) async fn a_batch_polled_again_after_a_rewind_does_not_move_the_position_back(bed: Bed) {
    bed.claimed().await;
    assert_eq!(
        bed.live(0, &[set(EDGE, 1, "one"), set(("b", "x"), 2, "two")]).await,
        applied(2, 0, 0)
    );
    assert_eq!(bed.live(0, &[set(EDGE, 1, "one")]).await, applied(0, 1, 0));
    let partition = bed.target.partition(PARTITION).await.unwrap().unwrap();
    assert_eq!((partition.start, partition.next), (position(0), position(2)));
}

pub(crate) async fn a_lost_tail_takes_claim_position_and_records_back_together(mut bed: Bed) {
    bed.set_up().await;
    bed.back_up().await;
    bed.target.claim_partition(PARTITION, &generation(1)).await.unwrap();
    assert_eq!(bed.live(0, &[set(EDGE, 1, "one")]).await, applied(1, 0, 0));
    bed.restore().await;

    assert_eq!(bed.live(1, &[set(EDGE, 2, "two")]).await, LiveOutcome::LostTail);
    assert_eq!(bed.both().await, []);
    let partition = bed.target.partition(PARTITION).await.unwrap().unwrap();
    assert_eq!((partition.next, partition.generation.number), (position(0), 0));
    bed.target.claim_partition(PARTITION, &generation(2)).await.unwrap();
    let both = [set(EDGE, 1, "one"), set(EDGE, 2, "two")];
    let mine = generation(2);
    assert_eq!(bed.live_as(&mine, 0, 1, &both[..1]).await, applied(1, 0, 0));
    assert_eq!(bed.live_as(&mine, 1, 2, &both[1..]).await, applied(1, 0, 0));
    assert_eq!(bed.both().await, notes(&[("a/x", "two")]));
}

pub(crate) async fn a_step_that_fails_midway_leaves_nothing(bed: Bed) {
    bed.claimed().await;
    let good = bed.live_writes(bed.followers(), 0, &[set(EDGE, 1, "one")]);
    // The second table of the step is not there: the first has been written by then.
    let dropped = renamed(&bed, "dropped");
    let missing = bed.live_writes(&dropped.targets()[0], 0, &[set(EDGE, 1, "one")]);
    let writes = [good, missing];
    let step_generation = generation(1);
    let step = live_step(&step_generation, 0, 1, &writes);
    let error = bed.target.apply_live(&step).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");

    assert_eq!(bed.both().await, []);
    assert_eq!(bed.guard(EDGE).await, None);
    assert_eq!(bed.target.partition(PARTITION).await.unwrap().unwrap().next, position(0));
    assert_eq!(bed.live(0, &[set(EDGE, 1, "one")]).await, applied(1, 0, 0));
}

pub(crate) async fn a_key_that_no_range_holds_stops_the_step(bed: Bed) {
    // Set up without the source table, as an instance that lost its ranges would look.
    let start = StartPosition { partition: PARTITION.to_owned(), position: position(0) };
    bed.target.set_up(&[], &[start]).await.unwrap();
    bed.target.claim_partition(PARTITION, &generation(1)).await.unwrap();
    let writes = [bed.live_writes(bed.followers(), 0, &[set(EDGE, 1, "one")])];
    let mine = generation(1);
    let error = bed.target.apply_live(&live_step(&mine, 0, 1, &writes)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
    assert_eq!(bed.both().await, []);
}

pub(crate) async fn a_command_is_refused(bed: Bed) {
    bed.claimed().await;
    let mut writes = [bed.live_writes(bed.followers(), 0, &[set(EDGE, 1, "one")])];
    writes[0].entries[0].effect = Effect::Delta;
    let mine = generation(1);
    let error = bed.target.apply_live(&live_step(&mine, 0, 1, &writes)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(bed.target.partition(PARTITION).await.unwrap().unwrap().next, position(0));
}

pub(crate) async fn many_changes_at_once_are_all_applied(bed: Bed) {
    bed.claimed().await;
    let names: Vec<String> = (0..1500).map(|n| format!("p{n:05}")).collect();
    let sets: Vec<_> =
        names.iter().zip(1..).map(|(name, at)| set((name, "x"), at, "set")).collect();
    assert_eq!(bed.live(0, &sets).await, applied(1500, 0, 0));
    assert_eq!(bed.both().await.len(), 1500);
    // Every other one is deleted, every fifth again with an old version.
    let changes: Vec<_> =
        names
            .iter()
            .zip(1..)
            .filter(|(_, at)| at % 2 == 0 || at % 5 == 0)
            .map(|(name, at)| {
                if at % 2 == 0 {
                    delete((name, "x"), 5000 + at)
                } else {
                    set((name, "x"), 0, "old")
                }
            })
            .collect();
    let stale = changes.iter().filter(|change| change.note.is_some()).count();
    let stale = u64::try_from(stale).unwrap();
    assert_eq!(bed.live(1500, &changes).await, applied(750, 0, stale));
    let left = bed.both().await;
    assert_eq!(left.len(), 750);
    assert!(left.iter().all(|(_, note)| note == "set"));
}

//! What a run finds, over stores in memory: every class of difference, records that only move, and
//! a run that is interrupted.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/memory_bed.rs"]
mod memory_bed;

use memory_bed::{BATCH, Bed, Steps, owner_of};
use migration::checkpoint::desired::Rate;
use migration::checkpoint::verdict::Outcome;
use migration::error::ErrorKind;
use migration::sample::Sample;
use migration::throttle::PAUSED;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::time::Instant;
use verify::difference::DifferenceKind;
use verify::record::DIFFERENCES_KEPT_MAX;
use verify::scope::Scope;

const ROWS: i128 = 1_000;

#[tokio::test]
async fn two_equal_sides_pass_and_every_copy_is_compared() {
    let bed = Bed::new(ROWS).await;
    let (record, outcome) = bed.compare(Scope::Full).await;
    assert_eq!(outcome, Outcome::Pass);
    assert_eq!(record.tally.compared, 2_000, "each record lies in two target tables");
    assert_eq!(record.walked, 3_000, "one of them is in another order, and walked from both sides");
    assert_eq!(record.tally.differing(), 0);
}

#[tokio::test]
async fn a_missing_record_is_found_in_either_copy() {
    for table in ["by_owner", "by_item"] {
        let bed = Bed::new(ROWS).await;
        bed.remove_from_target(table, 500).await;
        let (record, outcome) = bed.compare(Scope::Full).await;
        assert_eq!((record.tally.missing, record.tally.differing()), (1, 1), "{table}");
        assert_eq!(outcome, Outcome::Fail);
        let found = bed.differences(&record).await;
        assert_eq!(found[0].kind, DifferenceKind::Missing);
        assert_eq!((found[0].target_table.as_str(), found[0].key.as_str()), (table, "71/500"));
    }
}

#[tokio::test]
async fn a_record_only_on_the_target_is_found_at_the_ends_and_between() {
    for table in ["by_owner", "by_item"] {
        for item in [-5, 500, 5_000] {
            let bed = Bed::new(ROWS).await;
            bed.put_into_target(table, 77_777, item, "x").await;
            let (record, _) = bed.compare(Scope::Full).await;
            assert_eq!(record.tally.only_on_target, 1, "{table} {item}");
            assert_eq!(record.tally.differing(), 1, "{table} {item}");
        }
    }
}

#[tokio::test]
async fn however_many_records_only_the_target_has_a_run_holds_few_at_a_time() {
    let bed = Bed::new(ROWS).await;
    for item in 0..3_000 {
        bed.put_into_target("by_owner", owner_of(500), 1_000_000 + item, "x").await;
    }
    let mut steps = Steps::default();
    let (record, _) = bed.compare_watched(Scope::Full, &mut steps).await;
    assert_eq!((record.tally.only_on_target, record.tally.missing), (3_000, 0));
    assert_eq!(record.tally.compared, 5_000, "none is counted twice");
    assert!(steps.longest() <= 2 * BATCH, "{} records in one step", steps.longest());
}

#[tokio::test]
async fn a_record_on_the_wrong_instance_is_only_on_the_target_there() {
    let bed = Bed::new(ROWS).await;
    bed.copy_to_the_wrong_instance("by_owner", 500).await;
    let (record, _) = bed.compare(Scope::Full).await;
    assert_eq!((record.tally.only_on_target, record.tally.differing()), (1, 1));
}

#[tokio::test]
async fn values_swapped_shifted_or_lost_in_pairs_are_all_found() {
    let bed = Bed::new(ROWS).await;
    // Two values of one length swapped: sums and exclusive-ors of weak checksums cancel here.
    bed.put_into_target("by_owner", 71, 500, "value-0501").await;
    bed.put_into_target("by_owner", 71, 501, "value-0500").await;
    let (record, _) = bed.compare(Scope::Full).await;
    assert_eq!((record.tally.different, record.tally.differing()), (2, 2));
    let found = bed.differences(&record).await;
    assert!(found.iter().all(|difference| difference.columns == ["label"]), "{found:?}");
}

#[tokio::test]
async fn null_is_not_the_empty_text() {
    let bed = Bed::new(ROWS).await;
    bed.put_into_target("by_item", 71, 500, "").await;
    bed.put_null_into_source(500).await;
    let (record, _) = bed.compare(Scope::Full).await;
    assert_eq!(record.tally.different, 2, "both copies hold a text");
}

#[tokio::test]
async fn a_record_beside_its_tombstone_is_resurrected() {
    let bed = Bed::new(ROWS).await;
    bed.delete_live(500).await;
    bed.put_into_target("by_owner", 71, 500, "value-0500").await;
    let (record, _) = bed.compare(Scope::Full).await;
    assert_eq!((record.tally.resurrected, record.tally.differing()), (1, 1));
}

#[tokio::test]
async fn a_change_that_the_live_path_has_not_applied_is_unsettled_not_different() {
    let bed = Bed::new(ROWS).await;
    bed.change_source_without_applying(500).await;
    let (record, outcome) = bed.compare(Scope::Full).await;
    assert_eq!((record.tally.differing(), record.tally.unsettled), (0, 2));
    assert_eq!(outcome, Outcome::Inconclusive);
}

/// As from a Debezium, which looks twice a second by default: the queue is empty and read to its
/// end, and the source is ahead of it.
#[tokio::test(start_paused = true)]
async fn a_change_that_the_queue_gets_late_is_no_difference() {
    let bed = Bed::new(ROWS).await.with_producer_lag_max(Duration::from_secs(10));
    bed.change_source_alone(500).await;
    let late = async {
        tokio::time::sleep(Duration::from_secs(9)).await;
        bed.produce();
        bed.apply_the_change(500).await;
    };
    let (compared, ()) = tokio::join!(bed.compare(Scope::Full), late);
    let (record, outcome) = compared;
    assert_eq!((record.tally.differing(), record.tally.unsettled), (0, 0));
    assert_eq!(outcome, Outcome::Pass);
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_gets_late_is_no_difference_however_much_of_it_there_is() {
    let rows = 6_000;
    let bed = Bed::new(rows).await.with_producer_lag_max(Duration::from_secs(10));
    for item in 0..rows {
        bed.change_source_alone(item).await;
    }
    let late = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        bed.produce();
        bed.apply_the_changes(0..rows).await;
    };
    let (compared, ()) = tokio::join!(bed.compare(Scope::Full), late);
    let (record, outcome) = compared;
    assert_eq!((record.tally.differing(), outcome), (0, Outcome::Pass), "{record:?}");
    let (mended, converged) = (record.tally.mended, record.tally.converged);
    assert!((1..=DIFFERENCES_KEPT_MAX).contains(&mended), "{mended} were kept until the end");
    assert!(converged > 0, "one set was more than could be kept, and was judged on the way");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_the_queue_never_gets_is_a_difference_once_it_may_no_longer_come() {
    let bed = Bed::new(ROWS).await.with_producer_lag_max(Duration::from_secs(10));
    bed.change_source_alone(500).await;
    let began = Instant::now();
    let (record, outcome) = bed.compare(Scope::Full).await;
    assert_eq!((record.tally.different, record.tally.unsettled), (2, 0));
    assert_eq!(outcome, Outcome::Fail);
    let took = began.elapsed();
    assert!((10..13).contains(&took.as_secs()), "both tables wait together: {took:?}");
}

#[tokio::test]
async fn a_sampled_backfill_is_judged_as_a_census_of_its_entities() {
    let bed = Bed::new(ROWS).await;
    let sample = Sample::new(3, 0.2).unwrap();
    bed.keep_only(sample).await;
    let (record, outcome) = bed.compare(Scope::Backfilled { sample }).await;
    assert_eq!(outcome, Outcome::Pass);
    assert!((100..800).contains(&record.tally.compared), "{}", record.tally.compared);
    let (record, outcome) = bed.compare(Scope::Full).await;
    assert_eq!(outcome, Outcome::Fail);
    assert!(record.tally.missing > 1_000, "{}", record.tally.missing);
}

#[tokio::test]
async fn a_sample_of_a_thousand_records_is_too_small_for_six_nines() {
    let bed = Bed::new(ROWS).await;
    let sample = Sample::new(3, 0.5).unwrap();
    let (record, outcome) = bed.compare(Scope::Sampled { sample }).await;
    assert_eq!((record.tally.differing(), outcome), (0, Outcome::Inconclusive));
}

#[tokio::test]
async fn a_run_that_is_stopped_at_every_save_counts_each_record_once() {
    let bed = Bed::new(ROWS).await;
    bed.remove_from_target("by_owner", 20).await;
    bed.remove_from_target("by_item", 900).await;
    let (record, runs) = bed.compare_with_stops(Scope::Full).await;
    assert!(runs > 10, "it was stopped {runs} times");
    assert_eq!((record.tally.compared, record.tally.missing), (2_000, 2));
    assert_eq!(bed.differences(&record).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_live_path_that_is_far_behind() {
    let bed = Bed::new(ROWS).await.with_patience(Duration::from_secs(3_600));
    bed.change_source_without_applying(0).await;
    let began = Instant::now();
    bed.compare_a_part(Scope::Full, 1).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_was_mended_before_the_end_of_a_run_is_not_in_its_verdict() {
    let bed = Bed::new(ROWS).await;
    for item in 0..60 {
        bed.remove_from_target("by_owner", item).await;
    }
    bed.compare_a_part(Scope::Full, 3).await;
    // All but one, which is by now different instead of missing.
    for item in 0..60 {
        let label = if item == 7 { "stale".to_owned() } else { format!("value-{item:04}") };
        bed.put_into_target("by_owner", item / 7, item, &label).await;
    }
    let (record, outcome) = bed.compare_the_rest().await.unwrap();
    let tally = record.tally;
    assert_eq!((tally.missing, tally.different, tally.mended), (0, 1, 59));
    assert_eq!(outcome, Outcome::Fail, "one of 2,000");
    let found = bed.differences(&record).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind, found[0].key.as_str()), (DifferenceKind::Different, "1/7"));
}

#[tokio::test]
async fn a_record_that_was_unsettled_is_judged_by_what_it_is_at_the_end() {
    let bed = Bed::new(ROWS).await;
    bed.change_source_without_applying(5).await;
    bed.compare_a_part(Scope::Full, 2).await;
    bed.apply_the_change(5).await;
    let (record, outcome) = bed.compare_the_rest().await.unwrap();
    assert_eq!((record.tally.unsettled, record.tally.differing()), (0, 0), "{:?}", record.tally);
    assert_eq!((record.tally.mended, outcome), (1, Outcome::Pass));
}

#[tokio::test]
async fn a_run_does_not_go_on_over_a_target_that_was_restored_from_a_backup() {
    for instance in [0, 1] {
        let bed = Bed::new(ROWS).await;
        let backup = bed.snapshot(instance).await;
        bed.delete_live(500).await;
        bed.compare_a_part(Scope::Full, 4).await;
        bed.restore(instance, backup).await;
        let error = bed.compare_the_rest().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("live changes"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_keeps_the_rate_and_stands_still_while_it_is_paused() {
    let bed = Bed::new(ROWS).await;
    bed.throttle().set_rate(Rate::PerSecond(NonZeroU32::new(100).unwrap()));
    let began = Instant::now();
    let resume = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        bed.throttle().hold(PAUSED, "paused by a test");
        tokio::time::sleep(Duration::from_secs(60)).await;
        bed.throttle().lift(PAUSED);
    };
    let ((record, outcome), ()) = tokio::join!(bed.compare(Scope::Full), resume);
    assert_eq!((record.tally.compared, outcome), (2_000, Outcome::Pass));
    let seconds = began.elapsed().as_secs();
    assert!(
        (85..=100).contains(&seconds),
        "3,000 reads at 100/s and a pause of 60 s took {seconds} s"
    );
}

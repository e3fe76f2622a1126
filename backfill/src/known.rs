//! How much of a table was copied before a run began, as far as the ranges in the target tell.
//!
//! For display only. A range that is done counts as its share of the table. One that is half done
//! has only its batches to show: each counts as much as those of the ranges that are done did, or
//! as a full one as long as there are none.

use migration::claim::RangeView;
use migration::protocol::Progress;

/// About how many of a table's `records` have been copied. `batch_rows_max`: of a batch as large as
/// it may be now.
pub(crate) fn known(ranges: &[RangeView], records: u64, batch_rows_max: usize) -> u64 {
    let count = |ranges: usize| u64::try_from(ranges).unwrap_or(u64::MAX);
    let share = records / count(ranges.len()).max(1);
    let done = ranges.iter().filter(|range| range.done);
    let (ranges_done, batches_done) =
        done.fold((0, 0_u64), |(ranges, batches), range| (ranges + 1, batches + range.batches));
    let in_done = share * ranges_done;
    let per_batch = in_done.checked_div(batches_done).unwrap_or(count(batch_rows_max));
    let is_begun = |range: &&RangeView| !range.done && range.progress != Progress::Start;
    let begun = ranges.iter().filter(is_begun);
    in_done + begun.map(|range| range.batches.saturating_mul(per_batch).min(share)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::known;
    use migration::claim::RangeView;
    use migration::key::Key;
    use migration::protocol::Progress;
    use migration::value::Value;

    fn range(done: bool, progress: Progress, batches: u64) -> RangeView {
        RangeView { after: None, until: None, done, progress, batches, split_everywhere: true }
    }

    fn half(batches: u64) -> RangeView {
        let key = Key::new([Value::Int(7)]).unwrap();
        range(false, Progress::After(key), batches)
    }

    #[test]
    fn a_range_that_is_half_done_counts_what_its_batches_hold() {
        let open = range(false, Progress::Start, 3);
        assert_eq!(known(&[open.clone(), open.clone()], 1_000, 100), 0, "a sample is no progress");
        assert_eq!(known(&[half(2), open.clone()], 1_000, 100), 200);
        let done = range(true, Progress::End, 25);
        assert_eq!(known(&[done.clone(), half(5)], 1_000, 100), 600, "batches of 20, as seen");
        assert_eq!(known(&[done.clone(), done], 1_000, 100), 1_000);
    }

    #[test]
    fn no_range_counts_for_more_than_its_share() {
        assert_eq!(known(&[half(u64::MAX), half(1)], 1_000, 100), 600);
        assert_eq!(known(&[range(true, Progress::End, 0)], 0, 100), 0, "an empty table");
    }
}

//! What all instances together say of a table's ranges, read now.

use super::not_set_up;
use crate::error::Result;
use crate::key::Key;
use crate::protocol::{Progress, Range, RangeState};
use crate::store::Target;
use futures::future::try_join_all;
use std::sync::Arc;

/// Most ranges read in one call.
const PAGE: usize = 256;

/// One range of a table over all instances. Where the instances are split differently it is the
/// smallest interval that no instance splits further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeView {
    /// The lower bound, exclusive, which names it.
    pub after: Option<Key>,
    /// The upper bound, inclusive.
    pub until: Option<Key>,
    /// Whether it is done on every instance.
    pub done: bool,
    /// The smallest progress of all instances.
    pub progress: Progress,
    /// The smallest number of batches that the copy has committed on an instance.
    pub batches: u64,
    /// Whether every instance has a range with exactly these bounds.
    pub split_everywhere: bool,
}

/// The ranges of a source table over all instances, in order.
///
/// # Errors
/// `Refused` if an instance is not set up; those of the target.
pub async fn survey_ranges(targets: &[Arc<dyn Target>], table: &str) -> Result<Vec<RangeView>> {
    let instances =
        try_join_all(targets.iter().map(|target| instance_ranges(target, table))).await?;
    let mut bounds: Vec<&Key> =
        instances.iter().flatten().filter_map(|range| range.until.as_ref()).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let lower = std::iter::once(None).chain(bounds.iter().copied().map(Some));
    let upper = bounds.iter().copied().map(Some).chain(std::iter::once(None));
    Ok(lower.zip(upper).map(|(after, until)| view(&instances, after, until)).collect())
}

/// The ranges of a source table on one instance, in order.
///
/// # Errors
/// `Refused` if the instance is not set up; those of the target.
pub async fn instance_ranges(target: &Arc<dyn Target>, table: &str) -> Result<Vec<Range>> {
    let mut ranges: Vec<Range> = Vec::new();
    loop {
        let last = ranges.last().and_then(|range| range.after.clone());
        let page = target.ranges(table, last.as_ref(), PAGE).await?;
        // A page begins after the last lower bound; the unbounded first range comes once only.
        let fresh = page.into_iter().filter(|range| match &last {
            Some(last) => range.after.as_ref().is_some_and(|after| after > last),
            None => ranges.is_empty() || range.after.is_some(),
        });
        let fresh: Vec<Range> = fresh.collect();
        if fresh.is_empty() {
            break;
        }
        ranges.extend(fresh);
    }
    if ranges.is_empty() { Err(not_set_up(target.name()).with("table", table)) } else { Ok(ranges) }
}

fn view(instances: &[Vec<Range>], after: Option<&Key>, until: Option<&Key>) -> RangeView {
    let mut view = RangeView {
        after: after.cloned(),
        until: until.cloned(),
        done: true,
        progress: Progress::End,
        batches: u64::MAX,
        split_everywhere: true,
    };
    for ranges in instances {
        // The ranges of an instance tile the table, so the last that begins at or before `after`
        // covers this interval.
        let place = ranges.partition_point(|range| range.after.as_ref() <= after);
        let Some(range) = place.checked_sub(1).map(|index| &ranges[index]) else {
            view.done = false;
            view.split_everywhere = false;
            view.progress = Progress::Start;
            view.batches = 0;
            continue;
        };
        view.done &= range.state == RangeState::Done;
        view.split_everywhere &= range.after.as_ref() == after && range.until.as_ref() == until;
        view.batches = view.batches.min(range.batches);
        view.progress = view.progress.min(within(&range.progress, after, until));
    }
    view
}

/// The share of a range's progress that falls into a part of it.
fn within(progress: &Progress, after: Option<&Key>, until: Option<&Key>) -> Progress {
    match progress {
        Progress::After(key) if until.is_some_and(|until| key >= until) => Progress::End,
        Progress::After(key) if after.is_some_and(|after| key <= after) => Progress::Start,
        other => other.clone(),
    }
}

//! The stage of the read switch at every moment, as `cutover` tells it afterwards.

use cutover::Stage;
use migration::plan::StagePlan;
use std::collections::{BTreeMap, HashSet};

/// Number of buckets of the plan's bucketing, `flagd-v2`.
const BUCKETS: u64 = 10_000;

/// All stages of a flight.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    pub(super) flag: String,
    /// A reader may follow an older stage for this long, in microseconds.
    pub(super) staleness_max: i64,
    /// By generation, which grows with time.
    pub(super) spans: BTreeMap<u32, StageSpan>,
    /// The lists on the whitelist; the playbook takes none off.
    pub(super) whitelist: HashSet<String>,
}

/// One stage, from its gate on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StageSpan {
    pub(crate) stage: Stage,
    /// In microseconds since 1970.
    pub(crate) since: i64,
    /// Whether it began with the big red switch.
    pub(crate) is_rollback: bool,
}

impl Stages {
    /// What speaks against the target having answered a read of `list`, decided by `generation` and
    /// begun at `begun_at`.
    pub(super) fn objection(
        &self,
        list: &str,
        generation: u32,
        begun_at: i64,
    ) -> Option<&'static str> {
        let Some(span) = self.spans.get(&generation) else {
            return Some("the target answered by a stage that never was");
        };
        if begun_at < span.since {
            return Some("the target answered before the gate of its stage was passed");
        }
        if !self.is_inside(list, span.stage) {
            return Some("the target answered a list outside the stage");
        }
        let left_at = self.spans.range(generation + 1..).next().map(|(_, next)| next.since);
        if left_at.is_some_and(|left_at| begun_at > left_at + self.staleness_max) {
            return Some("the target answered by a stage that was left too long ago");
        }
        None
    }

    fn is_inside(&self, list: &str, stage: Stage) -> bool {
        match stage {
            Stage::Off | Stage::At(StagePlan::Mirror) => false,
            Stage::At(StagePlan::Whitelist) => self.whitelist.contains(list),
            Stage::At(StagePlan::Share { basis_points }) => {
                self.whitelist.contains(list) || self.bucket(list) < u64::from(basis_points)
            }
        }
    }

    /// The bucket of a list: the high bits of the hash scaled to the number of buckets.
    fn bucket(&self, list: &str) -> u64 {
        let input = [self.flag.as_bytes(), list.as_bytes()].concat();
        (u64::from(mur3::murmurhash3_x86_32(&input, 0)) * BUCKETS) >> u32::BITS
    }

    /// Each rollback: when it was thrown, and when the next stage began.
    pub(super) fn rollbacks(&self) -> impl Iterator<Item = (i64, i64)> {
        self.spans.iter().filter(|(_, span)| span.is_rollback).map(|(&generation, span)| {
            let next = self.spans.range(generation + 1..).next();
            (span.since, next.map_or(i64::MAX, |(_, next)| next.since))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{StageSpan, Stages};
    use cutover::Stage;
    use migration::plan::StagePlan;
    use std::collections::HashSet;

    fn span(stage: Stage, since: i64) -> StageSpan {
        StageSpan { stage, since, is_rollback: false }
    }

    fn stages() -> Stages {
        let share = |basis_points| Stage::At(StagePlan::Share { basis_points });
        let spans = [
            (1, span(Stage::At(StagePlan::Mirror), 100)),
            (2, span(Stage::At(StagePlan::Whitelist), 200)),
            // Bucket 6763 is that of user-1, by the reference vectors of flagd-v2.
            (3, span(share(6_763), 300)),
            (4, span(share(6_764), 400)),
            (5, StageSpan { is_rollback: true, ..span(Stage::Off, 500) }),
        ];
        Stages {
            flag: "orders.read".to_owned(),
            staleness_max: 50,
            spans: spans.into(),
            whitelist: HashSet::from(["mine".to_owned()]),
        }
    }

    #[test]
    fn the_target_may_answer_only_inside_the_stage() {
        let stages = stages();
        assert!(stages.objection("mine", 1, 150).is_some(), "mirror answers nobody");
        assert_eq!(stages.objection("mine", 2, 250), None);
        assert!(stages.objection("user-1", 2, 250).is_some());
        assert!(stages.objection("user-1", 3, 350).is_some());
        assert_eq!(stages.objection("user-1", 4, 450), None);
        assert_eq!(stages.objection("mine", 4, 450), None);
        assert!(stages.objection("mine", 5, 550).is_some(), "rolled back");
        assert!(stages.objection("mine", 6, 650).is_some(), "no such stage");
    }

    #[test]
    fn the_target_may_answer_neither_before_the_gate_nor_long_after_the_stage() {
        let stages = stages();
        assert!(stages.objection("user-1", 4, 399).is_some());
        assert_eq!(stages.objection("user-1", 4, 550), None);
        assert!(stages.objection("user-1", 4, 551).is_some());
    }

    #[test]
    fn a_rollback_lasts_until_the_next_stage() {
        assert_eq!(stages().rollbacks().collect::<Vec<_>>(), [(500, i64::MAX)]);
    }
}

//! Whether a run that was interrupted may be gone on with, or its verdict lost on the way be given.
//!
//! A verdict of several sessions claims what one of a single session does: that each record agreed
//! at some moment since the run began. So a run is gone on with only as long as its beginning is
//! recent enough for the gate, the plan and the scope are the same, the target still has what it
//! had then ([`crate::basis`]), and everything that disagreed can be read again before the verdict.

use crate::basis::Basis;
use crate::record::RunRecord;
use crate::scope::Scope;
use migration::clock::Timestamp;
use migration::plan::Plan;

/// What a run that goes on would have to be.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) plan: &'a Plan,
    /// Where the target is now.
    pub(crate) basis: &'a Basis,
    pub(crate) now: Timestamp,
}

/// Why a run may not be gone on with; `None` if it may.
pub(crate) fn obstacle(record: &RunRecord, wanted: &Wanted<'_>) -> Option<String> {
    let oldest = wanted.plan.cutover.gate.verdict_age_max;
    if record.edition != wanted.plan.edition() {
        return Some("it was about another plan".to_owned());
    }
    if !record.scope.is_like(wanted.scope) {
        return Some(format!("it compared {}", record.scope.words()));
    }
    let age = wanted.now.since(record.started_at);
    if age > oldest {
        return Some(format!(
            "it began {} s ago, and a verdict counts for {} s (cutover.gate.verdict_age_max_s)",
            age.as_secs(),
            oldest.as_secs()
        ));
    }
    if record.verdict.is_none() && record.not_kept.disagreeing() > 0 {
        return Some("it found more than could be kept by name to be read again".to_owned());
    }
    record.basis.as_ref().and_then(|basis| basis.lost_until(wanted.basis))
}

#[cfg(test)]
mod tests {
    use super::{Wanted, obstacle};
    use crate::basis::Basis;
    use crate::difference::DifferenceKind;
    use crate::record::RunRecord;
    use crate::scope::Scope;
    use migration::clock::Timestamp;
    use migration::plan::Plan;
    use migration::sample::Sample;
    use std::path::Path;
    use std::time::Duration;

    const BEGAN: Timestamp = Timestamp(1_000_000_000);

    fn plan() -> Plan {
        let text = include_str!("../../cutover/tests/migration.toml");
        Plan::parse(text, Path::new("/srv")).unwrap()
    }

    fn basis(source_epoch: u32) -> Basis {
        serde_json::from_value(serde_json::json!({"source_epoch": source_epoch, "instances": {}}))
            .unwrap()
    }

    /// What stands in the way of a run, `age` after it began.
    fn stands_in_the_way(change: impl FnOnce(&mut RunRecord), age: Duration) -> Option<String> {
        let plan = plan();
        let mut record = RunRecord::new(Scope::Full, plan.edition(), BEGAN);
        record.basis = Some(basis(1));
        change(&mut record);
        let (basis, now) = (basis(1), BEGAN.plus(age));
        obstacle(&record, &Wanted { scope: &Scope::Full, plan: &plan, basis: &basis, now })
    }

    #[test]
    fn a_run_is_gone_on_with_as_long_as_its_verdict_will_count() {
        let most = plan().cutover.gate.verdict_age_max;
        assert_eq!(stands_in_the_way(|_| {}, most), None);
        let why = stands_in_the_way(|_| {}, most + Duration::from_secs(1)).unwrap();
        assert!(why.contains("verdict_age_max_s"), "{why}");
    }

    #[test]
    fn a_run_about_something_else_is_not_gone_on_with() {
        let soon = Duration::from_secs(1);
        assert!(stands_in_the_way(|run| run.edition = "another".into(), soon).is_some());
        let sample = Sample::new(1, 0.1).unwrap();
        assert!(stands_in_the_way(|run| run.scope = Scope::Sampled { sample }, soon).is_some());
        assert!(stands_in_the_way(|run| run.basis = Some(basis(0)), soon).is_some());
    }

    #[test]
    fn a_run_that_found_more_than_can_be_read_again_is_not_gone_on_with() {
        let found = |run: &mut RunRecord| run.not_kept.add(DifferenceKind::Missing);
        assert!(stands_in_the_way(found, Duration::ZERO).is_some());
    }
}

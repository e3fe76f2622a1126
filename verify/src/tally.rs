//! The counts of a run, and what they say.

use crate::bound::upper_bound;
use crate::difference::DifferenceKind;
use migration::checkpoint::verdict::{Kind, Outcome, rate_of};
use serde::{Deserialize, Serialize};

/// The counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Target records compared; a source record that is stored twice counts twice.
    pub compared: u64,
    /// Looked different once and was only moving.
    pub converged: u64,
    /// See [`DifferenceKind::Missing`].
    pub missing: u64,
    /// See [`DifferenceKind::Different`].
    pub different: u64,
    /// See [`DifferenceKind::OnlyOnTarget`].
    pub only_on_target: u64,
    /// See [`DifferenceKind::Resurrected`].
    pub resurrected: u64,
    /// Still moving when patience ended: neither equal nor different.
    pub unsettled: u64,
    /// Did not agree when it was compared, and agreed when it was read again at the end of the run.
    #[serde(default)]
    pub mended: u64,
}

impl Tally {
    /// Counts one record that does not agree.
    pub fn add(&mut self, kind: DifferenceKind) {
        match kind {
            DifferenceKind::Missing => self.missing += 1,
            DifferenceKind::Different => self.different += 1,
            DifferenceKind::OnlyOnTarget => self.only_on_target += 1,
            DifferenceKind::Resurrected => self.resurrected += 1,
            DifferenceKind::Unsettled => self.unsettled += 1,
        }
    }

    /// All differences.
    #[must_use]
    pub fn differing(&self) -> u64 {
        self.missing + self.different + self.only_on_target + self.resurrected
    }

    /// All records that do not agree.
    #[must_use]
    pub fn disagreeing(&self) -> u64 {
        self.differing() + self.unsettled
    }

    /// This tally with the records that do not agree counted anew: those that were read again, and
    /// those that could not be. What is left out of both has been mended.
    #[must_use]
    pub fn recounted(&self, read_again: &Self, not_read_again: &Self) -> Self {
        let both = |of: fn(&Self) -> u64| of(read_again) + of(not_read_again);
        let recounted = Self {
            missing: both(|tally| tally.missing),
            different: both(|tally| tally.different),
            only_on_target: both(|tally| tally.only_on_target),
            resurrected: both(|tally| tally.resurrected),
            unsettled: both(|tally| tally.unsettled),
            ..*self
        };
        let mended = self.disagreeing().saturating_sub(recounted.disagreeing());
        Self { mended, ..recounted }
    }
}

/// Judges a run. A census passes on its exact rate, a sample on its bound at 95 %. What did not
/// settle counts against a pass and is no evidence for a failure.
#[must_use]
pub fn judge(tally: &Tally, kind: Kind, rate_max: f64) -> Outcome {
    if tally.compared == 0 {
        return Outcome::Inconclusive;
    }
    let rate = |differing: u64| match kind {
        Kind::Census => rate_of(differing, tally.compared),
        Kind::Sample => upper_bound(differing, tally.compared, 0.95),
    };
    if rate(tally.disagreeing()) <= rate_max {
        Outcome::Pass
    } else if rate_of(tally.differing(), tally.compared) > rate_max {
        Outcome::Fail
    } else {
        Outcome::Inconclusive
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, judge};
    use migration::checkpoint::verdict::{Kind, Outcome};

    fn tally(compared: u64, missing: u64, unsettled: u64) -> Tally {
        Tally { compared, missing, unsettled, ..Tally::default() }
    }

    #[test]
    fn a_census_of_a_million_passes_with_one_difference_and_fails_with_two() {
        assert_eq!(judge(&tally(1_000_000, 1, 0), Kind::Census, 1e-6), Outcome::Pass);
        assert_eq!(judge(&tally(1_000_000, 2, 0), Kind::Census, 1e-6), Outcome::Fail);
    }

    #[test]
    fn a_sample_of_a_million_without_a_difference_is_not_enough_for_six_nines() {
        assert_eq!(judge(&tally(1_000_000, 0, 0), Kind::Sample, 1e-6), Outcome::Inconclusive);
        assert_eq!(judge(&tally(2_995_733, 0, 0), Kind::Sample, 1e-6), Outcome::Pass);
        assert_eq!(judge(&tally(1_000_000, 2, 0), Kind::Sample, 1e-6), Outcome::Fail);
    }

    #[test]
    fn records_that_never_settle_prevent_a_pass_and_prove_no_failure() {
        assert_eq!(judge(&tally(1_000_000, 0, 2), Kind::Census, 1e-6), Outcome::Inconclusive);
        assert_eq!(judge(&tally(1_000_000, 0, 1), Kind::Census, 1e-6), Outcome::Pass);
    }

    #[test]
    fn nothing_compared_is_no_evidence() {
        assert_eq!(judge(&Tally::default(), Kind::Census, 1e-6), Outcome::Inconclusive);
    }
}

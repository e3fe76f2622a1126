//! The ladder: the plan's stages in order, with `off` below them.

use crate::stage::Stage;
use migration::error::{Error, ErrorKind, Result};
use migration::plan::Plan;

/// The stages of a plan, `off` first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder(Vec<Stage>);

impl Ladder {
    /// The ladder of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let stages = plan.cutover.stages.iter().copied().map(Stage::At);
        Self(std::iter::once(Stage::Off).chain(stages).collect())
    }

    /// The stages from `off` to the last.
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.0
    }

    /// The stage above `stage`; `None` above the last.
    ///
    /// # Errors
    /// `Refused` if the plan has no such stage any more.
    pub fn above(&self, stage: Stage) -> Result<Option<Stage>> {
        let at = self.0.iter().position(|&step| step == stage).ok_or_else(|| {
            Error::new(ErrorKind::Refused, "find the next stage")
                .with("stage", stage)
                .hint("the plan no longer has this stage: put it back, or go back to `off` with `cutover abort`")
        })?;
        Ok(self.0.get(at + 1).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::Ladder;
    use crate::stage::Stage;
    use migration::error::ErrorKind;
    use migration::plan::StagePlan;

    #[test]
    fn each_stage_leads_to_the_one_above_and_the_last_to_none() {
        let share = Stage::At(StagePlan::Share { basis_points: 10_000 });
        let ladder = Ladder(vec![Stage::Off, Stage::At(StagePlan::Mirror), share]);
        assert_eq!(ladder.above(Stage::Off).unwrap(), Some(Stage::At(StagePlan::Mirror)));
        assert_eq!(ladder.above(Stage::At(StagePlan::Mirror)).unwrap(), Some(share));
        assert_eq!(ladder.above(share).unwrap(), None);
        let gone = ladder.above(Stage::At(StagePlan::Whitelist)).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::Refused);
    }
}

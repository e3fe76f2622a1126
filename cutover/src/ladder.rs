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

    /// The stage of that name, with or without a space before the percent sign.
    ///
    /// # Errors
    /// `Refused` if there is none.
    pub fn named(&self, name: &str) -> Result<Stage> {
        let plain = |name: &str| name.replace(' ', "").to_lowercase();
        let stage = self.0.iter().find(|stage| plain(&stage.to_string()) == plain(name));
        stage.copied().ok_or_else(|| {
            let stages: Vec<_> = self.0.iter().map(ToString::to_string).collect();
            Error::new(ErrorKind::Refused, "find stage")
                .with("stage", name)
                .hint(format!("the plan's stages are: {}", stages.join(", ")))
        })
    }

    /// Whether `stage` is `goal` or lies above it.
    #[must_use]
    pub fn reaches(&self, stage: Stage, goal: Stage) -> bool {
        let place = |wanted| self.0.iter().position(|&step| step == wanted);
        place(stage).zip(place(goal)).is_some_and(|(stage, goal)| stage >= goal)
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
        assert_eq!(ladder.named("100%").unwrap(), share);
        assert_eq!(ladder.named("50%").unwrap_err().kind(), ErrorKind::Refused);
        assert!(ladder.reaches(share, Stage::At(StagePlan::Mirror)));
        assert!(!ladder.reaches(Stage::Off, share));
        let gone = ladder.above(Stage::At(StagePlan::Whitelist)).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::Refused);
    }
}

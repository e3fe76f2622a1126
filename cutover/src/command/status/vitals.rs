//! What a gate looks at, with its age: the gate says it in its own words, and above the last stage,
//! where it matters most, there is no gate.

use crate::gate::{LagSeen, VerdictsSeen, said};
use migration::checkpoint::verdict::{Dimension, Outcome, Verdict};
use migration::cli::json;
use migration::clock::Timestamp;

/// A verdict that a gate looks at.
#[derive(Debug, serde::Serialize)]
pub(super) struct VerdictView {
    run: String,
    scope: String,
    /// Whether it is about every record.
    whole: bool,
    dimension: Dimension,
    /// Whether it is about the plan as it is now; no gate looks at others.
    counts: bool,
    outcome: &'static str,
    compared: u64,
    differing: u64,
    rate: f64,
    bound_95: f64,
    #[serde(serialize_with = "json::time")]
    started: Timestamp,
    #[serde(serialize_with = "json::time")]
    finished: Timestamp,
}

impl VerdictView {
    /// The last one about every record, and each newer one of another kind.
    pub(super) fn all(seen: VerdictsSeen, edition: &str) -> Vec<Self> {
        let VerdictsSeen { latest, whole } = seen;
        let is_other = |verdict: &Verdict| whole.as_ref() != Some(verdict);
        let others: Vec<_> = latest.into_iter().filter(is_other).collect();
        let view = |verdict| Self::new(verdict, edition);
        whole.into_iter().chain(others).map(view).collect()
    }

    fn new(verdict: Verdict, edition: &str) -> Self {
        Self {
            counts: verdict.edition == edition,
            run: verdict.run,
            scope: verdict.scope,
            whole: verdict.whole,
            dimension: verdict.dimension,
            outcome: verdict.outcome.word(),
            compared: verdict.compared,
            differing: verdict.differing,
            rate: verdict.rate,
            bound_95: verdict.bound95,
            started: verdict.started,
            finished: verdict.finished,
        }
    }

    fn fails(&self) -> bool {
        self.counts && self.outcome == Outcome::Fail.word()
    }

    fn text(&self, now: Timestamp) -> String {
        let Self { outcome, compared, differing, scope, .. } = self;
        let age = said(now.since(self.started));
        let other = if self.counts { "" } else { "; about another plan: it does not count" };
        format!("{outcome}: {differing} of {compared} differ ({scope}), begun {age} ago{other}")
    }
}

/// What is known of a migration apart from its stage.
pub(super) struct Vitals<'a> {
    pub(super) now: Timestamp,
    /// `None`: they cannot be read.
    pub(super) verdicts: Option<&'a [VerdictView]>,
    pub(super) lag: Option<LagSeen>,
    pub(super) dead_letters: Option<u64>,
    /// Whether the target answers anybody.
    pub(super) is_read: bool,
}

impl Vitals<'_> {
    pub(super) fn text(&self) -> String {
        let verdicts = match self.verdicts {
            None => "not known".to_owned(),
            Some([]) => "none: run `verify run`".to_owned(),
            Some(seen) => {
                let lines: Vec<_> = seen.iter().map(|it| it.text(self.now)).collect();
                lines.join("\n              ")
            }
        };
        let letters = self.dead_letters.map_or_else(|| "not known".into(), |n| n.to_string());
        let lag = self.lag();
        let mut text =
            format!("\nverdict       {verdicts}\nlag           {lag}\ndead letters  {letters}\n");
        let is_wrong = self.verdicts.is_some_and(|seen| seen.iter().any(VerdictView::fails))
            || self.dead_letters.is_some_and(|count| count > 0);
        if is_wrong && self.is_read {
            text += "readers get wrong answers from the target: `cutover rollback`, then mend it\n";
        }
        text
    }

    /// A lag that was small when the live path died says nothing about now.
    fn lag(&self) -> String {
        const RUNNING: &str = "is `dual-write run` running?";
        let Some(seen) = &self.lag else { return format!("not known: {RUNNING}") };
        let age = said(self.now.since(seen.at));
        match (seen.lives, seen.lag) {
            (true, Some(lag)) => format!("{}, reported {age} ago", said(lag)),
            (true, None) => format!("not known yet, reported {age} ago"),
            (false, Some(lag)) => {
                format!("not known: it was {} when last reported {age} ago; {RUNNING}", said(lag))
            }
            (false, None) => format!("not known: last reported {age} ago; {RUNNING}"),
        }
    }
}

//! The last verdict about every record passes, is recent, and is about this plan; and none after it
//! fails.
//!
//! A verdict is as old as its first comparison: what was compared when it began may have changed
//! since, however late it ended.

use super::{Evidence, Finding, met, not_met, said, unknown, unreadable};
use migration::checkpoint::verdict::{Outcome, Verdict};
use migration::plan::GatePlan;

const NAME: &str = "verdict";

pub(super) fn check(gate: &GatePlan, evidence: &Evidence) -> Finding {
    let seen = match &evidence.verdicts {
        Ok(seen) => seen,
        Err(why) => return unreadable(NAME, why),
    };
    // A verdict about a sample cannot open the gate, but it can show that something is wrong.
    let mine = |verdict: &&Verdict| verdict.edition == evidence.edition;
    let failed = |verdict: &&Verdict| verdict.outcome == Outcome::Fail;
    if let Some(verdict) = seen.latest.iter().chain(&seen.whole).filter(mine).find(failed) {
        return not_met(NAME, format!("fails: {}; see `verify diff`", figures(verdict)));
    }
    let Some(verdict) = seen.whole.as_ref().filter(mine) else {
        let why = match seen.latest.iter().find(mine) {
            Some(_) => "so far only about a sample; run `backfill run`, then `verify run`",
            None => "none for this plan yet; run `verify run`",
        };
        return unknown(NAME, why);
    };
    if verdict.outcome == Outcome::Inconclusive {
        return unknown(NAME, format!("inconclusive: {}; run `verify run`", figures(verdict)));
    }
    let age = evidence.now.since(verdict.started);
    let (age_said, most) = (said(age), said(gate.verdict_age_max));
    if age > gate.verdict_age_max {
        let took = verdict.finished.since(verdict.started);
        let next = if took > gate.verdict_age_max {
            format!("it took {}: raise cutover.gate.verdict_age_max_s above that", said(took))
        } else {
            "run `verify run`".to_owned()
        };
        return unknown(NAME, format!("begun {age_said} ago, at most {most} counts; {next}"));
    }
    met(NAME, format!("passes, begun {age_said} ago: {}", figures(verdict)))
}

fn figures(verdict: &Verdict) -> String {
    format!("{} differing of {} compared", verdict.differing, verdict.compared)
}

//! The last verdict passes, is recent, and is about this plan and all of its records.

use super::{Evidence, Finding, met, not_met, said, unknown, unreadable};
use migration::plan::GatePlan;

const NAME: &str = "verdict";

pub(super) fn check(gate: &GatePlan, evidence: &Evidence) -> Finding {
    let verdict = match &evidence.verdict {
        Ok(Some(verdict)) => verdict,
        Ok(None) => return unknown(NAME, "none yet; run `verify run`"),
        Err(why) => return unreadable(NAME, why),
    };
    let found = format!("{} differing of {} compared", verdict.differing, verdict.compared);
    if verdict.plan != evidence.plan {
        return unknown(NAME, "given for another version of the plan; run `verify run`");
    }
    if verdict.passed == Some(false) {
        return not_met(NAME, format!("fails: {found}; see `verify diff`"));
    }
    if !verdict.whole {
        return unknown(
            NAME,
            "speaks only for the sample that was copied first; run `backfill run`, then `verify run`",
        );
    }
    if verdict.passed.is_none() {
        return unknown(NAME, format!("inconclusive: {found}; run `verify run`"));
    }
    let age = evidence.now.since(verdict.at);
    let (age_said, most) = (said(age), said(gate.verdict_age_max));
    if age > gate.verdict_age_max {
        return unknown(NAME, format!("{age_said} old, at most {most} counts; run `verify run`"));
    }
    met(NAME, format!("passes, {age_said} old: {found}"))
}

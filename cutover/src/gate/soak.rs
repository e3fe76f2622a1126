//! The stage has held long enough.

use super::{Evidence, Finding, met, said, unknown};
use migration::plan::GatePlan;

const NAME: &str = "soak";

pub(super) fn check(gate: &GatePlan, evidence: &Evidence) -> Finding {
    let held = evidence.now.since(evidence.record.since);
    let text = format!("{} of {}", said(held), said(gate.soak));
    if held >= gate.soak { met(NAME, text) } else { unknown(NAME, text) }
}

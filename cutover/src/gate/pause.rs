//! Nobody holds the climb.

use super::{Evidence, Finding, met, not_met};

const NAME: &str = "pause";

pub(super) fn check(evidence: &Evidence) -> Finding {
    match &evidence.record.paused {
        None => met(NAME, "none"),
        Some(pause) => {
            let (who, why) = (&pause.who, &pause.why);
            not_met(NAME, format!("paused by {who}: {why}; `cutover resume` ends it"))
        }
    }
}

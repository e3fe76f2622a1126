//! No rollback is latched, by the stage or by the file.

use super::{Evidence, Finding, met, not_met, unknown};

const NAME: &str = "rollback";

pub(super) fn check(evidence: &Evidence) -> Finding {
    if let Some(rollback) = &evidence.record.rolled_back {
        let (who, why) = (&rollback.who, &rollback.why);
        return not_met(NAME, format!("rolled back by {who}: {why}; `cutover retry` ends it"));
    }
    match evidence.rollback_file {
        Some(false) => met(NAME, "none"),
        Some(true) => not_met(NAME, "the rollback file is there; `cutover retry` removes it"),
        None => unknown(NAME, "nobody can say whether the rollback file is there"),
    }
}

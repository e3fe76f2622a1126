//! No rollback is latched, by the stage or by the file.

use super::{Evidence, Finding, met, not_met, unreadable};

const NAME: &str = "rollback";

pub(super) fn check(evidence: &Evidence) -> Finding {
    if let Some(rollback) = &evidence.record.rolled_back {
        let (who, why) = (&rollback.signed.who, &rollback.signed.why);
        return not_met(NAME, format!("rolled back by {who}: {why}; `cutover retry` ends it"));
    }
    match &evidence.rollback_file {
        Ok(false) => met(NAME, "none"),
        Ok(true) => not_met(NAME, "the rollback file is there; `cutover retry` removes it"),
        Err(why) => unreadable(NAME, why),
    }
}

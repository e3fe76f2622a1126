//! No change lies among the dead letters: the target lacks it.

use super::{Evidence, Finding, met, not_met, unreadable};

const NAME: &str = "dead letters";

pub(super) fn check(evidence: &Evidence) -> Finding {
    match &evidence.dead_letters {
        Ok(0) => met(NAME, "none open"),
        Ok(open) => not_met(
            NAME,
            format!("{open} open; see `dual-write dlq list`, then `dlq replay` or `dlq drop`"),
        ),
        Err(why) => unreadable(NAME, why),
    }
}

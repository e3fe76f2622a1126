//! Enough reads were mirrored since the stage began, and they agree.

use super::{Evidence, Finding, met, not_met, unknown, unreadable};
use migration::checkpoint::verdict::rate_of;
use migration::plan::GatePlan;

const NAME: &str = "mirrored reads";

/// Most mirrored reads that may fail, of all: a target that cannot be read is no place to send
/// users to, while a read now and then that meets a restart says nothing.
const FAILED_RATE_MAX: f64 = 0.01;

pub(super) fn check(gate: &GatePlan, evidence: &Evidence) -> Finding {
    let counts = match &evidence.mirrored {
        Ok(counts) => counts,
        Err(why) => return unreadable(NAME, why),
    };
    let (compared, least) = (counts.compared(), gate.mirrored_min);
    let found = format!(
        "{compared} compared (at least {least}): {} differ, {} explained by lag, {} failed",
        counts.different, counts.lag, counts.failed
    );
    // Bad news needs no minimum: a thousand reads that all differ are enough.
    if compared >= least.min(1_000)
        && rate_of(counts.different, compared) > gate.mirror_mismatch_rate_max
    {
        let most = gate.mirror_mismatch_rate_max;
        return not_met(NAME, format!("{found}; at most {most} may differ"));
    }
    if compared < least {
        return unknown(NAME, found);
    }
    if rate_of(counts.failed, compared + counts.failed) > FAILED_RATE_MAX {
        return not_met(NAME, format!("{found}; at most {FAILED_RATE_MAX} may fail"));
    }
    met(NAME, found)
}

//! The live path keeps up.

use super::{Evidence, Finding, met, not_met, said, unknown, unreadable};
use migration::plan::GatePlan;

const NAME: &str = "lag";

pub(super) fn check(gate: &GatePlan, evidence: &Evidence) -> Finding {
    let seen = match &evidence.lag {
        Ok(Some(seen)) => seen,
        Ok(None) => {
            return unknown(NAME, "dual-write has not reported; is `dual-write run` running?");
        }
        Err(why) => return unreadable(NAME, why),
    };
    // Lag that was small when the live path died says nothing about now.
    if !seen.lives {
        let age = said(evidence.now.since(seen.at));
        return unknown(NAME, format!("last reported {age} ago; is `dual-write run` running?"));
    }
    let Some(lag) = seen.lag else {
        return unknown(NAME, "dual-write does not know its lag yet");
    };
    let (lag_said, most) = (said(lag), said(gate.lag_max));
    if lag > gate.lag_max {
        return not_met(NAME, format!("{lag_said}, at most {most}"));
    }
    met(NAME, format!("{lag_said}, at most {most}"))
}

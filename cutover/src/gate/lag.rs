//! The live path keeps up.

use super::{Evidence, Finding, met, not_met, said, unknown, unreadable};
use migration::plan::GatePlan;
use std::time::Duration;

const NAME: &str = "lag";

/// A progress entry older than this says nothing about now: a live path that runs writes one every
/// second or two.
const AGE_MAX: Duration = Duration::from_secs(10);

pub(super) fn check(gate: &GatePlan, evidence: &Evidence) -> Finding {
    let seen = match &evidence.lag {
        Ok(Some(seen)) => seen,
        Ok(None) => {
            return unknown(NAME, "dual-write has not reported; is `dual-write run` running?");
        }
        Err(why) => return unreadable(NAME, why),
    };
    let age = evidence.now.since(seen.at);
    if age > AGE_MAX {
        let age = said(age);
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

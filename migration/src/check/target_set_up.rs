//! Every instance of the target is set up for this migration, or none is.

use super::{Finding, Subject};

const NAME: &str = "target-set-up";

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut done, mut open) = (Vec::new(), Vec::new());
    for target in subject.targets() {
        match target.is_set_up().await {
            Ok(true) => done.push(target.name()),
            Ok(false) => open.push(target.name()),
            Err(error) => {
                findings.push(Finding::error(NAME, &error));
            }
        }
    }
    if !findings.is_empty() {
        return findings;
    }
    findings.extend(match (done.is_empty(), open.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Finding::ok(NAME, "not yet: the first run does it")),
        (false, true) => Some(Finding::ok(NAME, format!("{} instances", done.len()))),
        // A run that was killed half way leaves this; so does an instance that was made anew.
        (false, false) => Some(Finding::warning(
            NAME,
            format!("done on {}, not on {}", done.join(", "), open.join(", ")),
            "the next run completes it; an instance that was replaced is copied again as a whole",
        )),
    });
    findings
}

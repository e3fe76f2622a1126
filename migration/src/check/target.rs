//! Every instance of the target can be reached.

use super::{Finding, Subject};

const NAME: &str = "target";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let targets = &subject.servers.targets;
    let mut findings: Vec<Finding> = targets
        .iter()
        .filter_map(|target| target.as_ref().err())
        .map(|error| Finding::error(NAME, error))
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(NAME, format!("{} reachable", targets.len())));
    }
    findings
}

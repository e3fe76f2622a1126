//! Every instance of the target has the same tables.

use super::{Finding, Subject};
use crate::servers::{difference, refuse_twins};

const NAME: &str = "target-alike";

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut targets = subject.targets();
    let Some(first) = targets.next() else { return Vec::new() };
    let mut findings = Vec::new();
    let mut compared = 0_usize;
    findings
        .extend(refuse_twins(subject.targets()).err().map(|error| Finding::error(NAME, &error)));
    for other in targets {
        compared += 1;
        for into in subject.plan.tables.iter().flat_map(|table| &table.into) {
            match difference(&into.name, &**first, &**other).await {
                Ok(None) => {}
                Ok(Some(difference)) => findings.push(Finding::failed(
                    NAME,
                    format!(
                        "{} of {} is not that of {}: {difference}",
                        into.name,
                        other.name(),
                        first.name()
                    ),
                    "create the table in the same way on every instance",
                )),
                Err(error) => {
                    findings.push(Finding::error(NAME, &error.with("instance", other.name())));
                }
            }
        }
    }
    if findings.is_empty() && compared > 0 {
        findings
            .push(Finding::ok(NAME, format!("{} instances have the same tables", compared + 1)));
    }
    findings
}

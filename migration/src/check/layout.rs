//! Tables, columns, keys and types of source and target fit the plan.

use super::{Finding, Subject};

const NAME: &str = "layout";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (table, layout) in subject.plan.tables.iter().zip(&subject.layouts) {
        match layout {
            Err(error) => findings.push(Finding::error(NAME, error)),
            Ok(layout) => {
                let into: Vec<&str> = table.into.iter().map(|into| into.name.as_str()).collect();
                findings.push(match layout.refuse_collisions() {
                    Ok(()) => Finding::ok(NAME, format!("{} -> {}", table.name, into.join(", "))),
                    Err(error) => Finding::error(NAME, &error),
                });
                findings.extend(layout.notes().iter().map(|note| {
                    Finding::warning(NAME, note, "nothing has to be done if this is meant")
                }));
            }
        }
    }
    findings
}

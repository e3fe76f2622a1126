//! The target holds nothing that this migration did not write, unless the plan names it.

use super::{Finding, Outcome, Subject};
use crate::error::Result;
use crate::layout::{Layout, TargetLayout};
use crate::store::Target;

const NAME: &str = "target-empty";

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let layouts = subject.layouts.iter().filter_map(|layout| layout.as_ref().ok());
    let tables: Vec<_> = layouts.flat_map(Layout::targets).collect();
    for target in subject.targets() {
        for table in &tables {
            match look(subject, &**target, table).await {
                Ok(found) => findings.extend(found),
                Err(error) => {
                    findings.push(Finding::error(NAME, &error));
                }
            }
        }
    }
    if !tables.is_empty() && findings.iter().all(|finding| finding.outcome == Outcome::Warning) {
        findings.push(Finding::ok(NAME, "nothing there but what this migration may write over"));
    }
    findings
}

async fn look(
    subject: &Subject<'_>,
    target: &dyn Target,
    table: &TargetLayout,
) -> Result<Option<Finding>> {
    // The look itself also proves that the table can be written as the layout wants it. After the
    // set-up, what lies there is the migration's own.
    if target.is_empty(table).await? || target.is_set_up().await? {
        return Ok(None);
    }
    let name = &table.schema().table;
    let message = format!("{name} on {} holds records already", target.name());
    Ok(Some(if subject.plan.target_may_hold_rows.contains(name) {
        Finding::warning(
            NAME,
            format!("{message}, as the plan allows"),
            "the copy leaves a record that is there as it is, and `verify` reports what differs",
        )
    } else {
        Finding::failed(
            NAME,
            message,
            format!("empty it, or allow it in the plan: target_may_hold_rows = [{name:?}]"),
        )
    }))
}

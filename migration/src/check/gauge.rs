//! Every gauge gives a figure.

use super::{Finding, Subject};
use crate::error::{Error, ErrorKind};
use crate::servers;

const NAME: &str = "gauge";

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::with_capacity(subject.plan.gauges.len());
    for plan in &subject.plan.gauges {
        let read = servers::gauge(plan).read().await;
        findings.push(match read {
            Ok(Some(figure)) if figure <= plan.max => {
                Finding::ok(NAME, format!("{} is {figure:.1}, at most {}", plan.name, plan.max))
            }
            Ok(Some(figure)) => Finding::warning(
                NAME,
                format!("{} is {figure:.1}, more than {}", plan.name, plan.max),
                "backfill and verify stand still until it has fallen",
            ),
            Ok(None) => Finding::error(NAME, &no_figure(&plan.name, plan.query.is_none())),
            Err(error) => Finding::error(NAME, &error),
        });
    }
    findings
}

fn no_figure(name: &str, is_lag: bool) -> Error {
    let hint = if is_lag {
        "the server is no replica, or its replication stands: name a replica, or give a `query`"
    } else {
        "its query found no row, or null: work would stand still for ever"
    };
    Error::new(ErrorKind::Refused, "read gauge: it gives no figure").with("gauge", name).hint(hint)
}

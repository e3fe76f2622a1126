//! The source can be reached, and tells what a read of it shows where the queue is another server.

use super::{Finding, Subject};
use crate::plan::QueuePlan;

const NAME: &str = "source";

pub(super) async fn check(subject: &Subject<'_>) -> Option<Finding> {
    let source = match &subject.servers.source {
        Ok(source) => source,
        Err(error) => return Some(Finding::error(NAME, error)),
    };
    if !matches!(subject.plan.queue, QueuePlan::Kafka(_)) {
        return Some(Finding::ok(NAME, "reachable"));
    }
    Some(match source.horizon().await {
        Ok(_) => Finding::ok(NAME, "reachable, and tells what it has committed"),
        Err(error) => Finding::error(NAME, &error),
    })
}

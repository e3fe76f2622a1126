//! The source can be reached.

use super::{Finding, Subject};

const NAME: &str = "source";

pub(super) fn check(subject: &Subject<'_>) -> Option<Finding> {
    Some(match &subject.servers.source {
        Ok(_) => Finding::ok(NAME, "reachable"),
        Err(error) => Finding::error(NAME, error),
    })
}

//! The key lock can be reached.

use super::{Finding, Subject};

const NAME: &str = "lock";

pub(super) async fn check(subject: &Subject<'_>) -> Option<Finding> {
    Some(match &subject.servers.lock {
        Err(error) => Finding::error(NAME, error),
        Ok(None) => Finding::ok(NAME, "none yet: the first run makes it"),
        Ok(Some(lock)) => match lock.count().await {
            Err(error) => Finding::error(NAME, &error),
            Ok(count) => Finding::ok(NAME, format!("reachable, {count} locks of this migration")),
        },
    })
}

//! The checkpoint store can be read and is ours.

use super::{Finding, Subject};

const NAME: &str = "checkpoint";

pub(super) async fn check(subject: &Subject<'_>) -> Option<Finding> {
    Some(match &subject.servers.checkpoint {
        Err(error) => Finding::error(NAME, error),
        Ok(None) => Finding::ok(NAME, "none yet: the first run makes it"),
        // A read proves more than that the file opens.
        Ok(Some(store)) => match store.list("", None, 1).await {
            Err(error) => Finding::error(NAME, &error),
            Ok(entries) if entries.is_empty() => Finding::ok(NAME, "readable, nothing in it yet"),
            Ok(_) => Finding::ok(NAME, "readable"),
        },
    })
}

//! The queue can be read, in an order that can be trusted.

use super::{Finding, Subject};
use crate::error::Result;
use crate::queue::Queue;

const NAME: &str = "queue";

pub(super) async fn check(subject: &Subject<'_>) -> Option<Finding> {
    Some(match &subject.servers.queue {
        // Opening it looks at the table: its columns, and that no id is given out twice.
        Err(error) => Finding::error(NAME, error),
        Ok(queue) => match ends(&**queue).await {
            Ok(ends) => Finding::ok(NAME, format!("readable, ends at {}", ends.join(", "))),
            Err(error) => Finding::error(NAME, &error),
        },
    })
}

async fn ends(queue: &dyn Queue) -> Result<Vec<String>> {
    let mut ends = Vec::new();
    for partition in queue.partitions().await? {
        let end = queue.end(&partition).await?;
        ends.push(format!("{partition} {}", queue.describe(&end)));
    }
    Ok(ends)
}

//! The queue can be read, in an order that can be trusted, and is the one that was read before.

use super::{Finding, Subject};
use crate::error::Result;
use crate::queue::Queue;

const NAME: &str = "queue";

pub(super) async fn check(subject: &Subject<'_>) -> Option<Finding> {
    Some(match &subject.servers.queue {
        // Opening it looks at the table: its columns, and that no id is given out twice.
        Err(error) => Finding::error(NAME, error),
        Ok(queue) => match look(subject, &**queue).await {
            Ok(ends) => Finding::ok(NAME, format!("readable, ends at {}", ends.join(", "))),
            Err(error) => Finding::error(NAME, &error),
        },
    })
}

async fn look(subject: &Subject<'_>, queue: &dyn Queue) -> Result<Vec<String>> {
    let mut ends = Vec::new();
    for partition in queue.partitions().await? {
        let end = queue.end(&partition).await?;
        for target in subject.targets() {
            if let Some(row) = target.partition(&partition).await? {
                // Proves that the history behind the position is still the one it was made in.
                queue.lag(&partition, &row.next).await?;
            }
        }
        ends.push(format!("{partition} {}", queue.describe(&end)));
    }
    Ok(ends)
}

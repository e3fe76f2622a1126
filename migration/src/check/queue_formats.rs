//! What the messages of each topic cannot carry of a table: said before the first of them comes.

use super::{Finding, Subject};
use crate::decode::{ColumnTraits, TopicFormat};
use crate::layout::Layout;

const NAME: &str = "queue-formats";

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let topics = subject.plan.queue.topics();
    let (false, Ok(source)) = (topics.is_empty(), &subject.servers.source) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for layout in subject.layouts.iter().filter_map(|layout| layout.as_ref().ok()) {
        let name = &layout.source().table;
        let traits = match source.column_traits(name).await {
            Ok(traits) => traits,
            Err(error) => {
                findings.push(Finding::error(NAME, &error));
                continue;
            }
        };
        let traits = of_columns(layout, &traits);
        for topic in topics {
            if topic.table.as_ref().is_some_and(|table| table != name) {
                continue;
            }
            findings.extend(topic.format.losses(layout.source(), &traits).into_iter().map(|loss| {
                let message = format!("{}: column {name}.{}: {}", topic.topic, loss.column, loss.what);
                if loss.is_refused {
                    let hint = "every message with a value in it would become a dead letter: change \
                                what the producer writes, state it in the topic's `options`, or \
                                leave the column out of the plan";
                    Finding::failed(NAME, message, hint)
                } else {
                    let hint = "what differs then is found by `verify run` and mended by `verify \
                                repair`, which read the source itself";
                    Finding::warning(NAME, message, hint)
                }
            }));
        }
    }
    if findings.is_empty() {
        let message = format!("{} carry every column whole", names(topics));
        findings.push(Finding::ok(NAME, message));
    }
    findings
}

fn names(topics: &[TopicFormat]) -> String {
    topics.iter().map(|topic| topic.topic.as_str()).collect::<Vec<_>>().join(", ")
}

fn of_columns(layout: &Layout, known: &[(String, ColumnTraits)]) -> Vec<ColumnTraits> {
    let columns = layout.source().columns.iter();
    columns
        .map(|column| {
            let found = known.iter().find(|(name, _)| *name == column.name);
            found.map(|(_, traits)| traits.clone()).unwrap_or_default()
        })
        .collect()
}

//! The changes of one entity come in one partition, as far as the last messages of a topic show.
//!
//! Debezium keys a message by the table's primary key unless it is told otherwise. Where an entity
//! has fewer columns, its records lie in several partitions then: each record is right, but for a
//! moment the target may hold a list that never was.

use super::{Finding, Subject};
use crate::decode::{Format, TopicFormat};
use crate::layout::Layout;
use crate::queue::Queue;
use serde_json::{Map, Value};
use std::sync::Arc;

const NAME: &str = "queue-keys";

/// Partitions of a topic that are looked at for a message.
const PARTITIONS_MAX: usize = 8;

/// Last offsets of a partition that are looked at: what ends a transaction takes one, too.
const MESSAGES_MAX: usize = 4;

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    // Without them the queue's own check says why.
    let Ok(queue) = &subject.servers.queue else { return Vec::new() };
    let Ok(partitions) = queue.partitions().await else { return Vec::new() };
    let mut findings = Vec::new();
    for topic in subject.plan.queue.topics() {
        let of_topic: Vec<_> = partitions
            .iter()
            .filter(|name| name.rsplit_once('-').is_some_and(|(of, _)| of == topic.topic))
            .collect();
        if of_topic.len() < 2 || !is_debezium(&topic.format) {
            continue;
        }
        let Some(key) = last_key(&**queue, &of_topic).await else { continue };
        let layouts = subject.layouts.iter().filter_map(|layout| layout.as_ref().ok());
        findings.extend(layouts.filter_map(|layout| judge(topic, layout, &key)));
    }
    findings
}

fn is_debezium(format: &Format) -> bool {
    matches!(format, Format::Debezium(_) | Format::DebeziumFlattened(_))
}

/// The fields of a key that was sent lately, by their names.
async fn last_key(queue: &dyn Queue, partitions: &[&Arc<str>]) -> Option<Map<String, Value>> {
    for partition in partitions.iter().take(PARTITIONS_MAX) {
        let messages = queue.peek(partition, None, MESSAGES_MAX).await.unwrap_or_default();
        for message in messages.iter().rev() {
            if let Some(key) = message.key.as_deref().and_then(fields) {
                return Some(key);
            }
        }
    }
    None
}

fn fields(key: &[u8]) -> Option<Map<String, Value>> {
    let Ok(Value::Object(mut key)) = serde_json::from_slice(key) else { return None };
    match (key.contains_key("schema"), key.remove("payload")) {
        (true, Some(Value::Object(payload))) => Some(payload),
        (_, Some(payload)) => {
            key.insert("payload".to_owned(), payload);
            Some(key)
        }
        (_, None) => Some(key),
    }
}

/// A finding where the key tells records of one entity apart.
fn judge(topic: &TopicFormat, layout: &Layout, key: &Map<String, Value>) -> Option<Finding> {
    let source = layout.source();
    if topic.table.as_ref().is_some_and(|table| *table != source.table) {
        return None;
    }
    let columns = source.key.iter().map(|&column| source.columns[column].name.as_str());
    let columns: Vec<&str> = columns.collect();
    let (entity, rest) = columns.split_at_checked(layout.entity_columns())?;
    let has = |column: &&str| key.contains_key(*column);
    if key.len() > columns.len() || !entity.iter().all(has) || !rest.iter().any(has) {
        return None;
    }
    let (entity, keyed) = (entity.join(","), columns.join(","));
    let message = format!(
        "{}: a message is keyed by ({keyed}), so the records of one ({entity}) of {} lie in several \
         partitions: each record becomes right, but for a moment the target may hold a list that \
         never was",
        topic.topic, source.table
    );
    let hint = format!(
        "set message.key.columns={}:{entity} in Debezium's connector before the set-up, or let the \
         topic have one partition",
        captured(topic, &source.table)
    );
    Some(Finding::warning(NAME, message, hint))
}

/// The table as Debezium names it: with its database (PostgreSQL: schema), which the topic's name
/// ends with unless somebody renamed it.
fn captured(topic: &TopicFormat, table: &str) -> String {
    let name = table.rsplit('.').next().unwrap_or(table);
    match topic.topic.rsplit('.').collect::<Vec<_>>()[..] {
        [last, database, _, ..] if last == name => format!("{database}.{name}"),
        _ => format!("{}.{name}", topic.database.as_deref().unwrap_or("DATABASE")),
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn a_key_is_read_with_its_schema_and_without() {
        let names = |key: &str| -> Vec<String> {
            fields(key.as_bytes()).unwrap_or_default().into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(r#"{"package":"a","dependent":"b"}"#).len(), 2);
        assert_eq!(names(r#"{"schema":{"type":"struct"},"payload":{"package":"a"}}"#), ["package"]);
        assert_eq!(names(r#"{"payload":"a"}"#), ["payload"]);
        assert_eq!(names("a/b"), [""; 0]);
    }
}

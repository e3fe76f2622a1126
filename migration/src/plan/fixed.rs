//! The part of a plan that may not change while the migration is under way.
//!
//! Records are where they are because of it. Rates, sizes, gates and leases are not in it, nor is
//! the source epoch, which the operator raises in the middle of a migration.

use super::{Bucketing, Engine, InstancePlan, KafkaPlan, Order, Plan, QueuePlan, TablePlan};
use crate::decode::{Format, Versions};
use crate::error::{Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use xxhash_rust::xxh3::xxh3_128;

/// Format of [`Plan::fixed_json`].
const FORMAT: u32 = 1;

// The order of the fields is the order in the text, and so part of the digest.
#[derive(Serialize)]
struct Fixed<'a> {
    format: u32,
    id: &'a str,
    order: Order,
    source: &'a Engine,
    queue: FixedQueue<'a>,
    target: &'a [InstancePlan],
    table: &'a [TablePlan],
    cutover: FixedCutover<'a>,
}

#[derive(Serialize)]
struct FixedCutover<'a> {
    flag: &'a str,
    bucketing: Bucketing,
}

#[derive(Serialize)]
#[serde(untagged)]
enum FixedQueue<'a> {
    Whole(&'a QueuePlan),
    Kafka(FixedKafka<'a>),
}

/// Not how the brokers are reached, which moves while a cluster is served.
#[derive(Serialize)]
struct FixedKafka<'a> {
    kind: &'static str,
    group: &'a str,
    topic: Vec<FixedTopic<'a>>,
}

/// Not what is done where a table is emptied, which the operator says in the middle of a migration.
#[derive(Serialize)]
struct FixedTopic<'a> {
    topic: &'a str,
    format: &'a Format,
    versions: Versions,
    table: &'a Option<String>,
    database: &'a Option<String>,
}

impl<'a> FixedQueue<'a> {
    fn of(queue: &'a QueuePlan) -> Self {
        match queue {
            QueuePlan::Outbox { .. } => Self::Whole(queue),
            QueuePlan::Kafka(kafka) => Self::Kafka(FixedKafka::of(kafka)),
        }
    }
}

impl<'a> FixedKafka<'a> {
    fn of(kafka: &'a KafkaPlan) -> Self {
        let topics = kafka.topics.iter().map(|topic| FixedTopic {
            topic: &topic.topic,
            format: &topic.format,
            versions: topic.versions,
            table: &topic.table,
            database: &topic.database,
        });
        Self { kind: "kafka", group: &kafka.group, topic: topics.collect() }
    }
}

/// A field that differs from what was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its path, such as `table[0].into[1].shard.by`.
    pub field: String,
    /// What was recorded; `None` where there was nothing.
    pub was: Option<String>,
    /// What the plan says now; `None` where there is nothing.
    pub now: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_nothing = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".into());
        write!(f, "{} was {} and is {}", self.field, or_nothing(&self.was), or_nothing(&self.now))
    }
}

impl Plan {
    /// What may not change under way, as canonical JSON: the text behind [`Plan::digest`].
    #[must_use]
    pub fn fixed_json(&self) -> String {
        let fixed = Fixed {
            format: FORMAT,
            id: &self.id,
            order: self.order,
            source: &self.source.engine,
            queue: FixedQueue::of(&self.queue),
            target: &self.targets,
            table: &self.tables,
            cutover: FixedCutover { flag: &self.cutover.flag, bucketing: self.cutover.bucketing },
        };
        // Strings, numbers and lists of them: there is nothing in it that JSON cannot hold, except
        // a path that is not UTF-8, which TOML cannot hold either.
        serde_json::to_string(&fixed).unwrap_or_default()
    }

    /// The digest of [`Self::fixed_json`].
    pub(super) fn fixed_digest(&self) -> String {
        format!("{:032x}", xxh3_128(self.fixed_json().as_bytes()))
    }

    /// The fields in which this plan differs from a recorded [`Self::fixed_json`]; empty if it may
    /// go on with the same migration.
    ///
    /// # Errors
    /// `Unreadable` if `recorded` is not what an earlier plan gave.
    pub fn changed_since(&self, recorded: &str) -> Result<Vec<Change>> {
        let parse = |text: &str| {
            serde_json::from_str::<Value>(text).map_err(|cause| {
                Error::new(ErrorKind::Unreadable, "compare plan with the recorded one")
                    .because(cause)
                    .hint("the checkpoint store was written by something else, or is damaged")
            })
        };
        let mut changes = Vec::new();
        compare("", Some(&parse(recorded)?), Some(&parse(&self.fixed_json())?), &mut changes);
        Ok(changes)
    }
}

fn compare(field: &str, was: Option<&Value>, now: Option<&Value>, changes: &mut Vec<Change>) {
    match (was, now) {
        (Some(was), Some(now)) if was == now => {}
        (Some(Value::Object(was)), Some(Value::Object(now))) => {
            let added = now.keys().filter(|key| !was.contains_key(*key));
            for key in was.keys().chain(added) {
                let dot = if field.is_empty() { "" } else { "." };
                compare(&format!("{field}{dot}{key}"), was.get(key), now.get(key), changes);
            }
        }
        (Some(Value::Array(was)), Some(Value::Array(now))) => {
            for i in 0..was.len().max(now.len()) {
                compare(&format!("{field}[{i}]"), was.get(i), now.get(i), changes);
            }
        }
        _ => changes.push(Change {
            field: field.to_owned(),
            was: was.map(Value::to_string),
            now: now.map(Value::to_string),
        }),
    }
}

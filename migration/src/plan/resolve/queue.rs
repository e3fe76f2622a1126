//! Where live writes come from.

use super::engine::absolute;
use super::{Result, invalid, millis};
use crate::decode::{Format, TopicFormat, Versions};
use crate::error::Error;
use crate::plan::kafka::names_broker;
use crate::plan::raw::{RawQueue, RawQueueKind, RawSasl, RawTable, RawTls, RawTopic};
use crate::plan::{KafkaPlan, QueuePlan, SaslPlan, SecretPlace, TlsPlan, nearest};
use std::collections::BTreeSet;
use std::path::Path;

/// Most characters of a topic's name, as brokers have it.
const TOPIC_LENGTH_MAX: usize = 249;

/// What a queue is resolved with.
pub(super) struct Around<'a> {
    pub(super) id: &'a str,
    pub(super) dir: &'a Path,
    pub(super) tables: &'a [RawTable],
}

pub(super) fn resolve(raw: RawQueue, around: &Around<'_>) -> Result<QueuePlan> {
    match raw.kind.get_ref() {
        RawQueueKind::Outbox => match raw.table {
            Some(table) if !table.is_empty() => Ok(QueuePlan::Outbox { table }),
            _ => Err(invalid("queue.table", "name the outbox table in the source", "nothing")),
        },
        RawQueueKind::Kafka => kafka(raw, around).map(|plan| QueuePlan::Kafka(Box::new(plan))),
    }
}

fn kafka(raw: RawQueue, around: &Around<'_>) -> Result<KafkaPlan> {
    let brokers = raw.brokers.unwrap_or_default();
    if brokers.is_empty() {
        return Err(invalid("queue.brokers", "name at least one broker", "nothing")
            .hint("write brokers = [\"host:9092\"]"));
    }
    for (i, broker) in brokers.iter().enumerate() {
        if !names_broker(broker) {
            let must = "be host:port, or \"env:NAME\", which holds it";
            return Err(invalid(format!("queue.brokers[{i}]"), must, "something else"));
        }
    }
    let group = raw.group.unwrap_or_else(|| format!("midflight-{}", around.id));
    if group.is_empty() {
        return Err(invalid("queue.group", "name the consumer group", "\"\""));
    }
    let place = |field: &str, text: &String| {
        SecretPlace::parse(text, around.dir)
            .map_err(|must| invalid(format!("queue.{field}"), must, "something else"))
    };
    let session = raw.session_ms.unwrap_or(10_000);
    let producer_lag_max = raw.producer_lag_max_ms.unwrap_or(10_000);
    Ok(KafkaPlan {
        brokers,
        group,
        instance: raw.instance.as_ref().map(|text| place("instance", text)).transpose()?,
        session: millis("queue.session_ms", session, 1_000..=1_800_000)?,
        producer_lag_max: millis("queue.producer_lag_max_ms", producer_lag_max, 0..=600_000)?,
        tls: raw.tls.map(|raw| tls(&raw, around.dir)).transpose()?,
        sasl: raw.sasl.map(|raw| sasl(raw, around.dir)).transpose()?,
        dead_letter_topic: raw
            .dead_letter_topic
            .map(|name| topic_name("queue.dead_letter_topic", name))
            .transpose()?,
        topics: topics(raw.topic, around.tables)?,
    })
}

fn tls(raw: &RawTls, dir: &Path) -> Result<TlsPlan> {
    let path = |field: &str, path: &Option<std::path::PathBuf>| {
        path.as_ref().map(|path| absolute(dir, &format!("queue.tls.{field}"), path)).transpose()
    };
    if raw.certificate.is_some() != raw.key.is_some() {
        return Err(invalid(
            "queue.tls",
            "have `certificate` and `key`, or neither",
            "one of them",
        ));
    }
    let password = raw.key_password.as_deref().map(|text| SecretPlace::parse(text, dir));
    Ok(TlsPlan {
        authority: path("authority", &raw.authority)?,
        certificate: path("certificate", &raw.certificate)?,
        key: path("key", &raw.key)?,
        key_password: password
            .transpose()
            .map_err(|must| invalid("queue.tls.key_password", must, "something else"))?,
    })
}

fn sasl(raw: RawSasl, dir: &Path) -> Result<SaslPlan> {
    if raw.user.is_empty() {
        return Err(invalid("queue.sasl.user", "name the user", "\"\""));
    }
    let password = SecretPlace::parse(&raw.password, dir)
        .map_err(|must| invalid("queue.sasl.password", must, "something else"))?;
    Ok(SaslPlan { mechanism: raw.mechanism, user: raw.user, password })
}

fn topics(raw: Vec<RawTopic>, tables: &[RawTable]) -> Result<Vec<TopicFormat>> {
    if raw.is_empty() {
        return Err(invalid("queue.topic", "name at least one topic", "none")
            .hint("write one [[queue.topic]] per topic, with its name and format"));
    }
    let mut known = BTreeSet::new();
    let mut topics = Vec::with_capacity(raw.len());
    for (i, raw) in raw.into_iter().enumerate() {
        let field = format!("queue.topic[{i}]");
        let topic = topic(&field, raw, tables)?;
        if !known.insert(topic.topic.clone()) {
            let found = format!("{:?}, which is there before", topic.topic);
            return Err(invalid(format!("{field}.name"), "be unique", found));
        }
        one_order(&field, &topic, &topics)?;
        topics.push(topic);
    }
    Ok(topics)
}

/// The places in two topics are in no order, nor is one with what a message tells.
fn one_order(field: &str, topic: &TopicFormat, before: &[TopicFormat]) -> Result<()> {
    let is_queue = |topic: &TopicFormat| topic.versions == Versions::Queue;
    let twin = before.iter().find(|other| {
        topic.table.is_some() && other.table == topic.table && (is_queue(topic) || is_queue(other))
    });
    let Some(twin) = twin else { return Ok(()) };
    Err(invalid(
        format!("{field}.versions"),
        "order the changes of a table that two topics carry, as only the messages can",
        format!("\"queue\" in it or in {:?}", twin.topic),
    ))
}

fn topic(field: &str, raw: RawTopic, tables: &[RawTable]) -> Result<TopicFormat> {
    let at = |error: Error| error.with("field", field);
    let name = topic_name(&format!("{field}.name"), raw.name)?;
    let format = Format::resolve(raw.format, &raw.options).map_err(at)?;
    format.check_versions(raw.versions).map_err(at)?;
    let names = || tables.iter().map(|table| table.name.as_str());
    if let Some(table) = &raw.table
        && !names().any(|name| name == table)
    {
        let error = invalid(
            format!("{field}.table"),
            "name a [[table]] of this plan",
            format!("{table:?}"),
        );
        return Err(match nearest(table, names()) {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None => error.hint("leave `table` out where the messages name it"),
        });
    }
    Ok(TopicFormat {
        topic: name,
        format,
        versions: raw.versions,
        table: raw.table,
        database: raw.database,
        truncates: raw.truncates,
    })
}

fn topic_name(field: &str, name: String) -> Result<String> {
    let is_legal = !name.is_empty()
        && name.len() <= TOPIC_LENGTH_MAX
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if is_legal {
        return Ok(name);
    }
    let must = format!("be 1 to {TOPIC_LENGTH_MAX} of a-z A-Z 0-9 . _ -");
    Err(invalid(field, must, format!("{name:?}")))
}

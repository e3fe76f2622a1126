//! `explain`: decodes messages and prints what they would write. Writes nothing.

use crate::args::ExplainArgs;
use migration::cli::{Exit, Report, SharedArgs, print};
use migration::clock::Timestamp;
use migration::decode::{Decoder, FormatName, JsonError, TopicFormat, guess};
use migration::error::{Chain, Error, ErrorKind, Result};
use migration::plan::Plan;
use migration::position::{Position, Version};
use migration::queue::Message;
use migration::route::route;
use migration::servers::Servers;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::path::Path;

/// A message as `--file` gives it: the columns of an outbox row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutboxRow {
    #[serde(default)]
    id: i64,
    table_name: String,
    op: String,
    /// The row as a JSON object, or a string that holds it.
    payload: Box<RawValue>,
    #[serde(default)]
    made_at: i64,
}

#[derive(Debug, Serialize)]
struct Explained {
    messages: Vec<ExplainedMessage>,
}

#[derive(Debug, Serialize)]
struct ExplainedMessage {
    offset: String,
    /// The topic; for an outbox the table that the row names.
    table: String,
    /// The format that a message of a topic looks like. The plan states the one that is used.
    looks_like: Option<FormatName>,
    writes: Vec<Write>,
    /// Why nothing is written, if so.
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct Write {
    instance: String,
    table: String,
    effect: &'static str,
    /// Columns with their values: all for an upsert, the key for a delete.
    columns: Vec<(String, String)>,
    version: String,
}

impl Report for Explained {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for message in &self.messages {
            let guess = message.looks_like.map(|name| format!(" (looks like {name})"));
            let guess = guess.unwrap_or_default();
            lines.push(format!("{} {}{guess}", message.offset, message.table));
            lines.extend(message.note.iter().map(|note| format!("  {note}")));
            for write in &message.writes {
                let columns: Vec<String> =
                    write.columns.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                lines.push(format!(
                    "  {} {}.{}: {} (version {})",
                    write.effect,
                    write.instance,
                    write.table,
                    columns.join(", "),
                    write.version
                ));
            }
        }
        if lines.is_empty() { "no message".to_owned() } else { lines.join("\n") }
    }
}

pub(super) async fn run(args: &SharedArgs, what: &ExplainArgs) -> Result<Exit> {
    let plan = args.load_plan()?;
    let is_topic = !plan.queue.topics().is_empty();
    let servers = Servers::open_existing(&plan).await?;
    let messages = match &what.file {
        Some(file) => vec![read(&plan, file, what)?],
        None => next(&servers, what).await?,
    };
    let decoder = servers.decoder()?;
    let mut explained = Explained { messages: Vec::with_capacity(messages.len()) };
    for message in &messages {
        let mut one = explain(&servers, &decoder, message)?;
        if is_topic {
            let (key, value) = (message.key.as_deref(), message.payload.as_deref());
            one.looks_like = guess(key, value, &message.headers, &message.topic);
        }
        explained.messages.push(one);
    }
    print(args, &explained)?;
    let decoded = explained.messages.iter().all(|message| message.note.is_none());
    Ok(if decoded { Exit::Done } else { Exit::NotMet })
}

fn explain(servers: &Servers, decoder: &Decoder, message: &Message) -> Result<ExplainedMessage> {
    let changes = decoder.decode(std::slice::from_ref(message));
    let routed = route(&changes, servers.targets.len())?;
    let errors = changes.undecodable.iter().map(|found| &found.error);
    let errors = errors.chain(routed.rejected.iter().map(|found| &found.error));
    let dead = errors.map(|error| format!("a dead letter: {}", Chain(error))).next();
    let stop = changes.stop.as_ref().map(|stop| format!("stops here: {}", Chain(&stop.error)));
    let mut ignored = changes.ignored.iter().filter(|(_, count)| *count > 0);
    let ignored = ignored.next().map(|(reason, _)| format!("ignored: {}", reason.name()));
    let foreign =
        (changes.foreign > 0).then(|| "ignored: the plan moves no table of this name".to_owned());
    let mut writes = Vec::new();
    for (target, parts) in servers.targets.iter().zip(&routed.writes) {
        for part in parts {
            for entry in &part.entries {
                let (effect, row) = match entry.effect {
                    migration::protocol::Effect::Delete => ("delete", part.keys.row(entry.row)),
                    _ => ("upsert", part.records.row(entry.row)),
                };
                let schema = match entry.effect {
                    migration::protocol::Effect::Delete => part.target.key_schema(),
                    _ => part.target.schema(),
                };
                let names = schema.columns.iter().map(|column| column.name.clone());
                let values = row.values().map(|value| format!("{value:?}"));
                writes.push(Write {
                    instance: target.name().to_owned(),
                    table: part.target.schema().table.clone(),
                    effect,
                    columns: names.zip(values).collect(),
                    version: entry.version.to_string(),
                });
            }
        }
    }
    Ok(ExplainedMessage {
        offset: message.offset.to_string(),
        table: message.topic.to_string(),
        writes,
        looks_like: None,
        note: dead.or(stop).or(foreign).or(ignored),
    })
}

fn read(plan: &Plan, file: &Path, what: &ExplainArgs) -> Result<Message> {
    match plan.queue.topics() {
        [] => read_row(file),
        topics => read_value(topics, file, what),
    }
}

/// A message of a topic.
fn read_value(topics: &[TopicFormat], file: &Path, what: &ExplainArgs) -> Result<Message> {
    let topic = match (&what.topic, topics) {
        (Some(topic), _) => topic,
        (None, [only]) => &only.topic,
        (None, _) => {
            return Err(Error::new(ErrorKind::Plan, "read message: of which topic?")
                .hint("name it with --topic; the plan has several"));
        }
    };
    let value = std::fs::read(file).map_err(|error| {
        Error::new(ErrorKind::Plan, "read message").with("file", file.display()).because(error)
    })?;
    // An editor ends a file with a line feed.
    let value = value.strip_suffix(b"\n").map_or(value.clone(), <[u8]>::to_vec);
    let mut headers = Vec::with_capacity(what.headers.len());
    for header in &what.headers {
        let (name, value) = header.split_once('=').ok_or_else(|| {
            Error::new(ErrorKind::Plan, "read message: a header without a value")
                .with("header", header)
                .hint("write it as --header NAME=VALUE")
        })?;
        headers.push((name.to_owned().into(), value.as_bytes().to_vec()));
    }
    let place = Position::new(&[])?;
    Ok(Message {
        position: place,
        next: place,
        version: Some(Version::LOWEST),
        made_at: Timestamp::now(),
        key: what.key.as_ref().map(|key| key.clone().into_bytes()),
        headers,
        topic: topic.as_str().into(),
        payload: Some(value).filter(|value| !value.is_empty()),
        offset: 0,
    })
}

fn read_row(file: &Path) -> Result<Message> {
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Plan, "read message")
            .with("file", file.display())
            .because(error)
            .hint("one JSON object: {\"table_name\": ..., \"op\": \"upsert\", \"payload\": {...}}")
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.into()))?;
    let row: OutboxRow =
        serde_json::from_str(&text).map_err(|error| wrong(JsonError::from(error).into()))?;
    let raw = row.payload.get();
    let payload = match serde_json::from_str::<String>(raw) {
        Ok(text) => text,
        Err(_) => raw.to_owned(),
    };
    let place = Position::new(&row.id.to_be_bytes())?;
    Ok(Message {
        position: place,
        next: place,
        version: Some(Version::new(&row.id.to_be_bytes())?),
        made_at: Timestamp(row.made_at),
        key: None,
        headers: vec![("op".into(), row.op.into_bytes())],
        topic: row.table_name.into(),
        payload: Some(payload.into_bytes()),
        offset: row.id,
    })
}

/// The next messages of each partition: from the target's position on, or the last ones where the
/// target is not set up.
async fn next(servers: &Servers, what: &ExplainArgs) -> Result<Vec<Message>> {
    let mut found = Vec::new();
    for partition in servers.queue.partitions().await? {
        let of_topic = |topic: &String| partition.strip_prefix(&**topic).is_some_and(is_number);
        if !what.topic.as_ref().is_none_or(of_topic) {
            continue;
        }
        let mut next: Option<Position> = None;
        for target in &servers.targets {
            let row = target.partition(&partition).await?;
            let seen = row.map(|row| row.next);
            next = next.into_iter().chain(seen).min();
        }
        let peeked = servers.queue.peek(&partition, next.as_ref(), what.count.into());
        found.extend(peeked.await?);
    }
    Ok(found)
}

/// Whether a partition's name goes on like this after its topic's.
fn is_number(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok())
}

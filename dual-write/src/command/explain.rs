//! `explain`: decodes messages and prints what they would write. Writes nothing.

use crate::args::ExplainArgs;
use migration::claim::partitions;
use migration::cli::{Exit, Report, SharedArgs, print};
use migration::clock::Timestamp;
use migration::decode::Decoder;
use migration::error::{Chain, Error, ErrorKind, Result};
use migration::position::{Position, Version};
use migration::queue::{Delivery, Message};
use migration::route::route;
use migration::servers::Servers;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::path::Path;
use std::time::Duration;

/// Longest wait for messages of a queue that has none.
const POLL: Duration = Duration::from_secs(1);

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
    table: String,
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
            lines.push(format!("{} {}", message.offset, message.table));
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
    let servers = Servers::open_existing(&args.load_plan()?).await?;
    let messages = match &what.file {
        Some(file) => vec![read(file)?],
        None => next(&servers, what.count).await?,
    };
    let decoder = Decoder::new(servers.layouts.clone());
    let mut explained = Explained { messages: Vec::with_capacity(messages.len()) };
    for message in &messages {
        explained.messages.push(explain(&servers, &decoder, message)?);
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
        note: dead.or(foreign),
    })
}

fn read(file: &Path) -> Result<Message> {
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Plan, "read message")
            .with("file", file.display())
            .because(error)
            .hint("one JSON object: {\"table_name\": ..., \"op\": \"upsert\", \"payload\": {...}}")
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.into()))?;
    let row: OutboxRow = serde_json::from_str(&text).map_err(|error| wrong(error.into()))?;
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

/// The next messages of the queue: from the target's position on, or from the beginning where the
/// target is not set up.
async fn next(servers: &Servers, count: usize) -> Result<Vec<Message>> {
    let mut consumer = servers.queue.consumer().await?;
    let mut found = Vec::new();
    while found.len() < count {
        match consumer.poll(count - found.len(), POLL).await? {
            Delivery::Assigned(assigned) => {
                for partition in assigned {
                    let rows = partitions(&servers.targets, &partition).await?;
                    if let Some(next) = rows.iter().map(|row| row.next).min() {
                        consumer.seek(&partition, &next).await?;
                    }
                }
            }
            Delivery::Messages { messages, .. } => found.extend(messages),
            Delivery::Idle => break,
            Delivery::Revoked(_) => {}
        }
    }
    Ok(found)
}

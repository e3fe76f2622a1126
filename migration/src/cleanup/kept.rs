//! What is kept, where.

use crate::checkpoint::{CheckpointStore, list_all, remove_all};
use crate::cli::{Report, table};
use crate::error::Result;
use crate::fault;
use crate::phase::Phase;
use crate::queue::Queue;
use crate::store::{SIDE_ROWS_COUNTED_MAX, Target};
use serde::Serialize;
use std::sync::Arc;

/// The name of the checkpoint store among the places.
const CHECKPOINT: &str = "checkpoint store";

/// One thing that is kept somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Where, such as `target shard-0`.
    pub place: String,
    /// What: a table, a kind of entry, a file.
    pub what: String,
    /// How many rows or entries of this migration; of rows, [`SIDE_ROWS_COUNTED_MAX`] or more.
    pub count: u64,
}

impl Item {
    /// An item.
    pub fn new(place: impl Into<String>, what: impl Into<String>, count: u64) -> Self {
        Self { place: place.into(), what: what.into(), count }
    }
}

/// What the migration keeps on the target's instances.
///
/// # Errors
/// Those of the target.
pub async fn in_targets(targets: &[Arc<dyn Target>]) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for target in targets {
        let place = format!("target {}", target.name());
        let sides = target.side_tables().await?;
        items.extend(sides.into_iter().map(|side| Item::new(&place, side.name, side.rows)));
    }
    Ok(items)
}

/// What the migration keeps where the queue is.
///
/// # Errors
/// Those of the queue.
pub async fn in_queue(queue: &dyn Queue) -> Result<Vec<Item>> {
    let sides = queue.side_tables().await?;
    Ok(sides.into_iter().map(|side| Item::new("queue", side.name, side.rows)).collect())
}

/// The beginnings of the keys that belong to a phase and to nobody else.
#[must_use]
pub fn keys_of(phase: &Phase) -> Vec<String> {
    let name = phase.name;
    vec![
        format!("{name}/"),
        format!("desired/{name}"),
        format!("lease/{name}"),
        format!("progress/{name}/"),
    ]
}

/// How many entries of the checkpoint store have keys with these beginnings.
///
/// # Errors
/// Those of the store.
pub async fn in_keys(store: &dyn CheckpointStore, prefixes: &[String]) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for prefix in prefixes {
        let count = list_all(store, prefix).await?.len();
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        items.push(Item::new(CHECKPOINT, prefix.trim_end_matches('/'), count));
    }
    items.retain(|item| item.count > 0);
    Ok(items)
}

/// How many lines there are in logs of the checkpoint store.
///
/// # Errors
/// Those of the store.
pub async fn in_logs(store: &dyn CheckpointStore, logs: &[&str]) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for log in logs {
        let lines = store.log_end(log).await?;
        items.push(Item::new(CHECKPOINT, format!("log {log}"), lines));
    }
    items.retain(|item| item.count > 0);
    Ok(items)
}

/// Removes what [`in_keys`] counts.
///
/// # Errors
/// Those of the store.
pub async fn remove_keys(store: &dyn CheckpointStore, prefixes: &[String]) -> Result<()> {
    for prefix in prefixes {
        remove_all(store, prefix).await?;
        fault::point("cleanup.keys");
    }
    Ok(())
}

/// What there is, or was.
#[derive(Debug, Serialize)]
pub(super) struct Kept {
    pub(super) removed: bool,
    pub(super) items: Vec<Item>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    /// The command that removes it.
    #[serde(skip)]
    pub(super) how: String,
}

fn counted(count: u64) -> String {
    match count {
        SIDE_ROWS_COUNTED_MAX.. => format!("{SIDE_ROWS_COUNTED_MAX} or more"),
        _ => count.to_string(),
    }
}

impl Report for Kept {
    fn text(&self) -> String {
        if self.items.is_empty() {
            return "nothing is kept".to_owned();
        }
        let rows: Vec<_> = self
            .items
            .iter()
            .map(|item| [item.place.clone(), item.what.clone(), counted(item.count)])
            .collect();
        let mut text = table(["where", "what", "count"], &rows);
        if !self.note.is_empty() {
            text = format!("{text}\n{}", self.note);
        }
        match self.removed {
            true => format!("{text}\nremoved"),
            false => format!("{text}\nnothing was removed; `{}` removes all of it", self.how),
        }
    }
}

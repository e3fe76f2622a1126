//! From messages to changes of source records.
//!
//! A message that cannot be decoded is not an error of the batch: it comes back among the
//! [`Undecodable`], for the dead letters. What is decoded is compacted: of several changes of one
//! record in a batch only the last remains, which is what the target would hold in the end.

mod json;
mod outbox;

use crate::batch::Batch;
use crate::error::Error;
use crate::key::Key;
use crate::layout::Layout;
use crate::position::{Position, Version};
use crate::protocol::Effect;
use crate::queue::Message;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// One change of one source record.
#[derive(Debug, Clone)]
pub struct Change {
    /// The source key, which is the range key.
    pub key: Key,
    /// Its place in the source's commit order.
    pub version: Version,
    /// Its place in the queue.
    pub position: Position,
    /// Index of its message in the batch.
    pub message: usize,
    /// What it does.
    pub effect: Effect,
    /// Index of the record in [`TableChanges::records`], for `Set`.
    pub row: usize,
}

/// The changes of one source table.
#[derive(Debug)]
pub struct TableChanges {
    /// The table and what it becomes.
    pub layout: Arc<Layout>,
    /// At most one change per record, in queue order.
    pub changes: Vec<Change>,
    /// Records in the source's schema.
    pub records: Batch,
}

/// A message that cannot be decoded.
#[derive(Debug)]
pub struct Undecodable {
    /// Index of the message in the batch.
    pub message: usize,
    /// Why.
    pub error: Error,
    /// Table (by its place among the decoder's layouts) and key of the record, where they could be
    /// read.
    pub record: Option<(usize, Key)>,
}

/// What a batch of messages says.
#[derive(Debug)]
pub struct Changes {
    /// One per layout of the decoder, in its order.
    pub tables: Vec<TableChanges>,
    /// What could not be decoded.
    pub undecodable: Vec<Undecodable>,
    /// Changes that a later one of the same record made superfluous.
    pub compacted: usize,
    /// Changes of tables that the plan does not move.
    pub foreign: usize,
}

/// Decodes messages of the tables of one plan.
#[derive(Debug)]
pub struct Decoder {
    layouts: Vec<Arc<Layout>>,
    places: HashMap<String, usize>,
}

/// What a message says of a record of a known table.
struct Decoded {
    key: Key,
    effect: Effect,
}

impl Decoder {
    /// A decoder of these tables.
    #[must_use]
    pub fn new(layouts: Vec<Arc<Layout>>) -> Self {
        let name = |(place, layout): (usize, &Arc<Layout>)| (layout.source().table.clone(), place);
        let places = layouts.iter().enumerate().map(name).collect();
        Self { layouts, places }
    }

    /// The tables, in order.
    #[must_use]
    pub fn layouts(&self) -> &[Arc<Layout>] {
        &self.layouts
    }

    /// Decodes a batch of one partition.
    #[must_use]
    pub fn decode(&self, messages: &[Message]) -> Changes {
        let tables = self.layouts.iter().map(|layout| TableChanges {
            layout: Arc::clone(layout),
            changes: Vec::new(),
            records: Batch::new(Arc::clone(layout.source())),
        });
        let mut changes =
            Changes { tables: tables.collect(), undecodable: Vec::new(), compacted: 0, foreign: 0 };
        let mut latest: Vec<HashMap<Key, usize>> = vec![HashMap::new(); self.layouts.len()];
        for (index, message) in messages.iter().enumerate() {
            let Some(&place) = self.places.get(&*message.topic) else {
                if message.topic.is_empty() {
                    changes.undecodable.push(unnamed(index));
                } else {
                    changes.foreign += 1;
                }
                continue;
            };
            let table = &mut changes.tables[place];
            match self.change(place, index, message, &mut table.records) {
                Ok(change) => {
                    changes.compacted += compact(&mut latest[place], &mut table.changes, change);
                }
                Err(undecodable) => changes.undecodable.push(*undecodable),
            }
        }
        for table in &mut changes.tables {
            table.changes.retain(|change| change.message != SUPERSEDED);
        }
        changes
    }

    fn change(
        &self,
        place: usize,
        index: usize,
        message: &Message,
        records: &mut Batch,
    ) -> Result<Change, Box<Undecodable>> {
        let row = records.len();
        let decoded = outbox::decode(&self.layouts[place], message, records);
        let decoded = decoded.map_err(|(error, key)| {
            Box::new(Undecodable { message: index, error, record: key.map(|key| (place, key)) })
        })?;
        let Some(version) = message.version else {
            return Err(Box::new(Undecodable {
                message: index,
                error: outbox::refused(message, "it has no place in the source's commit order"),
                record: Some((place, decoded.key)),
            }));
        };
        Ok(Change {
            key: decoded.key,
            version,
            position: message.position,
            message: index,
            effect: decoded.effect,
            row,
        })
    }
}

/// Marks a change that a later one made superfluous.
const SUPERSEDED: usize = usize::MAX;

/// Adds a change, or keeps the newer of two. Returns how many were given up.
fn compact(latest: &mut HashMap<Key, usize>, changes: &mut Vec<Change>, change: Change) -> usize {
    match latest.entry(change.key.clone()) {
        Entry::Vacant(entry) => {
            entry.insert(changes.len());
            changes.push(change);
            0
        }
        Entry::Occupied(mut entry) => {
            // The queue may deliver a change of one record after a newer one.
            if change.version >= changes[*entry.get()].version {
                changes[*entry.get()].message = SUPERSEDED;
                entry.insert(changes.len());
                changes.push(change);
            }
            1
        }
    }
}

fn unnamed(index: usize) -> Undecodable {
    let error = Error::new(crate::error::ErrorKind::Unreadable, "decode change")
        .with("problem", "it names no table");
    Undecodable { message: index, error, record: None }
}

#[cfg(test)]
mod tests;

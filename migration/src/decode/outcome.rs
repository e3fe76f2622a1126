//! What comes out of a batch of messages.

use super::message::Ignored;
use crate::batch::Batch;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::key::Key;
use crate::layout::Layout;
use crate::position::{Position, Version};
use crate::protocol::Effect;
use std::sync::Arc;

/// One change of one source record.
#[derive(Debug, Clone)]
pub struct Change {
    /// The source key, which is the range key.
    pub key: Key,
    /// Its place in the source's commit order.
    pub version: Version,
    /// The place of its message in the queue.
    pub position: Position,
    /// Index of its message in the batch.
    pub message: usize,
    /// Its place among the changes of its message.
    pub index: u32,
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

/// What is wrong with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It cannot be read.
    Unreadable,
    /// It can be read, but the row lacks columns: the record has to be read from the source. What
    /// came is never written.
    Incomplete,
}

/// A change that cannot be decoded: for the dead letters.
#[derive(Debug)]
pub struct Undecodable {
    /// Index of the message in the batch.
    pub message: usize,
    /// Its place among the changes of its message; 0 where the message as a whole is meant.
    pub index: u32,
    /// What is wrong.
    pub flaw: Flaw,
    /// Why.
    pub error: Error,
    /// Table (by its place among the decoder's layouts) and key of the record, where they could be
    /// read.
    pub record: Option<(usize, Key)>,
    /// Its place in the source's commit order, where it could be read.
    pub version: Option<Version>,
}

/// A message that nobody may pass without an operator: what comes after it has not been decoded.
#[derive(Debug)]
pub struct Stop {
    /// Index of the message in the batch.
    pub message: usize,
    /// Why, and what to do.
    pub error: Error,
}

/// Messages without a change, counted by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IgnoredCounts([usize; Ignored::ALL.len()]);

impl IgnoredCounts {
    pub(super) fn add(&mut self, reason: Ignored) {
        if let Some(place) = Ignored::ALL.iter().position(|&known| known == reason) {
            self.0[place] += 1;
        }
    }

    /// How many were ignored for this reason.
    #[must_use]
    pub fn of(&self, reason: Ignored) -> usize {
        let place = Ignored::ALL.iter().position(|&known| known == reason);
        place.map_or(0, |place| self.0[place])
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Ignored, usize)> + '_ {
        Ignored::ALL.into_iter().zip(self.0)
    }

    /// How many were ignored.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }
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
    /// Messages without a change.
    pub ignored: IgnoredCounts,
    /// Where decoding stopped before the end of the batch.
    pub stop: Option<Stop>,
    /// When the oldest of the changes was made: by the source's clock where messages tell, else as
    /// the queue says.
    pub oldest_made_at: Option<Timestamp>,
}

impl Changes {
    /// No change of these tables.
    #[must_use]
    pub fn none(layouts: &[Arc<Layout>]) -> Self {
        let tables = layouts.iter().map(|layout| TableChanges {
            layout: Arc::clone(layout),
            changes: Vec::new(),
            records: Batch::new(Arc::clone(layout.source())),
        });
        Self {
            tables: tables.collect(),
            undecodable: Vec::new(),
            compacted: 0,
            foreign: 0,
            ignored: IgnoredCounts::default(),
            stop: None,
            oldest_made_at: None,
        }
    }
}

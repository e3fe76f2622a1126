//! One row of the outbox, and the message it becomes.

use super::cell::Cell;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::queue::Message;
use crate::queue::place::Place;
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Table names kept at hand: more than a plan has, few enough to be searched one by one.
const TOPICS_MAX: usize = 256;

/// Most bytes of one delivery, so that large payloads do not fill the memory. The message that
/// crosses the bound is still delivered.
const DELIVERY_BYTES_MAX: usize = 8 << 20;

/// A row as it is stored.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) table: Cell,
    pub(super) op: Cell,
    pub(super) payload: Cell,
    pub(super) made_at: Cell,
}

impl Row {
    pub(super) fn number(&self) -> u64 {
        // `check` refuses an outbox with ids below one, and nothing below one is asked for.
        u64::try_from(self.id).unwrap_or(0)
    }

    /// Bytes it takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        let size = |cell: &Cell| match cell {
            Cell::Text(bytes) | Cell::Blob(bytes) => bytes.len(),
            _ => 8,
        };
        size(&self.table) + size(&self.op) + size(&self.payload) + size(&self.made_at)
    }

    /// Hash of everything the row holds. Never zero, which stands for "no row".
    pub(super) fn witness(&self, buffer: &mut Vec<u8>) -> u64 {
        buffer.clear();
        buffer.extend_from_slice(&self.id.to_be_bytes());
        for cell in [&self.table, &self.op, &self.payload, &self.made_at] {
            cell.append_to(buffer);
        }
        xxh3_64(buffer).max(1)
    }

    /// The message, whatever the row holds: what cannot be decoded is for the dead letters.
    pub(super) fn into_message(self, reading: &mut Reading) -> Result<Message> {
        let number = self.number();
        let next = Place::after(reading.source_epoch, number, self.witness(&mut reading.buffer));
        let before = Place::before(reading.source_epoch, number);
        let made_at = match self.made_at {
            Cell::Integer(micros) => Timestamp(micros),
            _ => Timestamp::now(),
        };
        Ok(Message {
            position: before.position()?,
            next: next.position()?,
            version: Some(before.version()?),
            made_at,
            key: None,
            headers: self.op.into_bytes().map(|op| (Cow::Borrowed("op"), op)).into_iter().collect(),
            topic: reading.topic(&self.table),
            payload: self.payload.into_bytes(),
            offset: self.id,
        })
    }
}

/// The rows of one look at the outbox.
#[derive(Debug)]
pub(super) struct Taken {
    place: Place,
    rows_max: usize,
    rows: Vec<Row>,
    weight: usize,
}

impl Taken {
    /// At most `rows_max` rows after `place`, and the one that it comes after.
    pub(super) fn new(place: Place, rows_max: usize) -> Self {
        Self { place, rows_max: rows_max.max(1), rows: Vec::new(), weight: 0 }
    }

    /// The lowest id that is asked for: of the row that was read last, which comes along as the
    /// witness.
    pub(super) fn from(&self) -> u64 {
        self.place.number.max(1)
    }

    /// Most rows that are asked for.
    pub(super) fn limit(&self) -> u64 {
        u64::try_from(self.rows_max).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Takes the next row, and says whether it was enough.
    pub(super) fn take(&mut self, row: Row) -> ControlFlow<()> {
        let is_witness = self.rows.is_empty() && self.place.is_past(row.number());
        self.weight += row.weight();
        self.rows.push(row);
        if self.weight > DELIVERY_BYTES_MAX && !is_witness {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// The rows; the first may be the witness.
    pub(super) fn into_rows(mut self) -> Vec<Row> {
        // Without a witness among them the last row is one more than asked for.
        let extra = self.rows.first().is_some_and(|row| self.place.is_past(row.number()));
        self.rows.truncate(self.rows_max + usize::from(extra));
        self.rows
    }
}

/// What is kept from row to row.
#[derive(Debug)]
pub(super) struct Reading {
    source_epoch: u32,
    buffer: Vec<u8>,
    topics: Vec<Arc<str>>,
}

impl Reading {
    pub(super) fn new(source_epoch: u32) -> Self {
        Self { source_epoch, buffer: Vec::new(), topics: Vec::new() }
    }

    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The table that a row names; empty if it names none.
    fn topic(&mut self, table: &Cell) -> Arc<str> {
        let name = match table {
            Cell::Text(bytes) => std::str::from_utf8(bytes).unwrap_or(""),
            _ => "",
        };
        if let Some(known) = self.topics.iter().find(|topic| &***topic == name) {
            return Arc::clone(known);
        }
        let topic: Arc<str> = Arc::from(name);
        if self.topics.len() < TOPICS_MAX {
            self.topics.push(Arc::clone(&topic));
        }
        topic
    }
}

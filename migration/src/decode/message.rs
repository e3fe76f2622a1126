//! A change as its envelope tells it: found, not yet typed. Everything borrows from the message.

use super::evidence::{Evidence, Snapshot};
use crate::clock::Timestamp;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The table that a change is of, as far as the message names it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableName<'a> {
    /// The database.
    pub database: Option<Cow<'a, str>>,
    /// The schema within it (PostgreSQL).
    pub schema: Option<Cow<'a, str>>,
    /// The table; `None` where only the topic tells.
    pub table: Option<Cow<'a, str>>,
}

/// Stands for the operation of a message that names none.
pub(super) const NO_WORD: &str = "(none)";

/// What a change does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op<'a> {
    /// Gives the whole row.
    Upsert,
    /// Removes it.
    Delete,
    /// A word that the format does not know: a dead letter, with the key if it can be read.
    Unknown(Cow<'a, str>),
}

/// A word that is not known, as an error may show it: what does not look like one could be a cell
/// of a row.
pub(super) fn shown(word: &str) -> &str {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_short = word.len() <= 4;
    let is_name = word.len() <= 32 && word.starts_with(|first: char| first.is_ascii_alphabetic());
    if (is_short || is_name) && word.bytes().all(is_word) {
        word
    } else if word == NO_WORD {
        NO_WORD
    } else {
        "(no word)"
    }
}

/// Key fields beside the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFields<'a> {
    /// There are none.
    None,
    /// A JSON object.
    Object(&'a str),
    /// The only key column, as a JSON value.
    Scalar(&'a str),
    /// The only key column, as bare text.
    Bare(&'a str),
}

/// The row before the change.
#[derive(Debug, Clone, Copy)]
pub enum Before<'a> {
    /// Not told.
    None,
    /// A JSON object with every column.
    Whole(&'a str),
    /// A JSON object in which only the columns that identify a row can be trusted: others may be
    /// null or zero whatever the row held.
    Identity(&'a str),
    /// A JSON object with the columns that changed; the others are as they are after.
    Changed(&'a str),
    /// JSON objects with the columns that changed, and it is not told which is of this row.
    Unaligned(&'a [Option<&'a RawValue>]),
}

/// One change, as its envelope tells it.
#[derive(Debug, Clone)]
pub struct ChangeMessage<'a> {
    /// What it does.
    pub op: Op<'a>,
    /// The table.
    pub table: TableName<'a>,
    /// Its place in the message, in steps of two: a key change takes two places.
    pub index: u32,
    /// Key fields beside the row.
    pub key: KeyFields<'a>,
    /// Whether the row may lack columns that its key beside it has.
    pub key_completes_row: bool,
    /// The row before.
    pub before: Before<'a>,
    /// Whether the row may have had another key before, which neither `before` nor a key beside the
    /// row would then tell.
    pub may_change_key: bool,
    /// The row after, a JSON object.
    pub after: Option<&'a str>,
    /// The schema of the row, as Kafka Connect writes it.
    pub schema: Option<&'a str>,
    /// Its place in the commit order, if it tells.
    pub evidence: Option<Evidence>,
    /// Whether it was read rather than made.
    pub snapshot: Snapshot,
    /// When it was made, as far as the message tells.
    pub made_at: Option<Timestamp>,
    /// Whether that is by the source's own clock, and so the same however often it is sent.
    pub is_source_time: bool,
    /// The transaction (or GTID) it belongs to.
    pub transaction: Option<Cow<'a, str>>,
    /// Why the row lacks columns that the source has, if the producer says that it does.
    pub incomplete: Option<&'static str>,
}

impl<'a> ChangeMessage<'a> {
    /// A change of which only the operation is known yet.
    pub(super) fn new(op: Op<'a>) -> Self {
        Self {
            op,
            table: TableName::default(),
            index: 0,
            key: KeyFields::None,
            key_completes_row: false,
            before: Before::None,
            may_change_key: false,
            after: None,
            schema: None,
            evidence: None,
            snapshot: Snapshot::No,
            made_at: None,
            is_source_time: false,
            transaction: None,
            incomplete: None,
        }
    }

    pub(super) fn of(mut self, table: TableName<'a>) -> Self {
        self.table = table;
        self
    }
}

/// Why a message holds no change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ignored {
    /// A null value that only lets the broker forget a key: the delete was told before.
    Tombstone,
    /// The producer is alive.
    Heartbeat,
    /// A transaction began or ended.
    Transaction,
    /// A statement that changes the shape of tables.
    SchemaChange,
    /// A message that an application wrote into the log.
    LogMessage,
    /// Everything up to some point has been sent.
    Watermark,
    /// A snapshot began or ended.
    SnapshotMark,
    /// The plan says that this kind of event changes nothing.
    Event,
    /// A table was emptied, and the plan says to go on.
    Truncate,
}

impl Ignored {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Tombstone,
        Self::Heartbeat,
        Self::Transaction,
        Self::SchemaChange,
        Self::LogMessage,
        Self::Watermark,
        Self::SnapshotMark,
        Self::Event,
        Self::Truncate,
    ];

    /// Its name in metrics and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::Heartbeat => "heartbeat",
            Self::Transaction => "transaction",
            Self::SchemaChange => "schema-change",
            Self::LogMessage => "log-message",
            Self::Watermark => "watermark",
            Self::SnapshotMark => "snapshot-mark",
            Self::Event => "event",
            Self::Truncate => "truncate",
        }
    }
}

/// What an envelope holds; a message may hold several.
#[derive(Debug, Clone)]
pub enum Read<'a> {
    /// A change of one row.
    Change(ChangeMessage<'a>),
    /// Nothing.
    Ignored(Ignored),
    /// Every row of a table is gone. The order against the changes of its rows is not told, so
    /// nobody applies it alone.
    Truncate(TableName<'a>),
}

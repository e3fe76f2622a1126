//! What an engine does for its outbox. Everything else is the same for all of them.

use super::history::{History, Mark};
use super::row::{Row, Taken};
use crate::error::Result;
use crate::position::Position;
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Whose outbox is read, and under which name.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) migration: String,
    pub(super) table: String,
    pub(super) source_epoch: u32,
}

/// The outbox in one source.
#[async_trait]
pub(super) trait Engine: Send + Sync + Debug {
    /// Whether an id is never committed after a higher one.
    fn commits_in_order(&self) -> bool;

    /// A new reader, which waits for no other.
    fn reader(&self) -> Box<dyn Reader>;

    /// Begins a transaction that may change marks. Nobody else is in one before it ends; it makes
    /// the table of the marks if there is none. Dropped, it leaves nothing.
    async fn begin(&self) -> Result<Box<dyn Step>>;

    /// Removes this migration's mark, and the table with the last of them.
    async fn remove_marks(&self) -> Result<()>;

    /// What makes the table of the marks.
    fn set_up_statements(&self) -> Vec<String>;
}

/// Reads one outbox. Every call sees what was committed before it; what a call returns belongs to
/// one moment.
#[async_trait]
pub(super) trait Reader: Send + Debug {
    /// Hands the rows from [`Taken::from`] on, in the order of their ids, to `taken` until it has
    /// enough.
    async fn rows(&mut self, taken: &mut Taken) -> Result<()>;

    /// What the source says of its own history, with the row of this number if it is there.
    async fn history(&mut self, number: Option<u64>) -> Result<History>;

    /// The last row, and the highest id ever given out, at least zero.
    async fn last(&mut self) -> Result<(Option<Row>, u64)>;

    /// What is left at and after this number.
    async fn backlog(&mut self, from: u64) -> Result<Backlog>;

    /// The transactions that may still commit a row whose id has been given out before this call,
    /// by names that no other transaction ever has. Asked only where commits are not in order.
    async fn writers(&mut self) -> Result<BTreeSet<String>>;

    /// How many marks this migration has: one or none.
    async fn mark_count(&mut self) -> Result<u64>;
}

/// What is left of an outbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backlog {
    /// The highest id in the table; zero if it is empty.
    pub(super) highest_row: u64,
    /// When the first of the rows was made, in microseconds.
    pub(super) oldest_made_at: Option<i64>,
}

/// A transaction that may change marks.
#[async_trait]
pub(super) trait Step: Send {
    /// As [`Reader::history`].
    async fn history(&mut self, number: Option<u64>) -> Result<History>;

    /// The marks of every migration that reads this outbox.
    async fn marks(&mut self) -> Result<Vec<Mark>>;

    /// Writes this migration's mark, under the plan's source epoch.
    async fn put_mark(&mut self, position: &Position) -> Result<()>;

    /// Removes the lowest rows below this number, at most `rows_max`, and returns how many.
    async fn delete_below(&mut self, number: u64, rows_max: u32) -> Result<u64>;

    /// Makes it all durable.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// An id as a database has it; above what it can have, the highest.
pub(super) fn id(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that a database gives as a signed one; nothing counts below zero here.
pub(super) fn number(id: i64) -> u64 {
    u64::try_from(id).unwrap_or(0)
}

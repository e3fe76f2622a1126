//! Queues: ordered changes per partition, at least once, with opaque positions.

#[cfg(feature = "kafka")]
mod kafka;
mod memory;
mod outbox;
mod place;

#[cfg(feature = "kafka")]
pub use kafka::{KafkaMailbox, KafkaQueue};
pub use memory::{MemoryBackup, MemoryQueue};
pub use outbox::{OutboxQueue, check_outbox, mysql_outbox_ddl, outbox_ddl, postgres_outbox_ddl};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::position::{Position, Version};
use crate::store::SideTable;
use async_trait::async_trait;
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// One message as it came off the queue, not yet decoded.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its place in the partition.
    pub position: Position,
    /// The position after it.
    pub next: Position,
    /// Its place in the source's commit order; `None` where only the payload tells.
    pub version: Option<Version>,
    /// When the change was made, by the producer's clock: for the lag that people see. Where the
    /// producer did not say, when it was read.
    pub made_at: Timestamp,
    /// The key on the wire, if the queue has one.
    pub key: Option<Vec<u8>>,
    /// Headers on the wire. The outbox puts its `op` column here.
    pub headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    /// The topic it came from; for an outbox the table that its row names, empty if it names none.
    pub topic: Arc<str>,
    /// The value on the wire; `None` for a null value.
    pub payload: Option<Vec<u8>>,
    /// The offset as people write it.
    pub offset: i64,
}

/// What a consumer has to deal with next.
#[derive(Debug)]
pub enum Delivery {
    /// These partitions are this consumer's now. Claim them in the target, `seek` to the smallest
    /// position there, then poll again. Nothing of them is delivered before.
    Assigned(Vec<Arc<str>>),
    /// These partitions are not this consumer's any more.
    Revoked(Vec<Arc<str>>),
    /// Messages of one partition, in order, beginning where the last delivery of it ended.
    Messages {
        /// The partition.
        partition: Arc<str>,
        /// Where the batch begins.
        from: Position,
        /// Where it ends: also past gaps in the numbering that hold no message.
        next: Position,
        /// The messages.
        messages: Vec<Message>,
    },
    /// Nothing came in the time given.
    Idle,
}

/// Who decides which consumer has a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// The queue's own group protocol.
    Group,
    /// A lease in the checkpoint store, which the caller holds while it polls.
    Lease,
}

/// An ordered, partitioned stream of changes.
///
/// Delivery is at least once and in order within a partition. A position is made and read only by
/// its queue. The queue never skips: a position it can no longer serve is an error of kind `Lost`
/// that says what must be copied again.
///
/// Call order: open → `partitions`, `end` (set-up) → `consumer` → ( `poll` → `seek`? →
/// `acknowledge` )*; `trim` on an operator's request only.
#[async_trait]
pub trait Queue: Send + Sync + Debug {
    /// Who hands out its partitions.
    fn assignment(&self) -> Assignment;

    /// The names of its partitions.
    async fn partitions(&self) -> Result<Vec<Arc<str>>>;

    /// The position after the last message of a partition, now.
    async fn end(&self, partition: &str) -> Result<Position>;

    /// Whether the source, on the connection that is read, shows everything before `position`.
    async fn source_shows(&self, partition: &str, position: &Position) -> Result<bool>;

    /// Longest that a change which the source shows may be missing here: zero where both are
    /// committed in one transaction.
    fn producer_lag_max(&self) -> Duration;

    /// How many messages lie in `[from, end)`, at most; and when the first of them was made.
    ///
    /// # Errors
    /// `Lost` as for a seek: a source that was restored must not look as if all were read.
    async fn lag(&self, partition: &str, from: &Position) -> Result<Lag>;

    /// Whether `position` was made under the plan's source epoch. One that was not belongs to a
    /// history that the source has left: nothing can be read from it, and whoever holds it begins
    /// anew at `end`.
    ///
    /// # Errors
    /// `Unreadable` if another kind of queue made it.
    fn is_current(&self, position: &Position) -> Result<bool>;

    /// A version that no change at or after `position` falls below.
    async fn version_at(&self, partition: &str, position: &Position) -> Result<Version>;

    /// Up to `messages_max` messages from `from` on, for people: nobody's consumer is disturbed.
    /// Without a position the last ones, if the queue can tell which those are.
    async fn peek(
        &self,
        partition: &str,
        from: Option<&Position>,
        messages_max: usize,
    ) -> Result<Vec<Message>> {
        let Some(from) = from else { return Ok(Vec::new()) };
        let mut consumer = self.consumer().await?;
        consumer.poll(messages_max, Duration::ZERO).await?;
        consumer.seek(partition, from).await?;
        match consumer.poll(messages_max, Duration::ZERO).await? {
            Delivery::Messages { messages, .. } => Ok(messages),
            _ => Ok(Vec::new()),
        }
    }

    /// A new consumer.
    async fn consumer(&self) -> Result<Box<dyn Consumer>>;

    /// Tells other migrations that read the same queue that this one needs everything at or after
    /// `start`, its start position: they do not trim above it then. Once is enough; again changes
    /// nothing.
    async fn register(&self, partition: &str, start: &Position) -> Result<()>;

    /// Removes messages before `below` for good, and remembers that it did. Returns how many went.
    ///
    /// The caller passes the smallest position that any instance of the target holds durably.
    ///
    /// # Errors
    /// `Refused` if another migration still needs some of them; `Lost` if `below` was not made in
    /// this history.
    async fn trim(&self, partition: &str, below: &Position) -> Result<u64>;

    /// The statements by which `register` makes what [`Self::side_tables`] lists, for an operator
    /// who wants to run them; none where the queue keeps nothing of its own.
    fn set_up_statements(&self) -> Vec<String>;

    /// What this migration keeps in the queue's store beside the messages.
    async fn side_tables(&self) -> Result<Vec<SideTable>>;

    /// Removes it: the clean-up. The messages stay.
    async fn remove_side_tables(&self) -> Result<()>;

    /// The position as people write it, such as an offset: that of the first message that may come
    /// after it.
    fn describe(&self, position: &Position) -> String;
}

/// How far a reader is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Messages not yet read.
    pub messages: u64,
    /// Age of the oldest of them; zero if there is none.
    pub age: Duration,
}

/// One reader of a queue. A partition of it belongs to one consumer at a time, as far as the queue
/// can tell; the target's generation fence decides.
#[async_trait]
pub trait Consumer: Send + Debug {
    /// Waits up to `wait` for the next delivery of at most `messages_max` messages.
    ///
    /// # Errors
    /// `Lost` if what comes next is gone, or the queue's partitions are not those that the
    /// positions were made with; whoever starts again gets the same from `seek`.
    async fn poll(&mut self, messages_max: usize, wait: Duration) -> Result<Delivery>;

    /// Moves a partition of this consumer to `position`; the next delivery begins there. Until the
    /// first seek nothing of the partition is delivered.
    ///
    /// A seek also proves that `position` was made in this very history. A caller whose instances
    /// are at different positions seeks to each of them, the smallest last: else a source that was
    /// restored to a point between them would go unnoticed.
    ///
    /// # Errors
    /// `Lost` if the queue no longer holds what lies at or after `position`, or if it is not the
    /// queue that the position was made in (restored, reset).
    async fn seek(&mut self, partition: &str, position: &Position) -> Result<()>;

    /// Tells the queue how far this consumer is. A hint: nothing rests on it.
    async fn acknowledge(&mut self, partition: &str, next: &Position) -> Result<()>;
}

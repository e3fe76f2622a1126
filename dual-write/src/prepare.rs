//! From what was polled to what is written: decoded, compacted, routed, and its dead letters.

use crate::apply::Place;
use crate::courses::Courses;
use migration::checkpoint::CheckpointStore;
use migration::clock::Timestamp;
use migration::dead_letter::{self, DeadLetter, FailedChange, FailedIn, Mailbox};
use migration::decode::{Change, Changes, Decoder, TableChanges};
use migration::error::{Error, Result};
use migration::key::Key;
use migration::layout::{Layout, TargetLayout};
use migration::position::Version;
use migration::queue::Message;
use migration::route::{Touched, route};
use migration::store::LiveWrites;
use std::sync::Arc;

/// A batch that is ready to be applied.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) place: Place,
    /// By instance, then by target table.
    pub(crate) writes: Vec<Vec<LiveWrites>>,
    pub(crate) touched: Vec<Touched>,
    pub(crate) dead: Vec<DeadLetter>,
    /// Changes in the batch.
    pub(crate) consumed: usize,
    pub(crate) compacted: usize,
    pub(crate) foreign: usize,
    pub(crate) ignored: usize,
    /// When the oldest of its changes was made.
    pub(crate) oldest_made_at: Option<Timestamp>,
    /// The first target table of each source table: where a change is counted.
    firsts: Arc<[Arc<TargetLayout>]>,
    /// The message of a batch of one.
    alone: Option<Alone>,
    /// Whether it writes nothing, because the target could not hold it.
    pub(crate) is_buried: bool,
}

/// A message with what was decoded from it.
#[derive(Debug)]
struct Alone {
    message: Message,
    changes: Vec<Decoded>,
}

/// A change, as far as its dead letter needs it.
#[derive(Debug)]
struct Decoded {
    index: u32,
    version: Version,
    table: String,
    key: Key,
}

impl Prepared {
    /// A batch of one message that the target cannot hold: it writes nothing, and its changes are
    /// dead letters.
    pub(crate) fn buried(mut self, error: &Error) -> Self {
        let Some(Alone { message, changes }) = self.alone.take() else { return self };
        for change in &changes {
            let change = FailedChange {
                index: change.index,
                version: Some(change.version),
                failed_in: FailedIn::Target,
                error,
                table: Some(&change.table),
                record: Some(&change.key),
            };
            let letter = DeadLetter::new(&self.place.partition, &message, &change);
            tracing::warn!(id = letter.id(), error = letter.summary.error, "dead letter");
            self.dead.push(letter);
        }
        for writes in &mut self.writes {
            writes.clear();
        }
        self.touched.clear();
        self.is_buried = true;
        self
    }

    /// Whether a change is counted where these writes go.
    pub(crate) fn is_first_table(&self, writes: &LiveWrites) -> bool {
        self.firsts.iter().any(|first| Arc::ptr_eq(first, &writes.target))
    }
}

/// Prepares batches.
#[derive(Debug)]
pub struct Preparer {
    decoder: Decoder,
    firsts: Arc<[Arc<TargetLayout>]>,
    instances: usize,
    checkpoint: Arc<dyn CheckpointStore>,
    pub(crate) courses: Arc<Courses>,
    mailbox: Option<Arc<dyn Mailbox>>,
}

impl Preparer {
    /// Prepares batches of these tables for so many instances; what cannot be decoded is kept in
    /// `checkpoint`.
    #[must_use]
    pub fn new(
        layouts: Vec<Arc<Layout>>,
        instances: usize,
        checkpoint: Arc<dyn CheckpointStore>,
    ) -> Self {
        Self::with_decoder(Decoder::new(layouts), instances, checkpoint)
    }

    /// The same for messages that `decoder` reads.
    #[must_use]
    pub fn with_decoder(
        decoder: Decoder,
        instances: usize,
        checkpoint: Arc<dyn CheckpointStore>,
    ) -> Self {
        let first = |layout: &Arc<Layout>| layout.targets().first().cloned();
        let firsts = decoder.layouts().iter().filter_map(first).collect();
        let courses = Arc::new(Courses::new(Arc::clone(&checkpoint)));
        Self { decoder, firsts, instances, checkpoint, courses, mailbox: None }
    }

    /// The same, with a place that dead letters are written to as well.
    #[must_use]
    pub fn with_mailbox(mut self, mailbox: Option<Arc<dyn Mailbox>>) -> Self {
        self.mailbox = mailbox;
        self
    }

    /// Decodes and routes a batch.
    ///
    /// # Errors
    /// `Refused` if it begins with a message that nobody may pass without an operator, `Lost` with
    /// one that shows that the source began anew. A batch that has one further on ends before it;
    /// the caller goes back, so that the next begins with it.
    pub(crate) fn prepare(&self, mut place: Place, mut messages: &[Message]) -> Result<Prepared> {
        let follow = |course: &mut _| self.decoder.decode_following(messages, course);
        let mut changes = self.courses.with(&place.partition, follow);
        if let Some(stop) = changes.stop.take() {
            if stop.message == 0 {
                return Err(stop.error.with("partition", &place.partition));
            }
            place.next = messages[stop.message].position;
            messages = &messages[..stop.message];
        }
        let alone = self.alone(&changes, messages);
        let routed = route(&changes, self.instances)?;
        let undecodable = changes.undecodable.iter().map(|found| {
            let change = FailedChange {
                index: found.index,
                version: found.version,
                failed_in: FailedIn::Decoding,
                error: &found.error,
                table: found.record.as_ref().map(|(table, _)| self.table(*table)),
                record: found.record.as_ref().map(|(_, key)| key),
            };
            DeadLetter::new(&place.partition, &messages[found.message], &change)
        });
        let rejected = routed.rejected.iter().map(|found| {
            let change = FailedChange {
                index: found.index,
                version: Some(found.version),
                failed_in: FailedIn::Routing,
                error: &found.error,
                table: Some(self.table(found.table)),
                record: Some(&found.key),
            };
            DeadLetter::new(&place.partition, &messages[found.message], &change)
        });
        let dead: Vec<DeadLetter> = undecodable.chain(rejected).collect();
        for letter in &dead {
            tracing::warn!(id = letter.id(), error = letter.summary.error, "dead letter");
        }
        Ok(Prepared {
            dead,
            place,
            writes: routed.writes,
            touched: routed.touched,
            consumed: messages.len(),
            compacted: changes.compacted,
            foreign: changes.foreign,
            ignored: changes.ignored.total(),
            oldest_made_at: changes.oldest_made_at,
            firsts: Arc::clone(&self.firsts),
            alone,
            is_buried: false,
        })
    }

    /// Kept for the dead letters that its changes may become; of more messages it would not be
    /// known whose they are.
    fn alone(&self, changes: &Changes, messages: &[Message]) -> Option<Alone> {
        let [message] = messages else { return None };
        let of_table = |(table, changes): (usize, &TableChanges)| {
            let decoded = |change: &Change| Decoded {
                index: change.index,
                version: change.version,
                table: self.table(table).to_owned(),
                key: change.key.clone(),
            };
            changes.changes.iter().map(decoded).collect::<Vec<_>>()
        };
        let changes = changes.tables.iter().enumerate().flat_map(of_table).collect();
        Some(Alone { message: message.clone(), changes })
    }

    fn table(&self, place: usize) -> &str {
        &self.decoder.layouts()[place].source().table
    }

    /// Makes the batch's dead letters durable.
    pub(crate) async fn keep_dead(&self, batch: &Prepared) -> Result<()> {
        dead_letter::keep(&*self.checkpoint, &batch.dead).await?;
        match &self.mailbox {
            Some(mailbox) if !batch.dead.is_empty() => mailbox.put(&batch.dead).await,
            _ => Ok(()),
        }
    }
}

//! What went wrong of late with a partition, and when it has gone wrong too often.

use migration::dead_letter::DeadLetter;
use migration::error::{Error, ErrorKind, Result};

/// How often in a row a batch may end in a lost tail or a gap, before somebody should look at that
/// instance.
const RESTARTS_MAX: usize = 16;

/// How many messages in a row may become dead letters because the target cannot hold them, before
/// somebody should look at the target.
const BURIED_MAX: usize = 100;

/// How many dead letters in a row may come of messages that nobody can decode, before somebody
/// should look at the topic: its format may be another, and then all of it would be kept in the
/// dead-letter store.
const UNDECODABLE_MAX: usize = 1_000;

/// Since a batch of the partition was applied.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    restarts: usize,
    /// Messages in a row that the target could not hold.
    buried: usize,
    /// Dead letters in a row of messages that could not be decoded.
    undecodable: usize,
    /// How many messages are still to be polled one at a time.
    singly: usize,
}

impl Trouble {
    /// A batch is on every instance.
    pub(super) fn applied(&mut self, is_buried: bool) {
        self.restarts = 0;
        if !is_buried {
            self.buried = 0;
        }
    }

    pub(super) fn is_singly(&self) -> bool {
        self.singly > 0
    }

    /// So many messages are polled one at a time: one of them is at fault.
    pub(super) fn search(&mut self, messages: usize) {
        self.singly = messages;
    }

    pub(super) fn polled(&mut self, messages: usize) {
        self.singly = self.singly.saturating_sub(messages);
    }

    /// Counts one time that the partition is read again.
    pub(super) fn restarted(&mut self, partition: &str) -> Result<()> {
        self.restarts += 1;
        if self.restarts <= RESTARTS_MAX {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Lost, "apply batch: an instance keeps losing it")
            .with("partition", partition)
            .hint("see the logs of the target's instances, then run `dual-write run` again"))
    }

    /// A batch held a change.
    pub(super) fn decoded(&mut self) {
        self.undecodable = 0;
    }

    /// Counts the dead letters of a batch without a change, of which `last` is one. A batch that
    /// begins after too many of them is refused; whoever starts again means to pass as many more.
    pub(super) fn undecodable(&mut self, letters: usize, last: &DeadLetter) -> Result<()> {
        if self.undecodable < UNDECODABLE_MAX {
            self.undecodable += letters;
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unreadable, "decode messages: none can be, one after the other")
            .with("partition", &last.summary.partition)
            .with("dead_letters", self.undecodable)
            .with("last", &last.summary.error)
            .hint(
                "is the topic's `format` in the plan right? `dual-write explain` shows what its \
                 messages look like; to pass as many more, run `dual-write run` again",
            ))
    }

    /// Counts a message that the target cannot hold. After many not the messages are at fault, but
    /// the table or the disk: then `error` is handed back as the cause.
    pub(super) fn buried(&mut self, partition: &str, error: Error) -> Result<Error> {
        self.buried += 1;
        if self.buried <= BURIED_MAX {
            return Ok(error);
        }
        let what = "apply messages: the target takes none of them";
        Err(Error::new(ErrorKind::Unreadable, what)
            .with("partition", partition)
            .with("dead_letters", BURIED_MAX)
            .hint(
                "see what they say: `dual-write dlq list`; was a column of the target narrowed, or \
                 is its database damaged?",
            )
            .because(error))
    }
}

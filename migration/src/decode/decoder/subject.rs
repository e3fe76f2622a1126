//! One change on its way through the decoder: what is known of it, for versions and failures.

use crate::decode::evidence::{Snapshot, queue_version, version};
use crate::decode::format::Versions;
use crate::decode::message::{ChangeMessage, TableName};
use crate::decode::outcome::Flaw;
use crate::decode::topic::Topic;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::position::Version;
use crate::queue::Message;

/// A message and the topic it came from.
#[derive(Clone, Copy)]
pub(super) struct Place<'d> {
    /// Index of the message in its batch.
    pub(super) index: usize,
    pub(super) message: &'d Message,
    pub(super) topic: &'d Topic,
    pub(super) source_epoch: u32,
}

/// Why a change cannot be decoded, and what is known of it.
pub(super) struct Failure {
    pub(super) index: u32,
    pub(super) flaw: Flaw,
    pub(super) error: Error,
    pub(super) record: Option<(usize, Key)>,
    pub(super) version: Option<Version>,
}

impl Place<'_> {
    /// The failure of a message as a whole.
    pub(super) fn failure(&self, error: Error) -> Failure {
        // An outbox's row is one change, whatever it says.
        let version = self.message.version.filter(|_| self.topic.versions().is_none());
        let error = located(error, self.message, self.topic);
        Failure { index: 0, flaw: Flaw::Unreadable, error, record: None, version }
    }

    /// An error about the message: where it is, never what it holds.
    pub(super) fn located(&self, error: Error) -> Error {
        located(error, self.message, self.topic)
    }

    /// Why nobody may pass this message.
    pub(super) fn truncated(&self, table: &TableName<'_>) -> Error {
        let named = table.table.as_deref().unwrap_or("(not named)");
        let error = Error::new(ErrorKind::Refused, "decode change").with(
            "problem",
            "every record of a table was removed at once, and the order against the changes of \
             its records is not told",
        );
        located(error, self.message, self.topic).with("emptied", named).hint(
            "look whether the table was meant to be emptied; if so, write truncates = \"ignore\" in \
             the topic of the plan and go on: `verify run` then finds what only the target holds, \
             and `verify repair --execute` removes it",
        )
    }
}

/// One change.
#[derive(Clone, Copy)]
pub(super) struct Subject<'s> {
    pub(super) place: Place<'s>,
    /// The table, by its place among the decoder's layouts.
    pub(super) table: usize,
    pub(super) change: &'s ChangeMessage<'s>,
}

impl Subject<'_> {
    /// The version of part `index` of the change.
    pub(super) fn version(&self, index: u32) -> Result<Version> {
        let message = self.place.message;
        let no_place = || Error::new(ErrorKind::Unreadable, "read place in the commit order");
        match self.place.topic.versions() {
            None => message.version.ok_or_else(no_place),
            Some(Versions::Queue) => {
                let version = message.version.ok_or_else(no_place)?;
                queue_version(&version, index)
            }
            Some(Versions::Source) => {
                let (evidence, snapshot) = (self.change.evidence, self.change.snapshot);
                if evidence.is_none() && snapshot == Snapshot::No {
                    return Err(no_place().with("problem", "the message tells none").hint(
                        "have the producer send it (see the format's page), or write versions = \
                         \"queue\" if it sends the changes of a record in commit order, always to \
                         the same partition",
                    ));
                }
                version(self.place.source_epoch, evidence, snapshot, index)
            }
        }
    }

    /// The failure of part `index` of the change.
    pub(super) fn failure(
        &self,
        index: u32,
        problem: &'static str,
        cause: Error,
        key: Option<&Key>,
    ) -> Box<Failure> {
        let error = Error::new(ErrorKind::Unreadable, "decode change").with("problem", problem);
        let error = located(error, self.place.message, self.place.topic);
        let error = match cause.next_step() {
            Some(hint) => error.hint(hint),
            None => error,
        };
        Box::new(Failure {
            index,
            flaw: Flaw::Unreadable,
            error: error.because(cause),
            record: key.map(|key| (self.table, key.clone())),
            version: self.version(index).ok(),
        })
    }
}

fn located(error: Error, message: &Message, topic: &Topic) -> Error {
    let of = if topic.versions().is_none() { "table" } else { "topic" };
    error.with(of, &message.topic).with("offset", message.offset)
}

//! One batch on its way through the decoder.

use super::Decoder;
use super::keys::Parts;
use super::subject::{Failure, Place, Subject};
use crate::decode::compaction::{Latest, remove_superseded};
use crate::decode::course::{Course, Step};
use crate::decode::envelope::{Envelope, read, read_outbox, side_topic, wires};
use crate::decode::format::{Truncates, Versions};
use crate::decode::message::{ChangeMessage, Ignored, Op, Read, shown};
use crate::decode::outcome::{Change, Changes, Flaw, Stop, Undecodable};
use crate::decode::record::{Reader, incomplete};
use crate::decode::topic::Of;
use crate::decode::wire::Wire;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::position::Version;
use crate::protocol::Effect;
use crate::queue::Message;
use std::sync::Arc;

/// Most schemas kept of one batch: topics of many tables carry one each.
const SCHEMAS_MAX: usize = 16;

pub(super) struct Run<'d> {
    decoder: &'d Decoder,
    messages: &'d [Message],
    changes: Changes,
    latest: Vec<Latest>,
    /// The last schemas that came with messages, by table.
    schemas: Vec<(usize, String, Arc<[Wire]>)>,
    /// The partition's course, where somebody follows it.
    course: Option<&'d mut Course>,
}

impl<'d> Run<'d> {
    pub(super) fn new(
        decoder: &'d Decoder,
        messages: &'d [Message],
        course: Option<&'d mut Course>,
    ) -> Self {
        Self {
            decoder,
            messages,
            changes: Changes::none(&decoder.layouts),
            latest: decoder.layouts.iter().map(|_| Latest::default()).collect(),
            schemas: Vec::new(),
            course,
        }
    }

    /// Decodes all of them, or as many as may be passed.
    pub(super) fn batch(mut self) -> Changes {
        for index in 0..self.messages.len() {
            if !self.message(index) {
                break;
            }
        }
        self.finish()
    }

    /// Decodes the next message. False: nobody may pass it without an operator.
    pub(super) fn message(&mut self, index: usize) -> bool {
        let message = &self.messages[index];
        let Some(topic) = self.decoder.topics.get(&*message.topic) else {
            self.no_topic(index, message);
            return true;
        };
        let place = Place { index, message, topic, source_epoch: self.decoder.source_epoch };
        let result = Envelope::of(message).and_then(|envelope| match &topic.format {
            Some(format) => read(&format.format, &envelope, &mut |read| self.read(place, read)),
            None => read_outbox(&envelope, &mut |read| self.read(place, read)),
        });
        if let Err(error) = result {
            self.undecodable(index, place.failure(error));
        }
        self.changes.stop.is_none()
    }

    /// Every change, also those that a later one made superfluous.
    pub(super) fn into_changes(self) -> Changes {
        self.changes
    }

    fn finish(mut self) -> Changes {
        for table in &mut self.changes.tables {
            remove_superseded(&mut table.changes);
        }
        self.changes
    }

    /// A message of a topic that the plan does not name.
    fn no_topic(&mut self, index: usize, message: &Message) {
        if message.topic.is_empty() {
            let error = Error::new(ErrorKind::Unreadable, "decode change")
                .with("problem", "it names no table")
                .with("offset", message.offset);
            let version = message.version;
            let flaw = Flaw::Unreadable;
            self.undecodable(index, Failure { index: 0, flaw, error, record: None, version });
        } else if let Some(reason) = side_topic(&message.topic) {
            self.changes.ignored.add(reason);
        } else {
            self.changes.foreign += 1;
        }
    }

    fn read(&mut self, place: Place<'_>, read: Read<'_>) {
        match read {
            Read::Ignored(reason) => self.changes.ignored.add(reason),
            Read::Truncate(table) => {
                match (place.topic.table_of(&table), place.topic.truncates()) {
                    (Of::Foreign, _) => self.changes.foreign += 1,
                    (_, Truncates::Ignore) => self.changes.ignored.add(Ignored::Truncate),
                    (_, Truncates::Stop) => {
                        let error = place.truncated(&table);
                        self.changes.stop = Some(Stop { message: place.index, error });
                    }
                }
            }
            // What one message shows holds for all that it says, and for what comes after it.
            Read::Change(_) if self.changes.stop.is_some() => {}
            Read::Change(change) => {
                let made_at = change.made_at.unwrap_or(place.message.made_at);
                let oldest = self.changes.oldest_made_at.map_or(made_at, |at| at.min(made_at));
                self.changes.oldest_made_at = Some(oldest);
                match place.topic.table_of(&change.table) {
                    Of::Foreign => self.changes.foreign += 1,
                    Of::Unnamed => {
                        let error = Error::new(ErrorKind::Unreadable, "decode change")
                            .with("problem", "nothing tells its table")
                            .hint("state `table` in the topic of the plan");
                        self.undecodable(place.index, place.failure(error));
                    }
                    Of::Table(table) => {
                        if let Err(error) = self.follow(place, &change) {
                            self.changes.stop = Some(Stop { message: place.index, error });
                            return;
                        }
                        let subject = Subject { place, table, change: &change };
                        if let Err(failure) = self.change(subject) {
                            self.undecodable(place.index, *failure);
                        }
                    }
                }
            }
        }
    }

    fn follow(&mut self, place: Place<'_>, change: &ChangeMessage<'_>) -> Result<()> {
        let course =
            self.course.as_mut().filter(|_| place.topic.versions() == Some(Versions::Source));
        let (Some(course), Some(evidence), Some(committed_at)) =
            (course, change.evidence, change.made_at.filter(|_| change.is_source_time))
        else {
            return Ok(());
        };
        let queued_at = place.message.made_at;
        let step = Step { evidence, snapshot: change.snapshot, committed_at, queued_at };
        course.follow(place.source_epoch, &step).map_err(|error| place.located(error))
    }

    fn change(&mut self, subject: Subject<'_>) -> Result<(), Box<Failure>> {
        let Subject { place, table, change } = subject;
        let index = change.index;
        let schema = Arc::clone(self.decoder.layouts[table].source());
        let codec = place.topic.codec(table);
        let came = match change.schema {
            Some(text) => {
                let wires = self.wires_of(table, &codec.wires, text);
                Some(wires.map_err(|e| subject.failure(index, "its schema", e, None))?)
            }
            None => None,
        };
        let wires = came.as_deref().unwrap_or(&codec.wires);
        let reader = Reader { schema: &schema, codec, wires };
        let parts = Parts::read(&reader, change)
            .map_err(|error| subject.failure(index, "it is not a row", error, None))?;
        let key = parts
            .key(&reader, &change.op)
            .map_err(|error| subject.failure(index, "its key cannot be read", error, None))?;
        match &change.op {
            Op::Unknown(word) => {
                let error =
                    Error::new(ErrorKind::Unreadable, "read operation").with("op", shown(word));
                Err(subject.failure(index, "its op is not known", error, Some(&key)))
            }
            Op::Delete => self.delete(subject, index, key),
            Op::Upsert => self.upsert(subject, &reader, &parts, key),
        }
    }

    fn delete(&mut self, subject: Subject<'_>, index: u32, key: Key) -> Result<(), Box<Failure>> {
        let version = subject
            .version(index)
            .map_err(|error| subject.failure(index, NO_VERSION, error, Some(&key)))?;
        self.add(subject, index, Effect::Delete, key, version);
        Ok(())
    }

    fn upsert(
        &mut self,
        subject: Subject<'_>,
        reader: &Reader<'_>,
        parts: &Parts<'_>,
        key: Key,
    ) -> Result<(), Box<Failure>> {
        let mut index = subject.change.index;
        let old = parts.old_key(reader, subject.change).map_err(|error| {
            // Without a record: what it was before has to go too, and nobody knows what that is.
            subject.failure(index, "its key before the change cannot be read", error, None)
        })?;
        if let Some(old) = old.filter(|old| *old != key) {
            self.delete(subject, index, old)?;
            index += 1;
        }
        let version = subject
            .version(index)
            .map_err(|error| subject.failure(index, NO_VERSION, error, Some(&key)))?;
        let pushed = match subject.change.incomplete {
            Some(why) => Err((Flaw::Incomplete, incomplete(why))),
            None => reader.push(&parts.row(), &mut self.changes.tables[subject.table].records),
        };
        pushed.map_err(|(flaw, error)| {
            let problem = match flaw {
                Flaw::Unreadable => "its row cannot be read",
                Flaw::Incomplete => "its row is not whole",
            };
            let failure = subject.failure(index, problem, error, Some(&key));
            Box::new(Failure { flaw, ..*failure })
        })?;
        self.add(subject, index, Effect::Set, key, version);
        Ok(())
    }

    /// Adds a change; the row of a `Set` is the last one there.
    fn add(
        &mut self,
        subject: Subject<'_>,
        index: u32,
        effect: Effect,
        key: Key,
        version: Version,
    ) {
        let table = &mut self.changes.tables[subject.table];
        let change = Change {
            key,
            version,
            position: subject.place.message.position,
            message: subject.place.index,
            index,
            effect,
            row: table.records.len().saturating_sub(1),
        };
        self.changes.compacted += self.latest[subject.table].add(&mut table.changes, change);
    }

    fn undecodable(&mut self, message: usize, failure: Failure) {
        let Failure { index, flaw, error, record, version } = failure;
        self.changes.undecodable.push(Undecodable { message, index, flaw, error, record, version });
    }

    /// How the columns are written by the schema that came with a row: the same for many messages.
    fn wires_of(&mut self, table: usize, base: &[Wire], text: &str) -> Result<Arc<[Wire]>> {
        let known = self.schemas.iter().find(|(of, known, _)| *of == table && known == text);
        if let Some((.., wires)) = known {
            return Ok(Arc::clone(wires));
        }
        let found: Arc<[Wire]> = wires(self.decoder.layouts[table].source(), base, text)?.into();
        if self.schemas.len() == SCHEMAS_MAX {
            self.schemas.remove(0);
        }
        self.schemas.push((table, text.to_owned(), Arc::clone(&found)));
        Ok(found)
    }
}

const NO_VERSION: &str = "its place in the commit order cannot be read";

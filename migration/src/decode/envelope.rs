//! The first step of decoding: what a message is, by its format, without typing its values.

mod canal;
mod connect;
mod debezium;
mod flattened;
mod maxwell;
mod outbox;
mod plain;
mod router;

pub(super) use connect::wires;

use super::format::Format;
use super::json_error::JsonError;
use super::message::{Ignored, Read};
use crate::error::{Error, ErrorKind, Result};
use crate::queue::Message;

/// Most bytes of a message: four times what a broker or a database takes by default as its most.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// A message whose key and value are text.
#[derive(Clone, Copy)]
pub(super) struct Envelope<'a> {
    pub(super) message: &'a Message,
    /// `None` for a null key.
    pub(super) key: Option<&'a str>,
    /// `None` for a null value.
    pub(super) value: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    pub(super) fn of(message: &'a Message) -> Result<Self> {
        let bytes = message.payload.as_ref().map_or(0, Vec::len);
        if bytes > MESSAGE_BYTES_MAX {
            return Err(problem("its value is too large").with("bytes", bytes));
        }
        Ok(Self {
            message,
            key: text(message.key.as_deref(), "its key is not UTF-8")?,
            value: text(message.payload.as_deref(), "its value is not UTF-8")?,
        })
    }

    fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut headers = self.message.headers.iter();
        headers.find(|(found, _)| found == name).map(|(_, value)| value.as_slice())
    }
}

/// Some converters write `null` where others write no value at all.
fn text<'a>(bytes: Option<&'a [u8]>, otherwise: &'static str) -> Result<Option<&'a str>> {
    let Some(bytes) = bytes.filter(|bytes| *bytes != b"null") else { return Ok(None) };
    std::str::from_utf8(bytes).map(Some).map_err(|error| problem(otherwise).because(error))
}

/// Reads a message of `format` and hands what it holds to `each`, in order.
///
/// # Errors
/// `Unreadable` if it is not of the format; then nothing was handed over.
pub(super) fn read(
    format: &Format,
    envelope: &Envelope<'_>,
    each: &mut dyn FnMut(Read<'_>),
) -> Result<()> {
    match format {
        Format::Debezium(format) => debezium::read(format, envelope, each),
        Format::DebeziumFlattened(format) => flattened::read(format, envelope, each),
        Format::DebeziumOutbox(format) => router::read(format, envelope, each),
        Format::Canal(_) => canal::read(envelope, each),
        Format::Maxwell(_) => maxwell::read(envelope, each),
        Format::Plain(format) => plain::read(format, envelope, envelope.value, each),
    }
}

/// Reads a message of an outbox table.
///
/// # Errors
/// As [`read`].
pub(super) fn read_outbox(envelope: &Envelope<'_>, each: &mut dyn FnMut(Read<'_>)) -> Result<()> {
    outbox::read(envelope, each)
}

/// What a topic that is no table's is for, by the names that Debezium gives such topics.
pub(super) fn side_topic(topic: &str) -> Option<Ignored> {
    if topic.starts_with("__debezium-heartbeat") {
        Some(Ignored::Heartbeat)
    } else if topic.ends_with(".transaction") {
        Some(Ignored::Transaction)
    } else {
        None
    }
}

/// Why a message is not of its format.
fn problem(problem: &'static str) -> Error {
    Error::new(ErrorKind::Unreadable, "read message").with("problem", problem)
}

fn not_json(error: impl Into<JsonError>) -> Error {
    problem("its value is not what its format says").because(error.into())
}

//! The read log: for each list read, which store answered, what, when, and by which stage.

use crate::edge::ListDigest;
use crate::files::FlightDir;
use crate::log::{LogReader, LogWriter, line};
use cutover::{Decision, Reason, Store};
use migration::error::Result;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// Lines are written once this much has come together: a read does not wait for the disk.
const BUFFER: usize = 32 * 1024;

/// One read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadLine {
    /// The list that was read.
    pub(crate) list: String,
    /// The store that was read.
    pub(crate) store: Store,
    /// Whether the caller got this answer; otherwise it was a mirrored read, off the response path.
    pub(crate) answered: bool,
    /// Before the decision, in microseconds since 1970.
    pub(crate) begun_at: i64,
    /// After the answer was there, in microseconds since 1970.
    pub(crate) ended_at: i64,
    /// The stage generation that it was decided by.
    pub(crate) generation: u32,
    /// The rule that decided.
    pub(crate) reason: Reason,
    /// Edges in the answer.
    pub(crate) edges: u32,
    /// Digest of the answer, in hexadecimal.
    pub(crate) digest: String,
}

impl ReadLine {
    /// The digest of the answer; none if the line holds no digest.
    pub(crate) fn list_digest(&self) -> Option<ListDigest> {
        let sum = u128::from_str_radix(&self.digest, 16).ok()?;
        Some(ListDigest { edges: self.edges, sum })
    }
}

/// A read that has an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) list: &'a str,
    pub(crate) decision: &'a Decision,
    pub(crate) store: Store,
    pub(crate) answered: bool,
    pub(crate) begun_at: i64,
    pub(crate) ended_at: i64,
    pub(crate) digest: ListDigest,
}

/// Writes the read log; shared by all threads that read.
#[derive(Debug)]
pub(crate) struct ReadLog(Mutex<Buffered>);

#[derive(Debug)]
struct Buffered {
    writer: LogWriter,
    lines: Vec<u8>,
}

impl ReadLog {
    /// Opens the log behind its last whole line.
    pub(crate) fn open(dir: &FlightDir) -> Result<Self> {
        let mut reader = LogReader::<ReadLine>::open(&dir.reads())?;
        for entry in reader.by_ref() {
            entry?;
        }
        let writer = LogWriter::open(&dir.reads(), reader.whole_bytes())?;
        Ok(Self(Mutex::new(Buffered { writer, lines: Vec::with_capacity(2 * BUFFER) })))
    }

    /// Notes a read.
    pub(crate) fn note(&self, answer: &Answer<'_>) -> Result<()> {
        let entry = line(&ReadLine {
            list: answer.list.to_owned(),
            store: answer.store,
            answered: answer.answered,
            begun_at: answer.begun_at,
            ended_at: answer.ended_at,
            generation: answer.decision.generation,
            reason: answer.decision.reason,
            edges: answer.digest.edges,
            digest: format!("{:x}", answer.digest.sum),
        })?;
        let mut buffered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffered.lines.extend_from_slice(&entry);
        if buffered.lines.len() < BUFFER {
            return Ok(());
        }
        buffered.write()
    }

    /// Returns once everything noted is durable.
    pub(crate) fn sync(&self) -> Result<()> {
        let mut buffered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffered.write()?;
        buffered.writer.sync()
    }
}

impl Buffered {
    fn write(&mut self) -> Result<()> {
        let Self { writer, lines } = self;
        writer.append(lines)?;
        lines.clear();
        Ok(())
    }
}

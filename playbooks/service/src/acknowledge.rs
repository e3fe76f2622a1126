//! Acknowledges committed changes in groups: one sync for many.

use crate::files::file_error;
use crate::log::{LogWriter, line};
use crate::oracle::OracleLine;
use crate::tally::Tally;
use migration::error::Result;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A group is closed after this long: what a caller of the service waits longer than its commit.
const GROUP_MAX: Duration = Duration::from_millis(20);
/// Committed changes that may wait to be acknowledged. Beyond it the writer waits, so that a slow
/// disk slows the service down instead of filling its memory.
pub(crate) const WAITING_MAX: usize = 4_096;

/// Makes changes durable and counts them as acknowledged.
#[derive(Debug)]
pub(crate) struct Acknowledger {
    /// The source's write-ahead log. SQLite locks the database file and its index, never this
    /// file, so opening and closing it here drops no lock of theirs.
    /// None where a commit is durable by itself, as on a server.
    pub(crate) wal: Option<PathBuf>,
    /// The oracle.
    pub(crate) oracle: LogWriter,
    /// Where acknowledged changes are counted.
    pub(crate) tally: Arc<Tally>,
}

impl Acknowledger {
    /// Acknowledges what comes until the writer is gone, and all of it.
    pub(crate) fn run(mut self, committed: &Receiver<OracleLine>) -> Result<()> {
        let mut wal = None;
        let mut is_open = true;
        while is_open {
            let (lines, count, open) = next_group(committed)?;
            is_open = open;
            if count == 0 {
                continue;
            }
            if let Some(path) = &self.wal {
                sync(path, &mut wal)
                    .map_err(|error| file_error("sync write-ahead log", path, error))?;
            }
            self.oracle.append(&lines)?;
            self.oracle.sync()?;
            self.tally.acknowledged.add(count);
        }
        Ok(())
    }
}

/// Syncs a file, which is there from the first commit on.
fn sync(path: &Path, opened: &mut Option<File>) -> std::io::Result<()> {
    let file: &File = match opened {
        Some(file) => file,
        none => none.insert(File::open(path)?),
    };
    file.sync_data()
}

/// The lines of the next group, their number, and whether more may come.
fn next_group(committed: &Receiver<OracleLine>) -> Result<(Vec<u8>, u64, bool)> {
    let (mut lines, mut count) = (Vec::new(), 0);
    let Ok(first) = committed.recv() else { return Ok((lines, count, false)) };
    let closes_at = Instant::now() + GROUP_MAX;
    let mut next = Some(first);
    while let Some(entry) = next {
        lines.extend_from_slice(&line(&entry)?);
        count += 1;
        next = match committed.recv_timeout(closes_at.saturating_duration_since(Instant::now())) {
            Ok(entry) => Some(entry),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok((lines, count, false)),
        };
    }
    Ok((lines, count, true))
}

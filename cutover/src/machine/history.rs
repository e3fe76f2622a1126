//! The history: a line for every change of the stage, and one in the audit log.
//!
//! A line follows its change. Until it is written the entry has the change, so that none is lost.

use super::{CALL_MAX, ask};
use crate::stage::{Change, Record};
use migration::checkpoint::{CheckpointStore, audit, document};
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::retry::within_write;

/// The log of all changes of the stage, one a line, in order.
pub const HISTORY: &str = "cutover/history";

/// Makes sure that every change that the entry carries is in the history.
pub(super) async fn settle(checkpoint: &dyn CheckpointStore, record: &Record) -> Result<()> {
    if record.last.is_none() {
        return Ok(());
    }
    let mut end = ask("read history", checkpoint.log_end(HISTORY)).await?;
    for change in record.unwritten() {
        if change.number <= end {
            continue;
        }
        if end + 1 < change.number {
            return Err(Error::new(ErrorKind::Lost, "write history")
                .with("lines", end)
                .with("changes", change.number)
                .hint("the checkpoint store lost its tail: compare `cutover history` with what you know before going on"));
        }
        write(checkpoint, change, end).await?;
        end = change.number;
    }
    Ok(())
}

async fn write(checkpoint: &dyn CheckpointStore, change: &Change, end: u64) -> Result<()> {
    let what = format!("cutover: {} {} -> {}", change.action, change.from, change.to);
    let signed = &change.signed;
    let audit = audit::record(checkpoint, &signed.who, what, Some(&signed.why));
    within_write(CALL_MAX, "write audit log", audit).await?;
    fault::point("cutover.after-audit");
    // A second writer of the same line finds it there already; the audit log may then have the
    // change twice, but never misses it.
    let lines = [document::encode(change)?];
    let append = checkpoint.append(HISTORY, &lines, Some(end));
    within_write(CALL_MAX, "write history", append).await.map(|_| ())
}

/// Up to `limit` changes after number `after`.
pub(super) async fn read(
    checkpoint: &dyn CheckpointStore,
    record: &Record,
    after: u64,
    limit: usize,
) -> Result<Vec<Change>> {
    let lines = ask("read history", checkpoint.read_log(HISTORY, after, limit)).await?;
    let changes = lines
        .iter()
        .map(|line| document::decode(&line.value).map_err(|error| error.with("line", line.number)));
    let mut changes = changes.collect::<Result<Vec<Change>>>()?;
    let read = changes.last().map_or(after, |change| change.number);
    let unwritten = record.unwritten().filter(|change| change.number > read);
    changes.extend(unwritten.take(limit - changes.len().min(limit)).cloned());
    Ok(changes)
}

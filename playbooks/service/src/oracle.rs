//! The oracle: what the service acknowledged, in commit order.
//!
//! A change counts as acknowledged once three things are durable, in this order: its transaction
//! (data and outbox row together), and then its line here. So a crash can leave a change that was
//! committed but is not in the oracle, never the reverse. Such a change was acknowledged to nobody,
//! but it is in the source, and its outbox row with it: [`recover`] copies it into the oracle from
//! the outbox at the next start, before the first new change.

use crate::edge::Edge;
use crate::files::{FlightDir, database_error};
use crate::log::{LogReader, LogWriter, line};
use crate::outbox::OutboxRow;
use migration::error::{Error, ErrorKind, Result};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

/// One change, as acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OracleLine {
    /// The id of its outbox row: consecutive, in commit order.
    pub(crate) id: i64,
    /// Not committed before this moment, in microseconds since 1970.
    pub(crate) begun_at: i64,
    /// Committed by this moment, in microseconds since 1970.
    pub(crate) committed_at: i64,
    /// What it did.
    #[serde(flatten)]
    pub(crate) effect: Effect,
}

/// What a change did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(crate) enum Effect {
    /// The edge is now this.
    Upsert(Edge),
    /// The edge is gone.
    Delete {
        /// Whose list it was in.
        package: String,
        /// Who followed.
        dependent: String,
    },
}

/// What [`recover`] found.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// The log, ready to be appended to.
    pub(crate) writer: LogWriter,
    /// Changes that had been committed but not logged.
    pub(crate) found: u64,
    /// The id of the last change in the log.
    pub(crate) last_id: i64,
}

/// Opens the oracle and brings it up to date with what was committed.
///
/// # Errors
/// `Lost` if the outbox no longer holds a change that the oracle lacks.
pub(crate) fn recover(dir: &FlightDir, source: &Connection, now: i64) -> Result<Recovered> {
    let path = dir.oracle();
    let mut reader = LogReader::<OracleLine>::open(&path)?;
    let mut last_id = 0;
    for entry in reader.by_ref() {
        last_id = entry?.id;
    }
    let mut writer = LogWriter::open(&path, reader.whole_bytes())?;
    let mut found = 0;
    let mut lines = Vec::new();
    for row in unlogged(source, last_id)? {
        if row.id != last_id + 1 {
            return Err(Error::new(ErrorKind::Lost, "recover the oracle from the outbox")
                .with("last logged", last_id)
                .with("next in outbox", row.id)
                .hint("the outbox was trimmed before the service had logged its changes"));
        }
        last_id = row.id;
        found += 1;
        // Anything between the change and now may be when it was committed.
        let (id, begun_at) = (row.id, row.made_at);
        let entry = OracleLine { id, begun_at, committed_at: now, effect: row.effect()? };
        lines.extend_from_slice(&line(&entry)?);
    }
    writer.append(&lines)?;
    writer.sync()?;
    Ok(Recovered { writer, found, last_id })
}

/// Opens the oracle of a flight on servers, where no outbox tells what was committed and not
/// acknowledged.
pub(crate) fn open(dir: &FlightDir) -> Result<Recovered> {
    let path = dir.oracle();
    let mut reader = LogReader::<OracleLine>::open(&path)?;
    let mut last_id = 0;
    for entry in reader.by_ref() {
        last_id = entry?.id;
    }
    Ok(Recovered { writer: LogWriter::open(&path, reader.whole_bytes())?, found: 0, last_id })
}

fn unlogged(source: &Connection, last_id: i64) -> Result<Vec<OutboxRow>> {
    let failed = |error| database_error("read outbox", error);
    let mut select = source
        .prepare("SELECT id, op, payload, made_at FROM outbox WHERE id > ?1 ORDER BY id")
        .map_err(failed)?;
    let rows = select
        .query_map([last_id], |row| {
            let (id, op, payload, made_at) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok(OutboxRow { id, op, payload, made_at })
        })
        .map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::{OracleLine, recover};
    use crate::clock::Clock;
    use crate::files::FlightDir;
    use crate::log::{LogReader, line};
    use crate::seed::SOURCE_DDL;
    use crate::store::SqliteSession;
    use crate::traffic::Traffic;
    use crate::writer::Writer;
    use migration::error::ErrorKind;
    use tempfile::TempDir;

    /// A source with one edge, and `count` changes committed to it.
    fn committed(count: usize) -> (TempDir, FlightDir, Vec<OracleLine>) {
        let home = tempfile::tempdir().unwrap();
        let dir = FlightDir(home.path().to_owned());
        let source = crate::files::create(&dir.source()).unwrap();
        source.execute_batch(SOURCE_DDL).unwrap();
        let edges = (0..20).map(|n| format!("('p{n}', 'd{n}', NULL, '', 1, {n})"));
        let edges = edges.collect::<Vec<_>>().join(", ");
        source.execute(&format!("INSERT INTO followers VALUES {edges}"), []).unwrap();
        let session = SqliteSession::to_write(&dir.source()).unwrap();
        let mut writer = Writer::new(Box::new(session), Clock::default(), 0).unwrap();
        let mut traffic = Traffic::new(5);
        let lines = (0..count)
            .map(|_| {
                let change = traffic.next(writer.graph()).unwrap();
                writer.commit(change).unwrap()
            })
            .collect();
        (home, dir, lines)
    }

    #[test]
    fn changes_that_were_committed_but_not_logged_are_found_in_the_outbox() {
        let (_home, dir, lines) = committed(50);
        let source = dir.open_source().unwrap();
        let mut writer = recover(&dir, &source, 0).unwrap().writer;
        std::fs::write(dir.oracle(), []).unwrap();
        for entry in &lines[..30] {
            writer.append(&line(entry).unwrap()).unwrap();
        }
        // The crash: a line cut short.
        writer.append(&line(&lines[30]).unwrap()[..20]).unwrap();
        assert_eq!(recover(&dir, &source, i64::MAX).unwrap().found, 20);
        let logged = LogReader::<OracleLine>::open(&dir.oracle()).unwrap().map(Result::unwrap);
        for (logged, line) in logged.zip(&lines) {
            assert_eq!((logged.id, &logged.effect), (line.id, &line.effect));
            assert!(logged.begun_at <= line.begun_at && logged.committed_at >= line.committed_at);
        }
        assert_eq!(recover(&dir, &source, 0).unwrap().found, 0);
    }

    #[test]
    fn an_outbox_that_was_trimmed_too_early_is_an_error_and_not_a_hole() {
        let (_home, dir, _) = committed(10);
        let source = dir.open_source().unwrap();
        source.execute("DELETE FROM outbox WHERE id < 3", []).unwrap();
        assert_eq!(recover(&dir, &source, 0).unwrap_err().kind(), ErrorKind::Lost);
    }
}

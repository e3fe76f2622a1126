//! What the source says about its own history.

use super::engine::{Names, Reader};
use super::row::Row;
use crate::error::Result;
use crate::position::Position;
use crate::queue::place::{Evidence, Place, check_history};

/// What there is in the source, read in one step.
#[derive(Debug)]
pub(super) struct History {
    /// The highest id ever given out; zero before the first.
    pub(super) highest: u64,
    /// The row that was asked for, if it is there.
    pub(super) row: Option<Row>,
    /// This migration's mark.
    pub(super) mark: Option<Mark>,
}

/// What a migration has said about the messages that it needs.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) migration: String,
    pub(super) source_epoch: u32,
    pub(super) position: Vec<u8>,
}

impl Mark {
    /// Everything below it was let go.
    pub(super) fn place(&self) -> Result<Place> {
        Place::read(&Position::new(&self.position)?)
    }
}

/// The row that proves a place, where there was one.
pub(super) fn witness_number(place: Place) -> Option<u64> {
    (place.dealt > 0).then_some(place.number)
}

/// Proves that everything after `place` is still in the outbox, and that it is the same outbox.
///
/// # Errors
/// `Lost` if it is not.
pub(super) async fn prove(reader: &mut dyn Reader, names: &Names, place: Place) -> Result<()> {
    let history = reader.history(witness_number(place)).await?;
    check(&history, names, place)
}

/// Proves the same by what was read, which must have been asked for [`witness_number`].
///
/// # Errors
/// As [`prove`].
pub(super) fn check(history: &History, names: &Names, place: Place) -> Result<()> {
    let row = history.row.as_ref().filter(|row| row.number() == place.number);
    // A mark of an older epoch speaks of a history that is no more.
    let mark = history.mark.as_ref().filter(|mark| mark.source_epoch == names.source_epoch);
    let evidence = Evidence {
        epoch: names.source_epoch,
        highest: history.highest,
        witness: row.map(|row| row.witness(&mut Vec::new())),
        trimmed: mark.map(Mark::place).transpose()?,
    };
    check_history(place, &evidence).map_err(|error| error.with("outbox", &names.table))
}

//! Trimming the outbox, and the marks that migrations leave in the source about it.
//!
//! The only code that writes to the source. A mark says which messages its migration does not need
//! any more; it is written in the same transaction as the rows are removed, so a reader that finds
//! rows missing knows whether that was agreed.

use super::engine::{Engine, Names};
use super::history::{Mark, check, witness_number};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::position::Position;
use crate::queue::place::Place;

/// The side table of the marks. Shared by every migration that reads an outbox of this source.
pub(super) const MARK_TABLE: &str = "midflight_outbox_mark";

/// Most rows removed in one transaction: some ten milliseconds during which a service on SQLite
/// cannot write.
const TRIM_ROWS_MAX: u32 = 5_000;

/// Says that this migration needs everything from `start` on.
pub(super) async fn register(engine: &dyn Engine, names: &Names, start: &Position) -> Result<()> {
    Place::read(start)?;
    let mut step = engine.begin().await?;
    let marks = step.marks().await?;
    if own(&marks, names).is_none_or(|mark| mark.source_epoch < names.source_epoch) {
        step.put_mark(start).await?;
    }
    fault::point("outbox.register.written");
    step.commit().await?;
    fault::point("outbox.register.committed");
    Ok(())
}

/// Removes the rows before `below`, a bounded number in each transaction. The row that `below`
/// itself comes after stays: it is the witness of the readers that are there.
pub(super) async fn trim(engine: &dyn Engine, names: &Names, below: &Position) -> Result<u64> {
    let place = Place::read(below)?;
    let mut removed = 0;
    loop {
        let mut step = engine.begin().await?;
        check(&step.history(witness_number(place)).await?, names, place)?;
        let marks = step.marks().await?;
        refuse_if_needed(&marks, names, place)?;
        // The mark is final from the first batch on: a crash leaves rows that nobody reads.
        if let Some(raised) = raised(own(&marks, names), names, below)? {
            step.put_mark(&raised).await?;
        }
        fault::point("outbox.trim.marked");
        let count = step.delete_below(place.number, TRIM_ROWS_MAX).await?;
        fault::point("outbox.trim.removed");
        step.commit().await?;
        fault::point("outbox.trim.committed");
        removed += count;
        // Nothing new appears below the place, so the batches come to an end.
        if count < u64::from(TRIM_ROWS_MAX) {
            return Ok(removed);
        }
    }
}

fn own<'a>(marks: &'a [Mark], names: &Names) -> Option<&'a Mark> {
    marks.iter().find(|mark| mark.migration == names.migration)
}

/// What this migration's mark becomes; `None` if it belongs to a later epoch and stays.
fn raised(own: Option<&Mark>, names: &Names, below: &Position) -> Result<Option<Position>> {
    match own {
        Some(mark) if mark.source_epoch > names.source_epoch => Ok(None),
        Some(mark) if mark.source_epoch == names.source_epoch => {
            Ok(Some(Position::new(&mark.position)?.max(*below)))
        }
        _ => Ok(Some(*below)),
    }
}

/// Refuses to trim what another migration has yet to read.
fn refuse_if_needed(marks: &[Mark], names: &Names, place: Place) -> Result<()> {
    let others = marks.iter().filter(|mark| mark.migration != names.migration);
    let Some(mark) = others.min_by_key(|mark| &mark.position) else { return Ok(()) };
    let other = mark.place()?;
    if other.order() >= place.order() {
        return Ok(());
    }
    let migration = &mark.migration;
    Err(Error::new(ErrorKind::Refused, "trim outbox: another migration still needs messages")
        .with("outbox", &names.table)
        .with("migration", migration)
        .with("needs_from", other.offset())
        .hint(format!("trim for migration {migration} first, or run its clean-up if it has ended")))
}

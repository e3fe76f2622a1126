//! What the source says about its own history.

use super::row::Row;
use super::statement::{HAS_MARKS, HIGHEST, MARK, MARK_TABLE, Statements};
use crate::driver::sqlite::within;
use crate::error::Result;
use crate::position::Position;
use crate::queue::place::{Evidence, Place, check_history};
use sqlx::{Connection as _, SqliteConnection};

/// Whose marks are looked at, and in which outbox.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) migration: String,
    pub(super) table: String,
    pub(super) source_epoch: u32,
}

/// Proves that everything after `place` is still in the outbox, and that it is the same outbox.
///
/// # Errors
/// `Lost` if it is not.
pub(super) async fn prove(
    connection: &mut SqliteConnection,
    names: &Names,
    statements: &Statements,
    place: Place,
) -> Result<()> {
    let gathered = within("read the outbox's history", async {
        // One transaction, so that the three answers belong together.
        let mut transaction = connection.begin().await?;
        let highest = highest(&mut transaction, names).await?;
        let witness = match i64::try_from(place.number) {
            Ok(id) if place.dealt > 0 => witness_of(&mut transaction, statements, id).await?,
            _ => None,
        };
        let mark = mark(&mut transaction, names).await?;
        transaction.rollback().await?;
        Ok((highest, witness, mark))
    });
    let (highest, witness, mark) = gathered.await?;
    let trimmed = mark.map(|bytes| read_mark(&bytes)).transpose()?;
    check_history(place, &Evidence { epoch: names.source_epoch, highest, witness, trimmed })
        .map_err(|error| error.with("outbox", &names.table))
}

/// The highest id ever given out; zero before the first.
pub(super) async fn highest(connection: &mut SqliteConnection, names: &Names) -> sqlx::Result<u64> {
    let highest: Option<i64> =
        sqlx::query_scalar(HIGHEST).bind(&names.table).fetch_optional(connection).await?;
    Ok(highest.and_then(|id| u64::try_from(id).ok()).unwrap_or(0))
}

async fn witness_of(
    connection: &mut SqliteConnection,
    statements: &Statements,
    id: i64,
) -> sqlx::Result<Option<u64>> {
    let row = sqlx::query(statements.from.clone())
        .bind(id)
        .bind(1)
        .fetch_optional(connection)
        .await?
        .map(|row| Row::read(&row))
        .transpose()?;
    Ok(row.filter(|row| row.id == id).map(|row| row.witness(&mut Vec::new())))
}

/// This migration's mark, as it is stored.
pub(super) async fn mark(
    connection: &mut SqliteConnection,
    names: &Names,
) -> sqlx::Result<Option<Vec<u8>>> {
    if !has_marks(connection).await? {
        return Ok(None);
    }
    sqlx::query_scalar(MARK)
        .bind(&names.migration)
        .bind(&names.table)
        .bind(names.source_epoch)
        .fetch_optional(connection)
        .await
}

/// Whether any migration has put a mark into this source.
pub(super) async fn has_marks(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar(HAS_MARKS).bind(MARK_TABLE).fetch_one(connection).await
}

pub(super) fn read_mark(bytes: &[u8]) -> Result<Place> {
    Place::read(&Position::new(bytes)?)
}

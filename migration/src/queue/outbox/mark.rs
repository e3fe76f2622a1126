//! Trimming the outbox, and the marks that migrations leave in the source about it.
//!
//! The only code that writes to the source. A mark says which messages its migration does not need
//! any more; it is written in the same transaction as the rows are removed, so a reader that finds
//! rows missing knows whether that was agreed.

use super::evidence::{Names, has_marks, prove, read_mark};
use super::statement::{
    ANY_MARK, COUNT_MARKS, DROP_MARKS, FIRST_MARK, MARK_DDL, MARK_TABLE, OTHER_READER, RAISE_MARK,
    REMOVE_MARK, Statements,
};
use crate::clock::Timestamp;
use crate::driver::sqlite::{self, within};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::position::Position;
use crate::queue::place::Place;
use crate::store::SideTable;
use sqlx::{Connection as _, SqliteConnection};
use std::path::Path;

/// Most rows removed in one transaction: some ten milliseconds during which the service cannot
/// write.
const TRIM_ROWS_MAX: u32 = 5_000;

/// Says that this migration needs everything from `start` on.
pub(super) async fn register(path: &Path, names: &Names, start: &Position) -> Result<()> {
    Place::read(start)?;
    let mut connection = sqlite::connect(&sqlite::read_write(path)).await?;
    within("register as reader of the outbox", async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(MARK_DDL).execute(&mut *transaction).await?;
        put(&mut transaction, FIRST_MARK, names, start).await?;
        fault::point("outbox.register.written");
        transaction.commit().await
    })
    .await?;
    fault::point("outbox.register.committed");
    Ok(())
}

/// Removes the rows before `below`, a bounded number in each transaction. The row that `below`
/// itself comes after stays: it is the witness of the readers that are there.
pub(super) async fn trim(
    path: &Path,
    names: &Names,
    statements: &Statements,
    below: &Position,
) -> Result<u64> {
    let place = Place::read(below)?;
    let mut connection = sqlite::connect(&sqlite::read_write(path)).await?;
    let mut removed = 0;
    loop {
        let mut transaction =
            within("lock outbox for trimming", connection.begin_with("BEGIN IMMEDIATE")).await?;
        prove(&mut transaction, names, statements, place).await?;
        refuse_if_needed(&mut transaction, names, place).await?;
        let count = within("trim outbox", async {
            sqlx::query(MARK_DDL).execute(&mut *transaction).await?;
            // The mark is final from the first batch on: a crash leaves rows that nobody reads.
            put(&mut transaction, RAISE_MARK, names, below).await?;
            fault::point("outbox.trim.marked");
            let done = sqlx::query(statements.delete_below.clone())
                .bind(i64::try_from(place.number).unwrap_or(i64::MAX))
                .bind(TRIM_ROWS_MAX)
                .execute(&mut *transaction)
                .await?;
            fault::point("outbox.trim.removed");
            transaction.commit().await?;
            Ok(done.rows_affected())
        })
        .await?;
        fault::point("outbox.trim.committed");
        removed += count;
        // Nothing new appears below the place, so the batches come to an end.
        if count < u64::from(TRIM_ROWS_MAX) {
            return Ok(removed);
        }
    }
}

/// Refuses to trim what another migration has yet to read.
async fn refuse_if_needed(
    connection: &mut SqliteConnection,
    names: &Names,
    place: Place,
) -> Result<()> {
    let other: Option<(String, Vec<u8>)> = within("read marks of the outbox", async {
        if !has_marks(connection).await? {
            return Ok(None);
        }
        sqlx::query_as(OTHER_READER)
            .bind(&names.migration)
            .bind(&names.table)
            .fetch_optional(connection)
            .await
    })
    .await?;
    let Some((migration, position)) = other else { return Ok(()) };
    let other = read_mark(&position)?;
    if other.order() >= place.order() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "trim outbox: another migration still needs messages")
        .with("outbox", &names.table)
        .with("migration", &migration)
        .with("needs_from", other.offset())
        .hint(format!("trim for migration {migration} first, or run its clean-up if it has ended")))
}

async fn put(
    connection: &mut SqliteConnection,
    statement: &'static str,
    names: &Names,
    position: &Position,
) -> sqlx::Result<()> {
    sqlx::query(statement)
        .bind(&names.migration)
        .bind(&names.table)
        .bind(names.source_epoch)
        .bind(position.as_bytes())
        .bind(Timestamp::now().0)
        .execute(connection)
        .await
        .map(drop)
}

/// The marks of this migration.
pub(super) async fn side_tables(
    connection: &mut SqliteConnection,
    names: &Names,
) -> Result<Vec<SideTable>> {
    let rows: i64 = within("read marks of the outbox", async {
        if !has_marks(connection).await? {
            return Ok(0);
        }
        sqlx::query_scalar(COUNT_MARKS)
            .bind(&names.migration)
            .bind(&names.table)
            .fetch_one(connection)
            .await
    })
    .await?;
    let table = |rows| SideTable { name: MARK_TABLE.to_owned(), rows };
    Ok(u64::try_from(rows).ok().filter(|&rows| rows > 0).map(table).into_iter().collect())
}

/// Removes the marks of this migration, and the table with the last of them.
pub(super) async fn remove_side_tables(path: &Path, names: &Names) -> Result<()> {
    let mut connection = sqlite::connect(&sqlite::read_write(path)).await?;
    within("remove marks of the outbox", async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        if has_marks(&mut transaction).await? {
            sqlx::query(REMOVE_MARK)
                .bind(&names.migration)
                .bind(&names.table)
                .execute(&mut *transaction)
                .await?;
            let others: bool = sqlx::query_scalar(ANY_MARK).fetch_one(&mut *transaction).await?;
            if !others {
                sqlx::query(DROP_MARKS).execute(&mut *transaction).await?;
            }
            fault::point("outbox.cleanup.removed");
        }
        transaction.commit().await
    })
    .await?;
    fault::point("outbox.cleanup.committed");
    Ok(())
}

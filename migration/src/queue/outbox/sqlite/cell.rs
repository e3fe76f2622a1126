//! The values of a row, in whatever storage class SQLite kept them.

use crate::queue::outbox::cell::Cell;
use crate::queue::outbox::row::Row;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Sqlite, TypeInfo, ValueRef};

/// Reads the columns in the order the statements name them.
pub(super) fn row(row: &SqliteRow) -> sqlx::Result<Row> {
    Ok(Row {
        id: row.try_get(0)?,
        table: cell(row, 1)?,
        op: cell(row, 2)?,
        payload: cell(row, 3)?,
        made_at: cell(row, 4)?,
    })
}

/// Takes a value as it is stored; nothing is converted.
fn cell(row: &SqliteRow, column: usize) -> sqlx::Result<Cell> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let class = value.type_info();
    let cell = match class.name() {
        "INTEGER" => <i64 as Decode<Sqlite>>::decode(value).map(Cell::Integer),
        "REAL" => <f64 as Decode<Sqlite>>::decode(value).map(Cell::Real),
        "TEXT" => <&[u8] as Decode<Sqlite>>::decode(value).map(|text| Cell::text(Some(text))),
        _ => <&[u8] as Decode<Sqlite>>::decode(value).map(|blob| Cell::blob(Some(blob))),
    };
    cell.map_err(sqlx::Error::Decode)
}

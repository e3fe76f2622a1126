//! Edges as the new tables hold them: other names and other types.

use crate::edge::Edge;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rusqlite::types::{FromSqlError, Type, ValueRef};
use rusqlite::{Error, Result, Row};

/// An edge, from (followed, follower, requirement, category, size_kib, changed_at).
///
/// # Errors
/// Says which column holds something that the service never wrote.
pub(crate) fn edge_of(row: &Row<'_>) -> Result<Edge> {
    Ok(Edge {
        package: row.get(0)?,
        dependent: row.get(1)?,
        constraint: row.get(2)?,
        section: row.get(3)?,
        installed_kib: integer(row, 4)?,
        changed_at: micros(row, 5)?,
    })
}

/// A decimal without fraction, as text: its digits and nothing else.
fn integer(row: &Row<'_>, column: usize) -> Result<Option<i64>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).unwrap_or_default();
            let value = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
            value.map(Some).ok_or_else(|| unexpected(column, Type::Text))
        }
        other => Err(unexpected(column, other.data_type())),
    }
}

/// A timestamp without zone, as microseconds since 1970.
fn micros(row: &Row<'_>, column: usize) -> Result<i64> {
    match row.get_ref(column)? {
        ValueRef::Text(text) => {
            let time =
                std::str::from_utf8(text).ok().and_then(|text| text.parse::<DateTime>().ok());
            let moment = time.and_then(|time| time.to_zoned(TimeZone::UTC).ok());
            let micros = moment.map(|moment| moment.timestamp().as_microsecond());
            micros.ok_or_else(|| unexpected(column, Type::Text))
        }
        other => Err(unexpected(column, other.data_type())),
    }
}

fn unexpected(column: usize, found: Type) -> Error {
    Error::FromSqlConversionFailure(column, found, Box::new(FromSqlError::InvalidType))
}

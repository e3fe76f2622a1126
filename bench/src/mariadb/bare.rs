//! The bare loop: keyset `SELECT`, prepared `INSERT`, and nothing else.

use crate::child::Failure;
use crate::loop_copy::{Part, in_parts};
use crate::table::Table;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

/// Records in a batch: 500 to 2,000 make no difference.
const BATCH_ROWS: usize = 1_000;

/// Copies the table, batch by batch.
pub(crate) async fn bare_copy(
    places: [&str; 3],
    rows: u64,
    connections: u64,
) -> Result<u64, Failure> {
    in_parts(places, rows, connections, copy_part).await
}

async fn copy_part(Part { source, target, table, after, until }: Part) -> sqlx::Result<u64> {
    let mut source = MySqlConnection::connect(&source).await?;
    let mut target = MySqlConnection::connect(&target).await?;
    let (name, names) = (table.name, table.names());
    let select = format!(
        "SELECT {names} FROM {name} WHERE id > ? AND id <= ? ORDER BY id LIMIT {BATCH_ROWS}"
    );
    let row = format!("({})", vec!["?"; table.columns.len()].join(", "));
    let insert =
        |rows| format!("INSERT INTO {name} ({names}) VALUES {}", vec![&*row; rows].join(", "));
    let whole = insert(BATCH_ROWS);
    let (mut last, mut copied) = (after, 0);
    loop {
        let query = sqlx::query(AssertSqlSafe(&*select)).bind(last).bind(until);
        let rows = source.fetch_all(query).await?;
        let Some(row) = rows.last() else { break };
        last = row.try_get(0)?;
        let tail;
        let sql = if rows.len() == BATCH_ROWS {
            &*whole
        } else {
            tail = insert(rows.len());
            &*tail
        };
        copied += write(&mut target, sql, table, &rows).await?;
    }
    source.close().await?;
    target.close().await?;
    Ok(copied)
}

async fn write(
    target: &mut MySqlConnection,
    sql: &str,
    table: &Table,
    rows: &[MySqlRow],
) -> sqlx::Result<u64> {
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for row in rows {
        for (place, (_, kind)) in table.columns.iter().enumerate() {
            query = match *kind {
                "BIGINT" => query.bind(row.try_get::<i64, _>(place)?),
                _ => query.bind(row.try_get::<&str, _>(place)?),
            };
        }
    }
    Ok(target.execute(query).await?.rows_affected())
}

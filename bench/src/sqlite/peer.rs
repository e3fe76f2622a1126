//! The peers: the barest loops through the same driver, and what the engine can do by itself.

use super::data::{APPLY_BATCH_ROWS, COPY_BATCH_ROWS, LiveChange, TARGET_TABLE, open};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use std::collections::HashMap;
use std::path::Path;

const COLUMNS: usize = 6;

fn placeholders(rows: usize) -> String {
    let row = format!("({})", ["?"; COLUMNS].join(","));
    vec![row; rows].join(",")
}

async fn write_batch(
    target: &mut SqliteConnection,
    statement: &str,
    rows: &[SqliteRow],
) -> sqlx::Result<()> {
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for row in rows {
        query = query
            .bind(row.try_get::<String, _>(0)?)
            .bind(row.try_get::<String, _>(1)?)
            .bind(row.try_get::<Option<String>, _>(2)?)
            .bind(row.try_get::<String, _>(3)?)
            .bind(row.try_get::<i64, _>(4)?)
            .bind(row.try_get::<i64, _>(5)?);
    }
    query.execute(target).await?;
    Ok(())
}

/// Copies the table: keyset `SELECT`, prepared multi-row `INSERT`, one transaction a batch, one
/// after the other. No lock, no guard, no checkpoint.
pub(crate) async fn bare_copy(source: &Path, target: &Path) -> sqlx::Result<u64> {
    let mut source = open(source).await?;
    let mut target = open(target).await?;
    target.execute(TARGET_TABLE).await?;
    let select = format!(
        "SELECT * FROM followers WHERE (package, dependent) > (?, ?)
         ORDER BY package, dependent LIMIT {COPY_BATCH_ROWS}"
    );
    let insert = format!("INSERT INTO follower_of VALUES {}", placeholders(COPY_BATCH_ROWS));
    let mut last = (String::new(), String::new());
    let mut copied = 0;
    loop {
        let rows = sqlx::query(AssertSqlSafe(select.as_str()))
            .bind(&last.0)
            .bind(&last.1)
            .fetch_all(&mut source)
            .await?;
        let Some(row) = rows.last() else {
            break;
        };
        last = (row.try_get(0)?, row.try_get(1)?);
        target.execute("BEGIN IMMEDIATE").await?;
        if rows.len() == COPY_BATCH_ROWS {
            write_batch(&mut target, &insert, &rows).await?;
        } else {
            let tail = format!("INSERT INTO follower_of VALUES {}", placeholders(rows.len()));
            write_batch(&mut target, &tail, &rows).await?;
        }
        target.execute("COMMIT").await?;
        copied += u64::try_from(rows.len()).unwrap_or(u64::MAX);
    }
    source.close().await?;
    target.close().await?;
    Ok(copied)
}

/// Copies the table inside the engine: the limit.
pub(crate) async fn attached_copy(source: &Path, target: &Path) -> sqlx::Result<u64> {
    let mut target = open(target).await?;
    target.execute(TARGET_TABLE).await?;
    let path = source.display().to_string();
    sqlx::query("ATTACH DATABASE ? AS source").bind(path).execute(&mut target).await?;
    let copied = target
        .execute("INSERT INTO follower_of SELECT * FROM source.followers ORDER BY 1, 2")
        .await?
        .rows_affected();
    target.close().await?;
    Ok(copied)
}

/// Applies a stream of changes: the last change of each key in a batch, one prepared multi-row
/// upsert and one delete a batch, in one transaction. No version, no guard, no position.
pub(crate) async fn bare_apply(target: &Path, changes: &[LiveChange]) -> sqlx::Result<u64> {
    let mut target = open(target).await?;
    target.execute(TARGET_TABLE).await?;
    for batch in changes.chunks(APPLY_BATCH_ROWS) {
        let mut last: HashMap<(&str, &str), &LiveChange> = HashMap::with_capacity(batch.len());
        for change in batch {
            last.insert((&change.package, &change.dependent), change);
        }
        let (deletes, sets): (Vec<_>, Vec<_>) = last.into_values().partition(|c| c.is_delete);
        target.execute("BEGIN IMMEDIATE").await?;
        upsert(&mut target, &sets).await?;
        delete(&mut target, &deletes).await?;
        target.execute("COMMIT").await?;
    }
    target.close().await?;
    Ok(u64::try_from(changes.len()).unwrap_or(u64::MAX))
}

/// Sizes of prepared statements: a batch is cut into these, so that few are ever prepared.
const UPSERT_ROWS: [usize; 3] = [500, 50, 1];

async fn upsert(target: &mut SqliteConnection, mut sets: &[&LiveChange]) -> sqlx::Result<()> {
    for size in UPSERT_ROWS {
        let statement = format!(
            "INSERT INTO follower_of VALUES {} ON CONFLICT DO UPDATE SET
             requirement = excluded.requirement, category = excluded.category,
             size_kib = excluded.size_kib, changed_at = excluded.changed_at",
            placeholders(size)
        );
        while sets.len() >= size {
            let (now, rest) = sets.split_at(size);
            let mut query = sqlx::query(AssertSqlSafe(statement.as_str()));
            for change in now {
                query = query
                    .bind(change.package.as_str())
                    .bind(change.dependent.as_str())
                    .bind(None::<&str>)
                    .bind("libs")
                    .bind(change.size_kib)
                    .bind(1_760_000_000_000_000_i64);
            }
            query.execute(&mut *target).await?;
            sets = rest;
        }
    }
    Ok(())
}

async fn delete(target: &mut SqliteConnection, deletes: &[&LiveChange]) -> sqlx::Result<()> {
    for change in deletes {
        sqlx::query("DELETE FROM follower_of WHERE followed = ? AND follower = ?")
            .bind(change.package.as_str())
            .bind(change.dependent.as_str())
            .execute(&mut *target)
            .await?;
    }
    Ok(())
}

/// Reads a whole table in key order, every column of every record, and does nothing with it.
pub(crate) async fn bare_read(path: &Path, table: &str) -> sqlx::Result<u64> {
    use futures::TryStreamExt as _;
    let mut store = open(path).await?;
    let select = format!("SELECT * FROM {table} ORDER BY 1, 2");
    let mut read = 0;
    {
        let mut rows = sqlx::query(AssertSqlSafe(select.as_str())).fetch(&mut store);
        while let Some(row) = rows.try_next().await? {
            let texts = row.try_get::<&str, _>(0)?.len()
                + row.try_get::<&str, _>(1)?.len()
                + row.try_get::<Option<&str>, _>(2)?.map_or(0, str::len)
                + row.try_get::<&str, _>(3)?.len();
            let numbers = row.try_get::<i64, _>(4)? ^ row.try_get::<i64, _>(5)?;
            std::hint::black_box((texts, numbers));
            read += 1;
        }
    }
    store.close().await?;
    Ok(read)
}

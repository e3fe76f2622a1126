//! The bare loop: keyset `SELECT`, prepared `INSERT`, and nothing else.

use crate::bed::{Bed, Filled, Store};
use crate::child::{self, Cost, Failure};
use crate::side::{CONNECTIONS, Side};
use crate::table::Table;
use futures::future::try_join_all;
use servers::MariaDb;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

/// Records in a batch: 500 to 2,000 make no difference.
const BATCH_ROWS: usize = 1_000;

pub(super) struct Bare<'a> {
    pub(super) bed: &'a Bed<MariaDb, MariaDb>,
    pub(super) filled: &'a Filled<'a>,
}

impl Side for Bare<'_> {
    fn name(&self) -> &'static str {
        "the bare loop"
    }

    fn prepare(&self) -> Result<(), Failure> {
        self.filled.empty_target()
    }

    fn run(&self) -> Result<Cost, Failure> {
        let args = [
            "mariadb-copy".to_owned(),
            Store::url(&self.bed.source),
            Store::url(&self.bed.target),
            self.filled.table.name.to_owned(),
            self.bed.rows.to_string(),
            CONNECTIONS.to_string(),
        ];
        child::run(&std::env::current_exe()?, &args)
    }

    fn check(&self) -> Result<(), Failure> {
        self.filled.expect_equal()
    }
}

/// Copies the table: each connection an equal part of it, batch by batch.
pub(crate) async fn bare_copy(
    source: &str,
    target: &str,
    table: &str,
    rows: u64,
    connections: u64,
) -> sqlx::Result<u64> {
    let table = Table::named(table).map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    let bound = |place: u64| (rows * place / connections).cast_signed();
    let parts = (0..connections).map(|place| {
        let part = copy_part(source.into(), target.into(), table, bound(place), bound(place + 1));
        // A task each, so that two cores take part.
        tokio::spawn(part)
    });
    let copied = try_join_all(parts).await.map_err(|error| sqlx::Error::Io(error.into()))?;
    copied.into_iter().sum()
}

async fn copy_part(
    source: String,
    target: String,
    table: &Table,
    after: i64,
    until: i64,
) -> sqlx::Result<u64> {
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

//! `COPY` out of one server into the other, in binary: the limit of what a copy can be.

use crate::bed::{Bed, Filled, Store};
use crate::child::{self, Cost, Failure};
use crate::side::{CONNECTIONS, Side};
use crate::table::Table;
use futures::TryStreamExt as _;
use futures::future::try_join_all;
use servers::Postgres;
use sqlx::postgres::{PgConnection, PgPoolCopyExt as _};
use sqlx::{Connection as _, PgPool};

pub(super) struct Pipe<'a> {
    pub(super) bed: &'a Bed<Postgres, Postgres>,
    pub(super) filled: &'a Filled<'a>,
}

impl Side for Pipe<'_> {
    fn name(&self) -> &'static str {
        "the COPY pipe"
    }

    fn prepare(&self) -> Result<(), Failure> {
        self.filled.empty_target()
    }

    fn run(&self) -> Result<Cost, Failure> {
        let args = [
            "postgres-copy".to_owned(),
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

/// Copies the table: each connection an equal part of it, in one transaction.
pub(crate) async fn copy_pipe(
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
    let source = PgPool::connect(&source).await?;
    let mut target = PgConnection::connect(&target).await?;
    let (name, names) = (table.name, table.names());
    let mut out = source
        .copy_out_raw(&format!(
            "COPY (SELECT {names} FROM {name} WHERE id > {after} AND id <= {until} ORDER BY id) \
             TO STDOUT (FORMAT binary)"
        ))
        .await?;
    let mut into =
        target.copy_in_raw(&format!("COPY {name} ({names}) FROM STDIN (FORMAT binary)")).await?;
    while let Some(part) = out.try_next().await? {
        into.send(part).await?;
    }
    let copied = into.finish().await?;
    drop(out);
    source.close().await;
    target.close().await?;
    Ok(copied)
}

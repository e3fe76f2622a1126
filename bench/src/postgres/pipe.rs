//! `COPY` out of one server into the other, in binary: the limit of what a copy can be.

use crate::child::Failure;
use crate::loop_copy::{Part, in_parts};
use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnection, PgPoolCopyExt as _};
use sqlx::{Connection as _, PgPool};

/// Copies the table, each part in one transaction.
pub(crate) async fn copy_pipe(
    places: [&str; 3],
    rows: u64,
    connections: u64,
) -> Result<u64, Failure> {
    in_parts(places, rows, connections, copy_part).await
}

async fn copy_part(Part { source, target, table, after, until }: Part) -> sqlx::Result<u64> {
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

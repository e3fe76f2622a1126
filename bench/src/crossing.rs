//! From a MariaDB to a PostgreSQL.

mod pgloader;

use crate::bed::{Bed, Filled};
use crate::case::Settings;
use crate::child::Failure;
use crate::midflight::Midflight;
use crate::side::{Contest, Peer};
use crate::table::Table;
use crate::{mariadb, postgres, report};
use pgloader::Pgloader;
use servers::{MariaDb, Postgres};

/// The copy beside the usual tool.
pub(crate) fn backfill(settings: &Settings) -> Result<(), Failure> {
    let rows = settings.server_rows();
    let bed = Bed { source: mariadb::start(1)?, target: postgres::start()?, rows };
    for table in &settings.tables {
        let filled = bed.fill(Table::named(table)?)?;
        for &durability in &settings.durabilities {
            bed.set_durability(durability)?;
            contest(settings, &bed, &filled, report::promise(durability))?;
        }
    }
    Ok(())
}

fn contest(
    settings: &Settings,
    bed: &Bed<MariaDb, Postgres>,
    filled: &Filled<'_>,
    promise: &str,
) -> Result<(), Failure> {
    let ours = Midflight::new(bed, filled, settings, "")?;
    let pgloader = Pgloader::new(bed, filled)?;
    Contest {
        name: format!(
            "backfill MariaDB to PostgreSQL, {} table, {promise} commits",
            filled.table.name
        ),
        rows: bed.rows,
        ours: &ours,
        peers: vec![Peer { side: &pgloader, aim: Some(2.5) }],
        servers: bed.processes(),
    }
    .hold(settings.runs)
}

//! From one PostgreSQL to another.

mod pgcopydb;
mod pipe;
mod store;

pub(crate) use pipe::copy_pipe;
pub(crate) use store::start;

use crate::bed::{Bed, Filled};
use crate::case::Settings;
use crate::child::Failure;
use crate::midflight::Midflight;
use crate::report;
use crate::side::{Contest, Peer, Side as _};
use crate::table::Table;
use pgcopydb::Pgcopydb;
use pipe::Pipe;
use servers::Postgres;

/// The copy beside the fastest way in and out, and beside the usual tool.
pub(crate) fn backfill(settings: &Settings) -> Result<(), Failure> {
    let bed = Bed { source: start()?, target: start()?, rows: settings.server_rows() };
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
    bed: &Bed<Postgres, Postgres>,
    filled: &Filled<'_>,
    promise: &str,
) -> Result<(), Failure> {
    let ours = Midflight::new(bed, filled, settings, "")?;
    let pipe = Pipe { bed, filled };
    let pgcopydb = match settings.wants_peer(Pgcopydb::NAME) {
        true => Some(Pgcopydb::new(bed, filled)?),
        false => None,
    };
    let mut peers = Vec::new();
    if settings.wants_peer(pipe.name()) {
        peers.push(Peer { side: &pipe, aim: Some(0.9) });
    }
    peers.extend(pgcopydb.iter().map(|side| Peer { side, aim: Some(1.0) }));
    Contest {
        name: format!(
            "backfill PostgreSQL to PostgreSQL, {} table, {promise} commits",
            filled.table.name
        ),
        rows: bed.rows,
        ours: &ours,
        peers,
        servers: bed.processes(),
    }
    .hold(settings.runs)
}

//! From one MariaDB to another.

mod bare;
mod harm;
mod load;
mod store;
mod updates;

pub(crate) use bare::bare_copy;
pub(crate) use harm::harm;
pub(crate) use store::start;

use crate::bed::{Bed, Filled};
use crate::case::Settings;
use crate::child::Failure;
use crate::midflight::Midflight;
use crate::report;
use crate::side::{Contest, Peer, Side};
use crate::table::Table;
use bare::Bare;
use load::{LoadData, Myloader};
use servers::MariaDb;

/// The copy beside a bare loop through the same driver, and beside what the server brings.
pub(crate) fn backfill(settings: &Settings) -> Result<(), Failure> {
    let bed = Bed { source: start(1)?, target: start(2)?, rows: settings.server_rows() };
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
    bed: &Bed<MariaDb, MariaDb>,
    filled: &Filled<'_>,
    promise: &str,
) -> Result<(), Failure> {
    let ours = Midflight::new(bed, filled, settings, "")?;
    let bare = Bare { bed, filled };
    let load = LoadData::new(bed, filled)?;
    let myloader = match settings.wants_peer(Myloader::NAME) {
        true => Some(Myloader::new(bed, filled)?),
        false => None,
    };
    let name = filled.table.name;
    let of_load = if name == "wide" { 1.2 } else { 0.8 };
    let mut peers: Vec<Peer<'_>> =
        [(&bare as &dyn Side, Some(0.85)), (&load as &dyn Side, Some(of_load))]
            .into_iter()
            .filter(|(side, _)| settings.wants_peer(side.name()))
            .map(|(side, aim)| Peer { side, aim })
            .collect();
    peers.extend(myloader.iter().map(|side| Peer { side, aim: None }));
    Contest {
        name: format!("backfill MariaDB to MariaDB, {name} table, {promise} commits"),
        rows: bed.rows,
        ours: &ours,
        peers,
        servers: bed.processes(),
    }
    .hold(settings.runs)
}

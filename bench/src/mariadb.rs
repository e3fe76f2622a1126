//! From one MariaDB to another.

mod bare;
mod harm;
mod load;
mod size;
mod store;
mod updates;

pub(crate) use bare::bare_copy;
pub(crate) use harm::harm;
pub(crate) use size::size;
pub(crate) use store::start;

use crate::bed::{Bed, Filled};
use crate::case::Settings;
use crate::child::Failure;
use crate::copies;
use crate::loop_copy::LoopCopy;
use crate::report::Report;
use crate::side::Peer;
use load::{LoadData, Myloader};
use servers::MariaDb;

/// The peers of the copy.
pub(crate) const PEERS: &[&str] = &["the bare loop", LoadData::NAME, Myloader::NAME];

/// The copy beside a bare loop through the same driver, and beside what the server brings.
pub(crate) fn backfill(settings: &Settings, report: &mut Report) -> Result<(), Failure> {
    let bed = Bed { source: start(1)?, target: start(2)?, rows: settings.server_rows() };
    copies::measure(settings, report, "backfill MariaDB to MariaDB", &bed, peers)
}

fn peers<'a>(
    settings: &Settings,
    bed: &'a Bed<MariaDb, MariaDb>,
    filled: &'a Filled<'a>,
) -> Result<Vec<Peer<'a>>, Failure> {
    let mut peers = Vec::new();
    let (name, command) = ("the bare loop", "mariadb-copy");
    if settings.wants_peer(name) {
        peers.push(Peer::new(LoopCopy { name, command, bed, filled }, Some(0.85)));
    }
    if settings.wants_peer(LoadData::NAME) {
        let aim = if filled.table.name == "wide" { 1.2 } else { 0.8 };
        peers.push(Peer::new(LoadData::new(bed, filled)?, Some(aim)));
    }
    if settings.wants_peer(Myloader::NAME) {
        peers.push(Peer::new(Myloader::new(bed, filled)?, None));
    }
    Ok(peers)
}

//! From one PostgreSQL to another.

mod pgcopydb;
mod pipe;
mod store;

pub(crate) use pipe::copy_pipe;
pub(crate) use store::start;

use crate::bed::{Bed, Filled};
use crate::case::Settings;
use crate::child::Failure;
use crate::copies;
use crate::loop_copy::LoopCopy;
use crate::report::Report;
use crate::side::Peer;
use pgcopydb::Pgcopydb;
use servers::Postgres;

/// The peers of the copy.
pub(crate) const PEERS: &[&str] = &["the COPY pipe", Pgcopydb::NAME];

/// The copy beside the fastest way in and out, and beside the usual tool.
pub(crate) fn backfill(settings: &Settings, report: &mut Report) -> Result<(), Failure> {
    let bed = Bed { source: start()?, target: start()?, rows: settings.server_rows() };
    copies::measure(settings, report, "backfill PostgreSQL to PostgreSQL", &bed, peers)
}

fn peers<'a>(
    settings: &Settings,
    bed: &'a Bed<Postgres, Postgres>,
    filled: &'a Filled<'a>,
) -> Result<Vec<Peer<'a>>, Failure> {
    let mut peers = Vec::new();
    let (name, command) = ("the COPY pipe", "postgres-copy");
    if settings.wants_peer(name) {
        peers.push(Peer::new(LoopCopy { name, command, bed, filled }, Some(0.9)));
    }
    if settings.wants_peer(Pgcopydb::NAME) {
        peers.push(Peer::new(Pgcopydb::new(bed, filled)?, Some(1.0)));
    }
    Ok(peers)
}

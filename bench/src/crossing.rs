//! From a MariaDB to a PostgreSQL.

mod pgloader;

use crate::bed::{Bed, Filled};
use crate::case::Settings;
use crate::child::Failure;
use crate::report::Report;
use crate::side::Peer;
use crate::{copies, mariadb, postgres};
use pgloader::Pgloader;
use servers::{MariaDb, Postgres};

/// The peer of the copy.
pub(crate) const PEERS: &[&str] = &[Pgloader::NAME];

/// The copy beside the usual tool.
pub(crate) fn backfill(settings: &Settings, report: &mut Report) -> Result<(), Failure> {
    let rows = settings.server_rows();
    let bed = Bed { source: mariadb::start(1)?, target: postgres::start()?, rows };
    copies::measure(settings, report, "backfill MariaDB to PostgreSQL", &bed, peers)
}

fn peers<'a>(
    _: &Settings,
    bed: &'a Bed<MariaDb, Postgres>,
    filled: &'a Filled<'a>,
) -> Result<Vec<Peer<'a>>, Failure> {
    Ok(vec![Peer::new(Pgloader::new(bed, filled)?, Some(2.5))])
}

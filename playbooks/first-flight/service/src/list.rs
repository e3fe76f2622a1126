//! Reads one list the old way and the new way, as the service's two code paths do.

use crate::edge::Edge;
use crate::files::{FlightDir, database_error, shard_of};
use crate::target_row;
use crate::writer::edge_of;
use cutover::Store;
use migration::error::Result;
use rusqlite::Connection;

const OLD: &str = "SELECT * FROM followers WHERE package = ?1";
const NEW: &str = "SELECT followed, follower, requirement, category, size_kib, changed_at
    FROM follower_of WHERE followed = ?1";

/// Connections for one thread.
#[derive(Debug)]
pub(crate) struct ListReader {
    source: Connection,
    shards: Vec<Connection>,
}

impl ListReader {
    /// Opens the source and every instance of the target.
    pub(crate) fn open(dir: &FlightDir) -> Result<Self> {
        Ok(Self { source: dir.open_source_to_read()?, shards: dir.open_shards_to_read()? })
    }

    /// The list, from one of the two, in the service's own terms.
    pub(crate) fn read(&self, store: Store, package: &str) -> Result<Vec<Edge>> {
        let list = match store {
            Store::Old => list(&self.source, OLD, package, edge_of),
            Store::New => list(&self.shards[shard_of(package)], NEW, package, target_row::edge_of),
        };
        list.map_err(|error| database_error("read list", error).with("list", package))
    }
}

/// One statement, so one snapshot.
fn list(
    connection: &Connection,
    statement: &str,
    package: &str,
    edge_of: fn(&rusqlite::Row<'_>) -> rusqlite::Result<Edge>,
) -> rusqlite::Result<Vec<Edge>> {
    connection.prepare_cached(statement)?.query_map([package], edge_of)?.collect()
}

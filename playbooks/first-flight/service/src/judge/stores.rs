//! Holds every record of the source and of both copies in the target against the oracle.

use super::expected::{Expected, Match};
use super::finding::Findings;
use crate::edge::Edge;
use crate::files::{FlightDir, database_error, shard_of};
use crate::{target_row, writer};
use migration::error::Result;
use rusqlite::{Connection, Row};

const SOURCE: &str = "SELECT * FROM followers";
const FOLLOWER_OF: &str = "SELECT followed, follower, requirement, category, size_kib, changed_at
    FROM follower_of";
const FOLLOWS: &str = "SELECT followed, follower, requirement, category, size_kib, changed_at
    FROM follows";

/// Records that were compared.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// In the source.
    pub(crate) source: u64,
    /// In the copy by followed, over all shards.
    pub(crate) follower_of: u64,
    /// In the copy by follower, over all shards.
    pub(crate) follows: u64,
}

type EdgeOf = fn(&Row<'_>) -> rusqlite::Result<Edge>;

/// One comparison: a table, and what may be wrong with its records.
struct Pass {
    number: u8,
    statement: &'static str,
    sharded_by: Option<fn(&Edge) -> &str>,
    unreadable: &'static str,
    missing: &'static str,
    different: &'static str,
    extra: &'static str,
    twice: &'static str,
}

const IN_SOURCE: Pass = Pass {
    number: 1,
    statement: SOURCE,
    sharded_by: None,
    unreadable: "a record of the source cannot be read",
    missing: "an acknowledged edge is missing in the source",
    different: "an edge of the source is not what was acknowledged",
    extra: "an edge of the source was never acknowledged, or was deleted",
    twice: "an edge is in the source twice",
};
const BY_FOLLOWED: Pass = Pass {
    number: 2,
    statement: FOLLOWER_OF,
    sharded_by: Some(|edge| &edge.package),
    unreadable: "a record of follower_of cannot be read",
    missing: "an acknowledged edge is missing in follower_of",
    different: "an edge of follower_of is not what was acknowledged",
    extra: "an edge of follower_of was deleted, or was never there",
    twice: "an edge is in follower_of twice",
};
const BY_FOLLOWER: Pass = Pass {
    number: 3,
    statement: FOLLOWS,
    sharded_by: Some(|edge| &edge.dependent),
    unreadable: "a record of follows cannot be read",
    missing: "an acknowledged edge is missing in follows",
    different: "an edge of follows is not what was acknowledged",
    extra: "an edge of follows was deleted, or was never there",
    twice: "an edge is in follows twice",
};

/// Compares all of them, key by key.
pub(super) fn compare(
    dir: &FlightDir,
    expected: &mut Expected,
    findings: &mut Findings,
) -> Result<Compared> {
    let shards = dir.open_shards_to_read()?;
    let source = [dir.open_source_to_read()?];
    let mut bench = Bench { expected, findings };
    Ok(Compared {
        source: bench.hold(&IN_SOURCE, &source, writer::edge_of)?,
        follower_of: bench.hold(&BY_FOLLOWED, &shards, target_row::edge_of)?,
        follows: bench.hold(&BY_FOLLOWER, &shards, target_row::edge_of)?,
    })
}

/// Where records are held against the oracle.
struct Bench<'a> {
    expected: &'a mut Expected,
    findings: &'a mut Findings,
}

impl Bench<'_> {
    /// Holds a whole table, over all its instances; returns the number of records.
    fn hold(&mut self, pass: &Pass, instances: &[Connection], edge_of: EdgeOf) -> Result<u64> {
        let mut count = 0;
        for (shard, instance) in instances.iter().enumerate() {
            each(instance, pass.statement, edge_of, |edge| {
                count += 1;
                match edge {
                    Ok(edge) => self.meet(pass, &edge, shard),
                    Err(error) => self.findings.add(pass.unreadable, || error.to_string()),
                }
            })?;
        }
        for (package, dependent) in self.expected.missing(pass.number) {
            self.findings.add(pass.missing, || format!("{package} <- {dependent}"));
        }
        Ok(count)
    }

    fn meet(&mut self, pass: &Pass, edge: &Edge, shard: usize) {
        let name = || format!("{} <- {}", edge.package, edge.dependent);
        if pass.sharded_by.is_some_and(|key| shard_of(key(edge)) != shard) {
            self.findings.add("an edge is on the wrong shard", || format!("{} on {shard}", name()));
        }
        let wrong = match self.expected.meet(edge, pass.number) {
            Match::Same => return,
            Match::Different => pass.different,
            Match::Extra => pass.extra,
            Match::Twice => pass.twice,
        };
        self.findings.add(wrong, name);
    }
}

/// Visits every record. One that is not what the service ever wrote is visited as such.
fn each(
    connection: &Connection,
    statement: &str,
    edge_of: EdgeOf,
    mut visit: impl FnMut(rusqlite::Result<Edge>),
) -> Result<()> {
    let failed = |error| database_error("read every record", error);
    let mut select = connection.prepare(statement).map_err(failed)?;
    let mut rows = select.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        visit(edge_of(row));
    }
    Ok(())
}

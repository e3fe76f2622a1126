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

/// One comparison: a table, by what is wrong with its records.
struct Pass {
    number: u8,
    missing: &'static str,
    different: &'static str,
    extra: &'static str,
    twice: &'static str,
}

const IN_SOURCE: Pass = Pass {
    number: 1,
    missing: "an acknowledged edge is missing in the source",
    different: "an edge of the source is not what was acknowledged",
    extra: "an edge of the source was never acknowledged, or was deleted",
    twice: "an edge is in the source twice",
};
const BY_FOLLOWED: Pass = Pass {
    number: 2,
    missing: "an acknowledged edge is missing in follower_of",
    different: "an edge of follower_of is not what was acknowledged",
    extra: "an edge of follower_of was deleted, or was never there",
    twice: "an edge is in follower_of twice",
};
const BY_FOLLOWER: Pass = Pass {
    number: 3,
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
    let mut compared = Compared::default();
    let source = dir.open_source_to_read()?;
    each(&source, SOURCE, writer::edge_of, |edge| {
        compared.source += 1;
        IN_SOURCE.meet(edge, expected, findings);
    })?;
    IN_SOURCE.end(expected, findings);

    for (shard, instance) in dir.open_shards_to_read()?.iter().enumerate() {
        each(instance, FOLLOWER_OF, target_row::edge_of, |edge| {
            compared.follower_of += 1;
            check_shard(edge, &edge.package, shard, findings);
            BY_FOLLOWED.meet(edge, expected, findings);
        })?;
    }
    BY_FOLLOWED.end(expected, findings);

    for (shard, instance) in dir.open_shards_to_read()?.iter().enumerate() {
        each(instance, FOLLOWS, target_row::edge_of, |edge| {
            compared.follows += 1;
            check_shard(edge, &edge.dependent, shard, findings);
            BY_FOLLOWER.meet(edge, expected, findings);
        })?;
    }
    BY_FOLLOWER.end(expected, findings);
    Ok(compared)
}

fn check_shard(edge: &Edge, key: &str, shard: usize, findings: &mut Findings) {
    if shard_of(key) != shard {
        findings.add("an edge is on the wrong shard", || format!("{} on {shard}", name(edge)));
    }
}

impl Pass {
    fn meet(&self, edge: &Edge, expected: &mut Expected, findings: &mut Findings) {
        let wrong = match expected.meet(edge, self.number) {
            Match::Same => return,
            Match::Different => self.different,
            Match::Extra => self.extra,
            Match::Twice => self.twice,
        };
        findings.add(wrong, || name(edge));
    }

    fn end(&self, expected: &Expected, findings: &mut Findings) {
        for (package, dependent) in expected.missing(self.number) {
            findings.add(self.missing, || format!("{package} <- {dependent}"));
        }
    }
}

fn name(edge: &Edge) -> String {
    format!("{} <- {}", edge.package, edge.dependent)
}

fn each(
    connection: &Connection,
    statement: &str,
    edge_of: fn(&Row<'_>) -> rusqlite::Result<Edge>,
    mut visit: impl FnMut(&Edge),
) -> Result<()> {
    let failed = |error| database_error("read every record", error);
    let mut select = connection.prepare(statement).map_err(failed)?;
    let mut rows = select.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        visit(&edge_of(row).map_err(failed)?);
    }
    Ok(())
}

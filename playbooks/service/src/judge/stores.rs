//! Holds every record of the source and of both copies in the target against the oracle.

use super::expected::{Expected, Match};
use super::finding::Findings;
use crate::edge::Edge;
use crate::files::shard_of;
use crate::store::{Session, Stores, Table};
use migration::error::Result;

/// Records that were compared.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// In the source.
    pub(crate) source: u64,
    /// In each table of the target, over all instances.
    pub(crate) target: Vec<(&'static str, u64)>,
}

/// One comparison: a table, and what may be wrong with its records.
struct Pass {
    number: u8,
    table: Table,
    name: &'static str,
    sharded_by: Option<fn(&Edge) -> &str>,
    unreadable: &'static str,
    missing: &'static str,
    different: &'static str,
    extra: &'static str,
    twice: &'static str,
}

const IN_SOURCE: Pass = Pass {
    number: 1,
    table: Table::Followers,
    name: "followers",
    sharded_by: None,
    unreadable: "a record of the source cannot be read",
    missing: "an acknowledged edge is missing in the source",
    different: "an edge of the source is not what was acknowledged",
    extra: "an edge of the source was never acknowledged, or was deleted",
    twice: "an edge is in the source twice",
};
const BY_FOLLOWED: Pass = Pass {
    number: 2,
    table: Table::FollowerOf,
    name: "follower_of",
    sharded_by: Some(|edge| &edge.package),
    unreadable: "a record of follower_of cannot be read",
    missing: "an acknowledged edge is missing in follower_of",
    different: "an edge of follower_of is not what was acknowledged",
    extra: "an edge of follower_of was deleted, or was never there",
    twice: "an edge is in follower_of twice",
};
const BY_FOLLOWER: Pass = Pass {
    number: 3,
    table: Table::Follows,
    name: "follows",
    sharded_by: Some(|edge| &edge.dependent),
    unreadable: "a record of follows cannot be read",
    missing: "an acknowledged edge is missing in follows",
    different: "an edge of follows is not what was acknowledged",
    extra: "an edge of follows was deleted, or was never there",
    twice: "an edge is in follows twice",
};

/// Compares all of them, key by key.
pub(super) fn compare(
    stores: &Stores,
    expected: &mut Expected,
    findings: &mut Findings,
) -> Result<Compared> {
    let mut instances = stores.open_instances()?;
    let source = compare_source(stores, expected, findings)?;
    let mut compared = Compared { source, target: Vec::new() };
    let mut bench = Bench { expected, findings };
    for table in &stores.tables {
        let pass = match table {
            Table::Followers => &IN_SOURCE,
            Table::FollowerOf => &BY_FOLLOWED,
            Table::Follows => &BY_FOLLOWER,
        };
        compared.target.push((pass.name, bench.hold(pass, &mut instances)?));
    }
    Ok(compared)
}

/// Compares the source; returns the number of its records.
pub(super) fn compare_source(
    stores: &Stores,
    expected: &mut Expected,
    findings: &mut Findings,
) -> Result<u64> {
    let mut bench = Bench { expected, findings };
    bench.hold(&IN_SOURCE, &mut [stores.open_source_to_read()?])
}

/// Where records are held against the oracle.
struct Bench<'a> {
    expected: &'a mut Expected,
    findings: &'a mut Findings,
}

/// One instance of so many.
#[derive(Debug, Clone, Copy)]
struct Shard {
    number: usize,
    of: usize,
}

impl Bench<'_> {
    /// Holds a whole table, over all its instances; returns the number of records.
    fn hold(&mut self, pass: &Pass, instances: &mut [Box<dyn Session>]) -> Result<u64> {
        let mut count = 0;
        let of = instances.len();
        for (shard, instance) in instances.iter_mut().enumerate() {
            instance.each(pass.table, &mut |found| {
                count += 1;
                match found {
                    Ok(edge) => self.meet(pass, &edge, Shard { number: shard, of }),
                    Err(error) => self.findings.add(pass.unreadable, || error),
                }
            })?;
        }
        for (package, dependent) in self.expected.missing(pass.number) {
            self.findings.add(pass.missing, || format!("{package} <- {dependent}"));
        }
        Ok(count)
    }

    fn meet(&mut self, pass: &Pass, edge: &Edge, shard: Shard) {
        let name = || format!("{} <- {}", edge.package, edge.dependent);
        let Shard { number, of } = shard;
        if pass.sharded_by.is_some_and(|key| shard_of(key(edge), of) != number) {
            self.findings
                .add("an edge is on the wrong shard", || format!("{} on {number}", name()));
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

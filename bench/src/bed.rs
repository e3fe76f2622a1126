//! Two servers, one full and one empty.

use crate::child::Failure;
use crate::table::Table;
use servers::Durability;

/// The database on every server.
pub(crate) const DATABASE: &str = "bench";

/// A server of some engine.
pub(crate) trait Store {
    /// What a plan calls it.
    fn engine(&self) -> &'static str;

    /// The URL of [`DATABASE`].
    fn url(&self) -> String;

    /// Its main process.
    fn process(&self) -> Option<u32>;

    /// Makes commits promise this.
    fn set_durability(&self, durability: Durability) -> Result<(), Failure>;

    /// Makes the database anew, with the empty table in it.
    fn empty(&self, table: &Table) -> Result<(), Failure>;

    /// Fills the empty table, and makes an outbox beside it.
    fn fill(&self, table: &Table, rows: u64) -> Result<(), Failure>;

    /// The number of the table's records, and a sum over all their values: of equal tables the same
    /// on every engine.
    fn sum(&self, table: &Table) -> Result<String, Failure>;
}

/// The servers of a case.
pub(crate) struct Bed<S, T> {
    pub(crate) source: S,
    pub(crate) target: T,
    pub(crate) rows: u64,
}

impl<S: Store, T: Store> Bed<S, T> {
    /// Makes commits promise this on both servers.
    pub(crate) fn set_durability(&self, durability: Durability) -> Result<(), Failure> {
        self.source.set_durability(durability)?;
        self.target.set_durability(durability)
    }

    /// Fills the source, and returns the sum that the target has to come to.
    pub(crate) fn fill(&self, table: &'static Table) -> Result<Filled<'_>, Failure> {
        self.source.empty(table)?;
        self.source.fill(table, self.rows)?;
        let sum = self.source.sum(table)?;
        if sum.starts_with(&format!("{} ", self.rows)) {
            return Ok(Filled { table, target: &self.target, sum });
        }
        Err(format!("the source holds {sum:?}, not {} records", self.rows).into())
    }

    /// The servers' processes, for their costs.
    pub(crate) fn processes(&self) -> Vec<(&'static str, u32)> {
        [("source", self.source.process()), ("target", self.target.process())]
            .into_iter()
            .filter_map(|(name, process)| Some((name, process?)))
            .collect()
    }
}

/// The source's table, and where a copy of it belongs.
pub(crate) struct Filled<'a> {
    pub(crate) table: &'static Table,
    target: &'a dyn Store,
    sum: String,
}

impl Filled<'_> {
    /// Makes the target empty.
    pub(crate) fn empty_target(&self) -> Result<(), Failure> {
        self.target.empty(self.table)
    }

    /// Fails if the target does not hold the same as the source.
    pub(crate) fn expect_equal(&self) -> Result<(), Failure> {
        let found = self.target.sum(self.table)?;
        if found == self.sum {
            return Ok(());
        }
        Err(format!("the target holds {found:?}, the source {:?}", self.sum).into())
    }
}

//! A peer of the copy that is this program itself: each connection copies an equal part of the
//! table.

use crate::bed::{Bed, Filled, Store};
use crate::child::{self, Cost, Failure};
use crate::side::{CONNECTIONS, Side};
use crate::table::Table;
use futures::future::try_join_all;

/// Runs this program again as a peer.
pub(crate) struct LoopCopy<'a, S, T> {
    pub(crate) name: &'static str,
    /// The peer on the command line.
    pub(crate) command: &'static str,
    pub(crate) bed: &'a Bed<S, T>,
    pub(crate) filled: &'a Filled<'a>,
}

impl<S: Store, T: Store> Side for LoopCopy<'_, S, T> {
    fn name(&self) -> &str {
        self.name
    }

    fn prepare(&self) -> Result<(), Failure> {
        self.filled.empty_target()
    }

    fn run(&self) -> Result<Cost, Failure> {
        let args = [
            self.command.to_owned(),
            self.bed.source.url(),
            self.bed.target.url(),
            self.filled.table.name.to_owned(),
            self.bed.rows.to_string(),
            CONNECTIONS.to_string(),
        ];
        child::run(&std::env::current_exe()?, &args)
    }

    fn check(&self) -> Result<(), Failure> {
        self.filled.expect_equal()
    }
}

/// The records of one connection.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) table: &'static Table,
    /// The ids are greater than this,
    pub(crate) after: i64,
    /// and not greater than that.
    pub(crate) until: i64,
}

/// Copies every part with `copy`, all at the same time.
pub(crate) async fn in_parts<F>(
    [source, target, table]: [&str; 3],
    rows: u64,
    connections: u64,
    copy: impl Fn(Part) -> F,
) -> Result<u64, Failure>
where
    F: Future<Output = sqlx::Result<u64>> + Send + 'static,
{
    let table = Table::named(table)?;
    let bound = |place: u64| (rows * place / connections).cast_signed();
    let parts = (0..connections).map(|place| {
        let (source, target) = (source.to_owned(), target.to_owned());
        let (after, until) = (bound(place), bound(place + 1));
        // A task each, so that two cores take part.
        tokio::spawn(copy(Part { source, target, table, after, until }))
    });
    let copied: sqlx::Result<Vec<u64>> = try_join_all(parts).await?.into_iter().collect();
    Ok(copied?.into_iter().sum())
}

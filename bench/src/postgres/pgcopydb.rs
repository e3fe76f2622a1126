//! `pgcopydb`, which copies whole databases: tables, then indexes. It guards nothing either.

use crate::bed::{Bed, DATABASE, Filled, Store};
use crate::child::{self, Cost, Failure};
use crate::side::{CONNECTIONS, Side};
use servers::{Kind, Postgres};
use std::path::Path;

/// `pgcopydb clone`, into a database without the table: it makes that itself, and its key when the
/// data is in.
pub(super) struct Pgcopydb<'a> {
    bed: &'a Bed<Postgres, Postgres>,
    filled: &'a Filled<'a>,
}

impl<'a> Pgcopydb<'a> {
    pub(super) const NAME: &'static str = "pgcopydb";

    /// Installs it.
    pub(super) fn new(
        bed: &'a Bed<Postgres, Postgres>,
        filled: &'a Filled<'a>,
    ) -> Result<Self, Failure> {
        servers::install(&[Kind::Pgcopydb])?;
        Ok(Self { bed, filled })
    }
}

impl Side for Pgcopydb<'_> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn prepare(&self) -> Result<(), Failure> {
        self.filled.empty_target()?;
        self.bed
            .target
            .sql(&format!("\\connect {DATABASE}\nDROP TABLE {}", self.filled.table.name))?;
        Ok(())
    }

    fn run(&self) -> Result<Cost, Failure> {
        let dir = tempfile::tempdir()?;
        let (dir, jobs) = (dir.path().join("work").display().to_string(), CONNECTIONS.to_string());
        let (source, target) = (Store::url(&self.bed.source), Store::url(&self.bed.target));
        let args = [
            &["clone", "--dir", &dir, "--source", &source, "--target", &target][..],
            &["--table-jobs", &jobs, "--index-jobs", &jobs],
        ];
        let args: Vec<String> = args.concat().into_iter().map(str::to_owned).collect();
        child::run(Path::new(Self::NAME), &args)
    }

    fn check(&self) -> Result<(), Failure> {
        self.filled.expect_equal()
    }
}

//! `pgloader`, which copies tables by COPY and guards nothing.

use crate::bed::{Bed, Filled, Store};
use crate::child::{self, Cost, Failure};
use crate::side::{CONNECTIONS, Side};
use servers::{Kind, MariaDb, Postgres};
use std::path::Path;

pub(super) struct Pgloader<'a> {
    filled: &'a Filled<'a>,
    dir: tempfile::TempDir,
}

impl<'a> Pgloader<'a> {
    pub(super) const NAME: &'static str = "pgloader";

    /// Installs it, and writes what it is to do.
    pub(super) fn new(
        bed: &'a Bed<MariaDb, Postgres>,
        filled: &'a Filled<'a>,
    ) -> Result<Self, Failure> {
        servers::install(&[Kind::Pgloader])?;
        let dir = tempfile::tempdir()?;
        let (source, target) = (Store::url(&bed.source), Store::url(&bed.target));
        let load = format!(
            "LOAD DATABASE FROM {source} INTO {} \
             WITH data only, workers = {CONNECTIONS}, concurrency = 1, batch rows = 25000, \
             prefetch rows = 50000 \
             INCLUDING ONLY TABLE NAMES MATCHING '{}' ALTER SCHEMA 'bench' RENAME TO 'public';\n",
            target.replacen("postgres://", "postgresql://", 1),
            filled.table.name
        );
        std::fs::write(dir.path().join("bench.load"), load)?;
        Ok(Self { filled, dir })
    }
}

impl Side for Pgloader<'_> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn prepare(&self) -> Result<(), Failure> {
        self.filled.empty_target()
    }

    fn run(&self) -> Result<Cost, Failure> {
        let load = self.dir.path().join("bench.load").display().to_string();
        let root = self.dir.path().join("log").display().to_string();
        // Its own default of memory ends it in the middle.
        let args = ["--dynamic-space-size", "4096", "--root-dir", &root, &load];
        child::run(Path::new(Self::NAME), &args.map(str::to_owned))
    }

    fn check(&self) -> Result<(), Failure> {
        self.filled.expect_equal()
    }
}

//! Our side of a copy.

use crate::bed::{Bed, Filled, Store};
use crate::case::Settings;
use crate::child::{Cost, Failure};
use crate::folder::Folder;
use crate::plan;
use crate::side::Side;
use std::process::Child;

/// `backfill run`, on a migration that was just set up.
pub(crate) struct Midflight<'a> {
    name: String,
    rows: u64,
    filled: &'a Filled<'a>,
    folder: Folder<'a>,
}

impl<'a> Midflight<'a> {
    /// Writes the plan, with `more` at its end.
    pub(crate) fn new<S: Store, T: Store>(
        bed: &Bed<S, T>,
        filled: &'a Filled<'a>,
        settings: &'a Settings,
        more: &str,
    ) -> Result<Self, Failure> {
        let engines = (bed.source.engine(), bed.target.engine());
        let plan = plan::text(filled.table, engines, plan::OUTBOX) + more;
        let urls = [("source", bed.source.url()), ("target", bed.target.url())];
        let folder = Folder::new(settings, &plan, &urls)?;
        Ok(Self { name: "ours".into(), rows: bed.rows, filled, folder })
    }

    /// At full speed with another name, where ours is compared with itself.
    pub(crate) fn named<S: Store, T: Store>(
        name: String,
        bed: &Bed<S, T>,
        filled: &'a Filled<'a>,
        settings: &'a Settings,
    ) -> Result<Self, Failure> {
        Ok(Self { name, ..Self::new(bed, filled, settings, plan::FULL_SPEED)? })
    }

    /// Starts the copy, and does not wait for it.
    pub(crate) fn start(&self) -> Result<Child, Failure> {
        self.folder.start("backfill", &["run"])
    }
}

impl Side for Midflight<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn rows(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn prepare(&self) -> Result<(), Failure> {
        self.filled.empty_target()?;
        self.folder.clear()?;
        self.folder.run("dual-write", &["set-up"]).map(drop)
    }

    fn run(&self) -> Result<Cost, Failure> {
        self.folder.run("backfill", &["run"])
    }

    fn check(&self) -> Result<(), Failure> {
        self.filled.expect_equal()
    }
}

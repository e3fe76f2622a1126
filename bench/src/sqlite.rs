//! From one SQLite file to another: what the phases cost beside the barest loops.

pub(crate) mod data;
pub(crate) mod peer;

use crate::case::Settings;
use crate::child::{self, Cost, Failure};
use crate::report::{self, Measured};
use std::path::PathBuf;

/// Records in the table, unless asked for otherwise. The peers' rates hardly change beyond this.
const ROWS: u64 = 1_000_000;

/// Records for each change of the stream.
const ROWS_PER_CHANGE: u64 = 5;

/// Where the cases work: everything they need is made once, what a run leaves is removed before the
/// next.
pub(crate) struct Bench<'a> {
    dir: tempfile::TempDir,
    settings: &'a Settings,
    rows: u64,
}

impl<'a> Bench<'a> {
    /// Makes the source.
    pub(crate) async fn new(settings: &'a Settings) -> Result<Self, Failure> {
        let rows = settings.rows.unwrap_or(ROWS);
        let bench = Self { dir: tempfile::tempdir()?, settings, rows };
        data::fill_source(&bench.path("source.db"), rows).await?;
        Ok(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Runs a phase binary on the plan.
    fn phase(&self, program: &str, args: &[&str]) -> Result<Cost, Failure> {
        let plan = self.text("plan.toml");
        let shared = ["--config", &plan, "--progress", "none", "-q", "--yes"];
        let args: Vec<String> = args.iter().chain(&shared).map(|arg| (*arg).to_owned()).collect();
        child::run(&self.settings.bin_dir.join(program), &args)
    }

    /// Runs this program as a peer.
    fn peer(&self, args: &[String]) -> Result<Cost, Failure> {
        child::run(&std::env::current_exe()?, args)
    }

    /// Removes databases, with what the engine keeps beside them.
    fn remove(&self, files: &[&str]) -> Result<(), Failure> {
        for file in files {
            for suffix in ["", "-wal", "-shm"] {
                let path = self.path(&format!("{file}{suffix}"));
                if path.exists() {
                    std::fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }

    /// A migration that has not begun: an empty target file, no checkpoint, no lock.
    async fn fresh(&self) -> Result<(), Failure> {
        self.remove(&["target.db", "checkpoint.db", "locks.db", "peer.db"])?;
        data::create_target(&self.path("target.db")).await?;
        std::fs::write(self.path("plan.toml"), data::plan())?;
        self.phase("dual-write", &["set-up"])?;
        Ok(())
    }

    /// The copy beside a bare loop, and beside what the engine does by itself.
    pub(crate) async fn backfill(&self) -> Result<(), Failure> {
        report::begin("backfill", self.settings.runs);
        let (mut pairs, mut limits) = (Vec::new(), Vec::new());
        for _ in 0..self.settings.runs {
            self.fresh().await?;
            let ours = self.phase("backfill", &["run"])?;
            data::expect_rows(&self.path("target.db"), self.rows).await?;
            pairs.push((ours, self.copy("bare-copy").await?));
            limits.push((ours, self.copy("attached-copy").await?));
        }
        let (name, of) = ("backfill", "a bare copy loop");
        report::case(&Measured { name, of, aim: Some(1.0), rows: self.rows, pairs });
        let (name, of) = ("backfill, the limit", "INSERT..SELECT in the engine");
        report::case(&Measured { name, of, aim: None, rows: self.rows, pairs: limits });
        Ok(())
    }

    /// Runs a peer of the copy into a file of its own.
    async fn copy(&self, peer: &str) -> Result<Cost, Failure> {
        self.remove(&["peer.db"])?;
        let cost = self.peer(&[peer.to_owned(), self.text("source.db"), self.text("peer.db")])?;
        data::expect_rows(&self.path("peer.db"), self.rows).await?;
        Ok(cost)
    }

    pub(crate) async fn verify(&self) -> Result<(), Failure> {
        report::begin("verify", self.settings.runs);
        self.fresh().await?;
        self.phase("backfill", &["run"])?;
        let mut pairs = Vec::new();
        for _ in 0..self.settings.runs {
            let ours = self.phase("verify", &["run", "--restart"])?;
            let theirs = self.peer(&[
                "bare-read".to_owned(),
                self.text("source.db"),
                self.text("target.db"),
            ])?;
            pairs.push((ours, theirs));
        }
        let of = "one SELECT pass over both files";
        report::case(&Measured { name: "verify", of, aim: Some(0.5), rows: self.rows, pairs });
        Ok(())
    }

    pub(crate) async fn dual_write(&self) -> Result<(), Failure> {
        report::begin("dual-write", self.settings.runs);
        let changes_max = self.rows / ROWS_PER_CHANGE * 2;
        let changes = data::changes(changes_max, self.rows);
        let mut pairs = Vec::new();
        for _ in 0..self.settings.runs {
            // The stream lies after the start position, so it is written anew for each run.
            data::clear_outbox(&self.path("source.db")).await?;
            self.fresh().await?;
            data::fill_outbox(&self.path("source.db"), &changes).await?;
            let ours = self.phase("dual-write", &["run", "--until-drained"])?;
            let theirs = self.peer(&[
                "bare-apply".to_owned(),
                self.text("peer.db"),
                changes_max.to_string(),
                self.rows.to_string(),
            ])?;
            data::expect_equal(&self.path("target.db"), &self.path("peer.db")).await?;
            pairs.push((ours, theirs));
        }
        let of = "a bare prepared upsert loop";
        report::case(&Measured {
            name: "dual-write",
            of,
            aim: Some(0.6),
            rows: changes_max,
            pairs,
        });
        Ok(())
    }
}

//! The cases: what is run, against what, and what it is a ratio of.

use crate::child::{self, Cost, Failure};
use crate::report::{self, Measured};
use crate::{data, decision};
use std::path::{Path, PathBuf};

/// Records in the table. The peers' rates hardly change beyond this.
const ROWS: u64 = 1_000_000;

/// Changes in the stream.
const CHANGES: u64 = 400_000;

/// The names of the cases, in the order they run.
const NAMES: [&str; 4] = ["backfill", "verify", "dual-write", "decision"];

/// Where a case works: everything it needs is made once, what a run leaves is removed before the
/// next.
struct Bench {
    dir: tempfile::TempDir,
    bin_dir: PathBuf,
    runs: usize,
}

/// Runs the cases.
pub(crate) async fn run_all(
    only: &Option<String>,
    runs: usize,
    bin_dir: Option<&Path>,
) -> Result<(), Failure> {
    if let Some(name) = only.as_deref().filter(|name| !NAMES.contains(name)) {
        return Err(format!("no case `{name}`; there are: {}", NAMES.join(", ")).into());
    }
    let beside = || std::env::current_exe().map(|exe| exe.with_file_name(""));
    let bin_dir = bin_dir.map_or_else(beside, |dir| Ok(dir.to_owned()))?;
    let bench = Bench { dir: tempfile::tempdir()?, bin_dir, runs };
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    data::fill_source(&bench.path("source.db"), ROWS).await?;
    if wanted("backfill") {
        bench.backfill().await?;
    }
    if wanted("verify") {
        bench.verify().await?;
    }
    if wanted("dual-write") {
        bench.dual_write().await?;
    }
    if wanted("decision") {
        decision::measure(&bench.path("decision"), runs).await?;
    }
    Ok(())
}

impl Bench {
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
        child::run(&self.bin_dir.join(program), &args)
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
    async fn backfill(&self) -> Result<(), Failure> {
        report::begin("backfill", self.runs);
        let (mut pairs, mut limits) = (Vec::new(), Vec::new());
        for _ in 0..self.runs {
            self.fresh().await?;
            let ours = self.phase("backfill", &["run"])?;
            data::expect_rows(&self.path("target.db"), ROWS).await?;
            pairs.push((ours, self.copy("bare-copy").await?));
            limits.push((ours, self.copy("attached-copy").await?));
        }
        let (name, of) = ("backfill", "a bare copy loop");
        report::case(&Measured { name, of, aim: Some(1.0), rows: ROWS, pairs });
        let (name, of) = ("backfill, the limit", "INSERT..SELECT in the engine");
        report::case(&Measured { name, of, aim: None, rows: ROWS, pairs: limits });
        Ok(())
    }

    /// Runs a peer of the copy into a file of its own.
    async fn copy(&self, peer: &str) -> Result<Cost, Failure> {
        self.remove(&["peer.db"])?;
        let cost = self.peer(&[peer.to_owned(), self.text("source.db"), self.text("peer.db")])?;
        data::expect_rows(&self.path("peer.db"), ROWS).await?;
        Ok(cost)
    }

    async fn verify(&self) -> Result<(), Failure> {
        report::begin("verify", self.runs);
        self.fresh().await?;
        self.phase("backfill", &["run"])?;
        let mut pairs = Vec::new();
        for _ in 0..self.runs {
            let ours = self.phase("verify", &["run", "--restart"])?;
            let theirs = self.peer(&[
                "bare-read".to_owned(),
                self.text("source.db"),
                self.text("target.db"),
            ])?;
            pairs.push((ours, theirs));
        }
        let of = "one SELECT pass over both files";
        report::case(&Measured { name: "verify", of, aim: Some(0.5), rows: ROWS, pairs });
        Ok(())
    }

    async fn dual_write(&self) -> Result<(), Failure> {
        report::begin("dual-write", self.runs);
        let changes = data::changes(CHANGES, ROWS);
        let mut pairs = Vec::new();
        for _ in 0..self.runs {
            // The stream lies after the start position, so it is written anew for each run.
            data::clear_outbox(&self.path("source.db")).await?;
            self.fresh().await?;
            data::fill_outbox(&self.path("source.db"), &changes).await?;
            let ours = self.phase("dual-write", &["run", "--until-drained"])?;
            let theirs = self.peer(&[
                "bare-apply".to_owned(),
                self.text("peer.db"),
                CHANGES.to_string(),
                ROWS.to_string(),
            ])?;
            data::expect_equal(&self.path("target.db"), &self.path("peer.db")).await?;
            pairs.push((ours, theirs));
        }
        let of = "a bare prepared upsert loop";
        report::case(&Measured { name: "dual-write", of, aim: Some(0.6), rows: CHANGES, pairs });
        Ok(())
    }
}

//! The cases: what is run, against what, and what it is a ratio of.

use crate::child::Failure;
use crate::table::ROWS;
use crate::{crossing, decision, kafka, mariadb, postgres, sqlite};
use servers::Durability;
use std::path::PathBuf;

/// The names of the cases, in the order they run.
const NAMES: [&str; 9] = [
    "backfill",
    "verify",
    "dual-write",
    "decision",
    "mariadb",
    "postgres",
    "crossing",
    "kafka",
    "harm",
];

/// What was asked for on the command line.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Only this case.
    pub(crate) only: Option<String>,
    /// Pairs of runs.
    pub(crate) runs: usize,
    /// Records, instead of what each case works on.
    pub(crate) rows: Option<u64>,
    /// Tables, of the cases on servers.
    pub(crate) tables: Vec<String>,
    /// What a commit promises, on servers.
    pub(crate) durabilities: Vec<Durability>,
    /// Only these peers, of the cases on servers.
    pub(crate) peers: Vec<String>,
    /// Where the phase binaries are.
    pub(crate) bin_dir: PathBuf,
}

impl Settings {
    fn wants(&self, case: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == case)
    }

    /// Records in a table on a server.
    pub(crate) fn server_rows(&self) -> u64 {
        self.rows.unwrap_or(ROWS)
    }

    /// Whether to run the peer of this name.
    pub(crate) fn wants_peer(&self, name: &str) -> bool {
        let name = name.trim_start_matches("the ");
        self.peers.is_empty() || self.peers.iter().any(|wanted| name.starts_with(&**wanted))
    }
}

/// Runs the cases.
pub(crate) async fn run_all(settings: &Settings) -> Result<(), Failure> {
    if let Some(name) = settings.only.as_deref().filter(|name| !NAMES.contains(name)) {
        return Err(format!("no case `{name}`; there are: {}", NAMES.join(", ")).into());
    }
    if ["backfill", "verify", "dual-write"].iter().any(|case| settings.wants(case)) {
        let bench = sqlite::Bench::new(settings).await?;
        if settings.wants("backfill") {
            bench.backfill().await?;
        }
        if settings.wants("verify") {
            bench.verify().await?;
        }
        if settings.wants("dual-write") {
            bench.dual_write().await?;
        }
    }
    if settings.wants("decision") {
        decision::measure(settings.runs).await?;
    }
    if settings.wants("mariadb") {
        mariadb::backfill(settings)?;
    }
    if settings.wants("postgres") {
        postgres::backfill(settings)?;
    }
    if settings.wants("crossing") {
        crossing::backfill(settings)?;
    }
    if settings.wants("kafka") {
        kafka::dual_write(settings)?;
    }
    if settings.wants("harm") {
        mariadb::harm(settings).await?;
    }
    Ok(())
}

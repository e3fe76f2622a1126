//! The cases: what is run, against what, and what it is a ratio of.

use crate::child::Failure;
#[cfg(feature = "kafka")]
use crate::kafka;
use crate::report::{self, Report};
use crate::table::{ROWS, Table};
use crate::{crossing, decision, mariadb, postgres, sqlite};
use servers::Durability;
use std::path::PathBuf;

/// A case, and the peers that ours is compared with.
struct Case {
    name: &'static str,
    peers: &'static [&'static str],
}

/// The cases, in the order they run.
const CASES: &[Case] = &[
    Case { name: "backfill", peers: sqlite::COPY_PEERS },
    Case { name: "verify", peers: sqlite::READ_PEERS },
    Case { name: "dual-write", peers: sqlite::APPLY_PEERS },
    Case { name: "decision", peers: &["the hash alone"] },
    Case { name: "mariadb", peers: mariadb::PEERS },
    Case { name: "postgres", peers: postgres::PEERS },
    Case { name: "crossing", peers: crossing::PEERS },
    #[cfg(feature = "kafka")]
    Case { name: "kafka", peers: kafka::PEERS },
    Case { name: "harm", peers: &["the updates alone"] },
    Case { name: "size", peers: &["the same, smaller"] },
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
    /// Tables, of the cases on servers; those of the case where none is named.
    pub(crate) tables: Vec<String>,
    /// What a commit promises, on servers.
    pub(crate) durabilities: Vec<Durability>,
    /// Only these peers.
    pub(crate) peers: Vec<String>,
    /// Where the phase binaries are.
    pub(crate) bin_dir: PathBuf,
}

impl Settings {
    /// Fails if there is no such case, table or peer: before hours, not after them.
    fn validate(&self) -> Result<(), Failure> {
        let known: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        if let Some(name) = self.only.as_deref().filter(|name| !known.contains(name)) {
            return Err(format!("no case `{name}`; there are: {}", known.join(", ")).into());
        }
        self.tables_or(&[])?;
        if CASES.iter().any(|case| self.wants(case)) {
            return Ok(());
        }
        let peers: Vec<&str> = CASES
            .iter()
            .filter(|case| self.only.as_deref().is_none_or(|only| only == case.name))
            .flat_map(|case| case.peers.iter().copied())
            .collect();
        Err(format!("no such peer; there are: {}", peers.join(", ")).into())
    }

    fn wants(&self, case: &Case) -> bool {
        self.only.as_deref().is_none_or(|only| only == case.name)
            && case.peers.iter().any(|peer| self.wants_peer(peer))
    }

    /// Records in a table on a server.
    pub(crate) fn server_rows(&self) -> u64 {
        self.rows.unwrap_or(ROWS)
    }

    /// The tables that were named, or those that the case takes by itself.
    pub(crate) fn tables_or(&self, own: &[&str]) -> Result<Vec<&'static Table>, Failure> {
        let named = self.tables.iter().map(String::as_str);
        let own = own.iter().copied().filter(|_| self.tables.is_empty());
        named.chain(own).map(Table::named).collect()
    }

    /// Whether to run the peer of this name.
    pub(crate) fn wants_peer(&self, name: &str) -> bool {
        let bare = |name: &str| name.trim_start_matches("the ").to_owned();
        self.peers.is_empty()
            || self.peers.iter().any(|wanted| bare(name).starts_with(&bare(wanted)))
    }
}

/// Runs the cases, and prints all that was measured, also where one of them fails. Fails where a
/// peer never did its work: then something that was asked for was not measured.
pub(crate) async fn run_all(settings: &Settings) -> Result<(), Failure> {
    settings.validate()?;
    let mut report = Report::default();
    let result = run(settings, &mut report).await;
    report.end();
    result.and_then(|()| report.verdict())
}

async fn run(settings: &Settings, report: &mut Report) -> Result<(), Failure> {
    for case in CASES.iter().filter(|case| settings.wants(case)) {
        match case.name {
            "backfill" => sqlite::Bench::new(settings)?.backfill(report)?,
            "verify" => sqlite::Bench::new(settings)?.verify(report)?,
            "dual-write" => sqlite::Bench::new(settings)?.dual_write(report)?,
            "decision" => decision::measure(settings.runs).await?,
            "mariadb" => mariadb::backfill(settings, report)?,
            "postgres" => postgres::backfill(settings, report)?,
            "crossing" => crossing::backfill(settings, report)?,
            #[cfg(feature = "kafka")]
            "kafka" => kafka::dual_write(settings, report)?,
            "harm" => mariadb::harm(settings, report).await?,
            "size" => mariadb::size(settings, report)?,
            name => report::note(&format!("nothing runs the case {name}")),
        }
    }
    Ok(())
}

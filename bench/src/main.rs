//! Benchmarks, each a ratio against a peer or the limit in the same run.
//!
//! `bench` runs every case five times, ours and the peer in turn, each as a whole process, and
//! prints the median ratio. `bench --only NAME` runs one. Every figure that the project claims
//! comes from here, with the command that shows it.

mod bed;
mod case;
mod child;
mod copies;
mod cpu;
mod crossing;
mod decision;
mod folder;
#[cfg(feature = "kafka")]
mod kafka;
mod loop_copy;
mod mariadb;
mod midflight;
mod plan;
mod postgres;
mod report;
mod side;
mod sqlite;
mod table;
mod wait;

use case::Settings;
use clap::{Parser, Subcommand, ValueEnum};
use servers::Durability;
use sqlite::{data, peer};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Debug, Parser)]
struct Args {
    /// Runs one case.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Pairs of runs.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Records in the tables, instead of 2,000,000 on servers and 1,000,000 in files.
    #[arg(long)]
    rows: Option<u64>,
    /// Only this table, narrow or wide, of the cases on servers. May be repeated.
    #[arg(long, value_name = "TABLE")]
    table: Vec<String>,
    /// What a commit promises on the servers. May be repeated.
    #[arg(long, value_name = "PROMISE", default_values = ["relaxed", "durable"])]
    commits: Vec<Promise>,
    /// Only the peers whose names begin so. May be repeated.
    #[arg(long, value_name = "NAME")]
    peer: Vec<String>,
    /// Where the phase binaries are; beside this one by default.
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
    #[command(subcommand)]
    work: Option<Peer>,
}

/// What a commit promises.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Promise {
    /// Nothing is flushed at a commit: a power cut may take the last ones.
    Relaxed,
    /// The servers' own defaults: a commit survives a power cut.
    Durable,
}

/// What a peer process does; the benchmark starts itself again with one of these.
#[derive(Debug, Subcommand)]
enum Peer {
    /// Copies the table in a bare loop.
    BareCopy { source: PathBuf, target: PathBuf },
    /// Copies the table inside the engine.
    AttachedCopy { source: PathBuf, target: PathBuf },
    /// Applies the stream of changes in a bare loop.
    BareApply { target: PathBuf, changes: u64, rows: u64 },
    /// Reads two tables once.
    BareRead { source: PathBuf, target: PathBuf },
    /// Copies a table from one MySQL or MariaDB to another in a bare loop.
    MariadbCopy { source: String, target: String, table: String, rows: u64, connections: u64 },
    /// Applies a topic's changes in a bare loop.
    #[cfg(feature = "kafka")]
    KafkaApply { brokers: String, target: String, count: u64 },
    /// Copies a table from one PostgreSQL to another, with COPY on both ends.
    PostgresCopy { source: String, target: String, table: String, rows: u64, connections: u64 },
}

impl Args {
    fn settings(self) -> std::io::Result<Settings> {
        let beside = || std::env::current_exe().map(|exe| exe.with_file_name(""));
        let durability = |promise: &Promise| match promise {
            Promise::Relaxed => Durability::Relaxed,
            Promise::Durable => Durability::Durable,
        };
        Ok(Settings {
            only: self.only,
            runs: self.runs.max(1),
            rows: self.rows,
            tables: self.table,
            durabilities: self.commits.iter().map(durability).collect(),
            peers: self.peer,
            bin_dir: self.bin_dir.map_or_else(beside, Ok)?,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.work {
        Some(work) => run_peer(work).await,
        None => match args.settings() {
            Ok(settings) => case::run_all(&settings).await,
            Err(error) => Err(error.into()),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// Runs a peer and prints the seconds of its work, without what it takes to make its input.
async fn run_peer(peer: &Peer) -> Result<(), child::Failure> {
    let changes = match peer {
        Peer::BareApply { changes, rows, .. } => data::changes(*changes, *rows),
        _ => Vec::new(),
    };
    let begun = Instant::now();
    match peer {
        Peer::BareCopy { source, target } => peer::bare_copy(source, target).await?,
        Peer::AttachedCopy { source, target } => peer::attached_copy(source, target).await?,
        Peer::BareApply { target, .. } => peer::bare_apply(target, &changes).await?,
        Peer::MariadbCopy { source, target, table, rows, connections } => {
            mariadb::bare_copy([source, target, table], *rows, *connections).await?
        }
        #[cfg(feature = "kafka")]
        Peer::KafkaApply { brokers, target, count } => {
            kafka::bare_apply(brokers, target, *count).await?
        }
        Peer::PostgresCopy { source, target, table, rows, connections } => {
            postgres::copy_pipe([source, target, table], *rows, *connections).await?
        }
        Peer::BareRead { source, target } => {
            peer::bare_read(source, "followers").await?
                + peer::bare_read(target, "follower_of").await?
        }
    };
    report::seconds(begun.elapsed());
    Ok(())
}

//! Benchmarks, each a ratio against a peer or the limit in the same run.
//!
//! `bench` runs every case five times, ours and the peer in turn, each as a whole process, and
//! prints the median ratio. `bench --only NAME` runs one. Every figure that the project claims comes
//! from here, with the command that shows it.

mod case;
mod child;
mod data;
mod decision;
mod peer;
mod report;

use clap::{Parser, Subcommand};
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
    /// Where the phase binaries are; beside this one by default.
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
    #[command(subcommand)]
    peer: Option<Peer>,
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
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.peer {
        Some(peer) => run_peer(peer).await.map_err(Into::into),
        None => case::run_all(&args.only, args.runs, args.bin_dir.as_deref()).await,
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
async fn run_peer(peer: &Peer) -> sqlx::Result<()> {
    let changes = match peer {
        Peer::BareApply { changes, rows, .. } => data::changes(*changes, *rows),
        _ => Vec::new(),
    };
    let begun = Instant::now();
    match peer {
        Peer::BareCopy { source, target } => peer::bare_copy(source, target).await?,
        Peer::AttachedCopy { source, target } => peer::attached_copy(source, target).await?,
        Peer::BareApply { target, .. } => peer::bare_apply(target, &changes).await?,
        Peer::BareRead { source, target } => {
            peer::bare_read(source, "followers").await?
                + peer::bare_read(target, "follower_of").await?
        }
    };
    report::seconds(begun.elapsed());
    Ok(())
}

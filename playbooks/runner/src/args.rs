//! The command line.

use clap::builder::BoolishValueParser;
use migration::cli::parse_duration;
use std::path::PathBuf;
use std::time::Duration;

/// Runs a playbook's README: the commands a person would type, in order.
#[derive(Debug, clap::Parser)]
#[command(name = "playbook", version)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the runner can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Carries out every command of a playbook.
    Run(RunArgs),
}

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The playbook.
    #[arg(value_name = "README")]
    pub readme: PathBuf,
    /// Kills a random phase process every second, and starts it again.
    #[arg(long, env = "CHAOS", value_parser = BoolishValueParser::new())]
    pub chaos: bool,
    /// Of the random numbers of the chaos. Drawn, and printed, if it is not given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Runs in this folder, which is created, instead of the playbook's own; what the playbook
    /// needs is copied there.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Where the programs are; the runner's own folder if it is not given.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
    /// Fails if any process needed more memory than this, in MiB.
    #[arg(long, value_name = "MIB")]
    pub memory_max: Option<u64>,
    /// Fails if the whole playbook took longer than this, such as `3m`.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub time_max: Option<Duration>,
}

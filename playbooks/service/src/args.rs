//! The command line.

use crate::files::FlightDir;
use crate::seed::Data;
use std::path::PathBuf;

/// Live writes that the service makes a second.
const CHANGES: u32 = 2_000;
/// Lists that it reads a second.
const LISTS: u32 = 500;

/// The service of the playbooks.
#[derive(Debug, clap::Parser)]
#[command(name = "service", version)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the service can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Creates the service's database with the graph in it, and the empty shards.
    Seed(SeedArgs),
    /// Serves: live writes and list reads, until SIGTERM.
    Run(RunArgs),
    /// Holds source, target and every answer against what was acknowledged.
    Judge(JudgeArgs),
}

/// Where a flight lies.
#[derive(Debug, clap::Args)]
pub struct FlightArgs {
    /// The folder of the flight: databases and logs.
    #[arg(long, default_value = "flight", value_name = "DIR")]
    pub dir: PathBuf,
    /// The plan of the migration: says where the databases are, and the stage of the read switch.
    #[arg(short, long, default_value = "migration.toml", value_name = "FILE")]
    pub config: PathBuf,
}

impl FlightArgs {
    pub(crate) fn dir(&self) -> FlightDir {
        FlightDir(self.dir.clone())
    }
}

/// What a flight begins with.
#[derive(Debug, clap::Args)]
pub struct DataArgs {
    /// The graph.
    #[arg(long, default_value = "seed/debian-dependents.csv.gz", value_name = "FILE")]
    pub data: PathBuf,
    /// Most edges of it that are taken; all, if it is not given.
    #[arg(long, value_name = "EDGES")]
    pub edges: Option<usize>,
}

impl DataArgs {
    pub(crate) fn data(&self) -> Data {
        Data { file: self.data.clone(), most: self.edges.unwrap_or(usize::MAX) }
    }
}

/// Arguments of `seed`.
#[derive(Debug, clap::Args)]
pub struct SeedArgs {
    /// Where the flight lies.
    #[command(flatten)]
    pub flight: FlightArgs,
    /// What it begins with.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Where the flight lies.
    #[command(flatten)]
    pub flight: FlightArgs,
    /// What it began with: asked for where a service on a server goes on.
    #[command(flatten)]
    pub data: DataArgs,
    /// Live writes a second.
    #[arg(long, default_value_t = CHANGES)]
    pub changes: u32,
    /// Lists read a second.
    #[arg(long, default_value_t = LISTS)]
    pub lists: u32,
    /// A list of the engineers' own, read about once a second. May be repeated.
    #[arg(long, value_name = "LIST")]
    pub watch: Vec<String>,
    /// Of the random numbers. Drawn, and printed, if it is not given.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Arguments of `judge`.
#[derive(Debug, clap::Args)]
pub struct JudgeArgs {
    /// Where the flight lies.
    #[command(flatten)]
    pub flight: FlightArgs,
    /// What the flight began with.
    #[command(flatten)]
    pub data: DataArgs,
    /// Most lag that `dual-write` printed, in milliseconds; asked of `dual-write status` if it is
    /// not given.
    #[arg(long, value_name = "MS")]
    pub lag_max_ms: Option<u64>,
    /// Live writes a second that `service run` was asked for.
    #[arg(long, default_value_t = CHANGES)]
    pub changes: u32,
    /// Lists read a second that it was asked for.
    #[arg(long, default_value_t = LISTS)]
    pub lists: u32,
    /// How much of both there must have been, in percent. Lower it where the machine is too slow.
    #[arg(long, env = "FLIGHT_RATE_MIN", default_value_t = 90, value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(0..=100))]
    pub rate_min: u8,
}

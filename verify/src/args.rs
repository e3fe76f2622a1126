//! The command line.

use migration::checkpoint::desired::Change;
use migration::cli::{
    CheckArgs, ListenArgs, Program, ReasonArgs, SharedArgs, SharedCommand, parse_change,
};
use migration::phase::VERIFY;
use migration::status::StatusArgs;

/// Compares source and target under live writes and gives a verdict.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "verify", version, about, after_help = EXIT_CODES)]
pub struct Args {
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 pass, 1 failed, 2 usage, 3 differences above the pass mark, \
    4 inconclusive or stopped, 5 another run is under way, 6 timed out, 7 refused.";

#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Command {
    /// Compares, and goes on with a run that was interrupted.
    Run(RunArgs),
    /// Proves the plan against the live servers. Touches nothing.
    Check(CheckArgs),
    /// Shows how far the run is.
    Status(StatusArgs),
    /// Lets the run stand still until `resume`.
    Pause(ReasonArgs),
    /// Ends the pause, and takes an abort back.
    Resume(ReasonArgs),
    /// Changes settings while it runs: rate=20000, rate=unlimited.
    Set {
        /// What to change.
        #[arg(required = true, value_name = "SETTING=VALUE", value_parser = parse_setting)]
        settings: Vec<Change>,
        #[command(flatten)]
        reason: ReasonArgs,
    },
    /// Shows the settings in force.
    Get,
    /// Lists the verdicts, oldest first.
    List,
    /// Shows the last verdict.
    Show,
    /// Prints the differences that the last run found.
    Diff(DiffArgs),
    /// Judges the last verdict: 0 pass, 3 fail, 4 inconclusive.
    Gate(GateArgs),
    /// Copies what the last run found different again, under the protocol's lease.
    Repair(RepairArgs),
    /// Stops `verify run` for good, until `resume`. What it found stays; `run --restart` forgets
    /// it.
    Abort(ReasonArgs),
    /// Lists what this phase keeps in the checkpoint store, and removes it with --yes.
    Cleanup,
    #[command(flatten)]
    Shared(SharedCommand),
}

/// How to compare.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArgs {
    /// Compares only the entities that the last sampled backfill copied.
    #[arg(long, conflicts_with = "sample")]
    pub(crate) sample_of_backfill: bool,
    /// Compares about this many records drawn at random; the verdict is a bound then.
    #[arg(long, value_name = "RECORDS")]
    pub(crate) sample: Option<u64>,
    /// Begins anew even if a run was interrupted; what that one found is forgotten.
    #[arg(long)]
    pub(crate) restart: bool,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
}

/// Which differences to print.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DiffArgs {
    /// Prints at most this many.
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<usize>,
    /// Prints the keys alone.
    #[arg(long)]
    pub(crate) only_keys: bool,
}

/// What a verdict has to show.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GateArgs {
    /// Most differences per record, from 0 to 1; the plan's pass mark by default.
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) max_mismatch_rate: Option<f64>,
    /// Takes a verdict about a sample, too, which says nothing about the records outside it.
    #[arg(long)]
    pub(crate) accept_sample: bool,
}

/// What a repair does.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RepairArgs {
    /// Repairs; without it, says what it would repair.
    #[arg(long)]
    pub(crate) execute: bool,
    #[command(flatten)]
    pub(crate) reason: ReasonArgs,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("write differences per record, from 0 to 1, such as 1e-6".to_owned()),
    }
}

fn parse_setting(text: &str) -> Result<Change, String> {
    parse_change(&VERIFY, text)
}

impl Program for Args {
    fn shared(&self) -> &SharedArgs {
        &self.shared
    }

    fn shared_command(&self) -> Option<&SharedCommand> {
        match &self.command {
            Command::Shared(command) => Some(command),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, parse_rate};
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_fits_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_rate_lies_between_none_and_all() {
        assert_eq!(parse_rate("1e-6"), Ok(1e-6));
        assert_eq!((parse_rate("0"), parse_rate("1")), (Ok(0.0), Ok(1.0)));
        for wrong in ["2", "-1e-6", "NaN", "inf", "0.1%", ""] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }
}

//! The command line.

use clap::{Parser, Subcommand};
use migration::checkpoint::desired::Change;
use migration::cli::{
    CheckArgs, ListenArgs, Program, ReasonArgs, SharedArgs, SharedCommand, parse_change,
};
use migration::phase::BACKFILL;
use migration::plan::BackfillPlan;
use migration::status::StatusArgs;

/// Phase 2: copies the history, guarded against live writes.
#[derive(Debug, Parser)]
#[command(name = "backfill", version, about, propagate_version = true, after_help = EXIT_CODES)]
pub struct Args {
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 not ready, or stopped with \
    something left to copy, 5 other processes have all that is left, 6 timed out, 7 refused.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Proves the plan against the live servers. Touches nothing.
    Check(CheckArgs),
    /// Shows what would be copied: ranges, records, time. Touches nothing.
    Plan,
    /// Copies until everything is copied. Goes on where it was; several may run at once.
    Run(RunArgs),
    /// Shows how far the copy is.
    Status(StatusArgs),
    /// Makes every `backfill run` of this migration wait.
    Pause(ReasonArgs),
    /// Ends the pause, and takes an abort back.
    Resume(ReasonArgs),
    /// Changes settings: rate=2000, rate=unlimited and batch-rows=500 while it runs, workers=4 from
    /// the next start on.
    Set {
        /// What to change.
        #[arg(required = true, value_name = "SETTING=VALUE", value_parser = parse_setting)]
        settings: Vec<Change>,
        #[command(flatten)]
        reason: ReasonArgs,
    },
    /// Shows the settings in force.
    Get,
    /// Shows and breaks the claims on ranges and the locks on entities.
    Locks {
        #[command(subcommand)]
        command: LocksCommand,
    },
    /// Stops every `backfill run` of this migration for good, until `resume`.
    Abort(ReasonArgs),
    /// Lists what this phase keeps beside the data, and removes it with --yes.
    Cleanup,
    #[command(flatten)]
    Shared(SharedCommand),
}

/// What `run` copies and how.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArgs {
    /// Copies only a share of the entities, such as 1%, each of them whole. Leaves no progress, so
    /// that the whole is copied later.
    #[arg(long, value_name = "PERCENT", value_parser = parse_share)]
    pub(crate) sample: Option<f64>,
    /// Chooses another sample of the same size.
    #[arg(long, default_value_t = 0, requires = "sample")]
    pub(crate) seed: u64,
    /// Workers in this process, whatever the plan and `set` say.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=i64::from(BackfillPlan::WORKERS_MAX)))]
    pub(crate) workers: Option<u16>,
    /// Copies only this source table. May be repeated.
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Vec<String>,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LocksCommand {
    /// Shows who holds which range, and how many entities are locked.
    List,
    /// Takes every claim and lock away. Workers that still run claim again.
    Break,
}

fn parse_setting(text: &str) -> Result<Change, String> {
    parse_change(&BACKFILL, text)
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

/// Reads `1%` or `1` as one hundredth.
fn parse_share(text: &str) -> std::result::Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err("write a percentage above 0 and at most 100, such as 1%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, parse_share};
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_fits_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_share_is_a_percentage() {
        assert_eq!(parse_share("1%"), Ok(0.01));
        assert_eq!(parse_share("100 %"), Ok(1.0));
        for wrong in ["0", "101%", "-1%", "half", "NaN"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }
}

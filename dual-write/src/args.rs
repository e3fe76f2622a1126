//! The command line.

use clap::{Parser, Subcommand};
use migration::cli::{CheckArgs, ListenArgs, Program, ReasonArgs, SharedArgs, SharedCommand};
use migration::status::StatusArgs;
use std::path::PathBuf;

/// Phase 1: applies every live write to the target.
#[derive(Debug, Parser)]
#[command(name = "dual-write", version, about, propagate_version = true, after_help = EXIT_CODES)]
pub struct Args {
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, or the queue is not the one that was left \
    (trimmed, made anew, partitions added), 2 usage, 3 not ready, 5 another process is at work, \
    6 timed out, 7 refused.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Proves the plan against the live servers. Touches nothing.
    Check(CheckArgs),
    /// Notes where the queue ends now and makes the target ready. Once, before anything is copied
    /// or applied; again is safe.
    SetUp,
    /// Applies live writes until it is stopped. A second one stands by; where the queue is a Kafka,
    /// it takes its share of the partitions.
    Run(RunArgs),
    /// Shows positions, lag and what became of the changes.
    Status(StatusArgs),
    /// Makes `dual-write run` wait; the queue keeps what comes.
    Pause(ReasonArgs),
    /// Ends the pause, and takes an abort back.
    Resume(ReasonArgs),
    /// Dead letters: changes that could not be decoded, or that the target cannot hold.
    Dlq {
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// The outbox in the source.
    Outbox {
        #[command(subcommand)]
        command: OutboxCommand,
    },
    /// Decodes messages and prints what they would write. Writes nothing.
    Explain(ExplainArgs),
    /// Removes tombstones and guards that nothing needs any more, of ranges that are copied.
    Purge,
    /// Stops `dual-write run` for good, until `resume`.
    Abort(ReasonArgs),
    /// Lists what this phase keeps beside the data, and removes it with --yes.
    Cleanup,
    #[command(flatten)]
    Shared(SharedCommand),
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DlqCommand {
    /// Lists dead letters that are still open.
    List {
        /// Also those that were replayed or dropped.
        #[arg(long)]
        all: bool,
    },
    /// Shows one dead letter with its bytes.
    Show {
        /// Its number in the list.
        id: String,
    },
    /// Applies dead letters again: with their version where that can decide, else from the source.
    Replay {
        #[command(flatten)]
        selection: DlqSelection,
        #[command(flatten)]
        reason: ReasonArgs,
    },
    /// Gives dead letters up. The changes in them stay lost to the target until the records are
    /// repaired.
    Drop {
        #[command(flatten)]
        selection: DlqSelection,
        #[command(flatten)]
        reason: ReasonArgs,
    },
}

/// Which dead letters.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DlqSelection {
    /// Their numbers in the list.
    pub(crate) ids: Vec<String>,
    /// All that are open.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum OutboxCommand {
    /// Removes messages that every instance of the target has applied. Asks first.
    Trim,
}

/// What to decode.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ExplainArgs {
    /// A file with one message: an outbox row as a JSON object; for a topic the value as it is on
    /// the wire.
    #[arg(long, value_name = "FILE", conflicts_with = "count")]
    pub(crate) file: Option<PathBuf>,
    /// Only this topic; for a file the topic that it is read as.
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
    /// A file's key on the wire.
    #[arg(long, value_name = "KEY", requires = "file")]
    pub(crate) key: Option<String>,
    /// A file's headers on the wire.
    #[arg(long = "header", value_name = "NAME=VALUE", requires = "file")]
    pub(crate) headers: Vec<String>,
    /// So many messages of each partition, from the target's position on; the last ones where the
    /// target is not set up.
    #[arg(short = 'n', long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) count: u16,
}

/// How long to apply.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArgs {
    /// Ends once every instance has applied what the queue holds: for a replay after the copy, or a
    /// last drain after the writes have stopped.
    #[arg(long)]
    pub(crate) until_drained: bool,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
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
    use super::Args;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_fits_together() {
        Args::command().debug_assert();
    }
}

//! The command line.

use clap::{Args as ClapArgs, Parser, Subcommand};
use migration::cli::{CheckArgs, ListenArgs, Program, SharedArgs, SharedCommand};
use migration::status::StatusArgs;
use std::path::PathBuf;

/// Moves reads from the source to the target step by step, and back at any moment.
#[derive(Debug, Parser)]
#[command(name = "cutover", version, after_help = EXIT_CODES)]
pub struct Args {
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 the gate is shut, rolled back, or not \
    ready, 4 too little evidence for the gate, 5 somebody changed the stage at the same time, \
    6 timed out, 7 refused.";

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

    fn is_never_refused(&self) -> bool {
        matches!(self.command, Command::Rollback(_))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks that the switch can work here. Exit 3: not ready.
    Check(CheckArgs),
    /// Shows the stage ladder, the next gate, the last verdict, lag and mirrored reads. Exit 3: a
    /// rollback is latched.
    Status(StatusArgs),
    /// Evaluates the next gate and changes nothing. Exit 3: evidence against; 4: not enough.
    Gate,
    /// Goes one stage up if the gate is met. Exit 3: evidence against; 4: not enough.
    Promote(PromoteArgs),
    /// The big red switch: sends every read back to the source. Never refused, asks nothing, and
    /// needs no checkpoint store. Exit 0: the rollback file is in place.
    Rollback(RollbackArgs),
    /// Ends a rollback: the climb may begin again at the first stage. Needs --yes off a terminal.
    Retry(WhyArgs),
    /// Holds the climb where it is; reads go on as they are.
    Pause(WhyArgs),
    /// Lets a held climb go on.
    Resume(WhyArgs),
    /// Goes back to `off` without a latch: the climb may begin again at once.
    Abort(WhyArgs),
    /// The keys whose reads the target answers first.
    #[command(subcommand)]
    Whitelist(WhitelistCommand),
    /// Explains where the reads of one key go, and why: with the code that readers use.
    Evaluate(EvaluateArgs),
    /// Lists what was done to the stage, by whom and why.
    History(HistoryArgs),
    /// Serves /livez, /readyz and /metrics, and records rollbacks that could not be recorded when
    /// they were made.
    Serve(ListenArgs),
    /// Lists what the migration keeps beside the data, everywhere, and removes it on request.
    Cleanup(CleanupArgs),
    #[command(flatten)]
    Shared(SharedCommand),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PromoteArgs {
    /// Goes on up to the last stage: single steps, each behind its gate.
    #[arg(long)]
    pub(crate) full: bool,
    /// Goes on up to this stage, such as `1%`. Said again when it is reached, it changes nothing:
    /// the form for scripts.
    #[arg(long, value_name = "STAGE", conflicts_with = "full")]
    pub(crate) to: Option<String>,
    /// Waits, at most --timeout (two weeks if none is given), while the gate is not met; a rollback
    /// ends the wait. One that is told to stop (SIGTERM) ends as the gate stands: 3 or 4.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Goes up although the gate is not met, and records why. A latched rollback and a pause hold
    /// all the same.
    #[arg(long = "override", value_name = "REASON", conflicts_with_all = ["full", "to", "wait"], value_parser = reason)]
    pub(crate) overridden: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RollbackArgs {
    /// Why, for the history.
    #[arg(long = "reason", alias = "why", value_name = "TEXT", default_value = "no reason given")]
    pub(crate) why: String,
    /// The rollback file, where the plan cannot be read.
    #[arg(long, value_name = "PATH", env = "MIDFLIGHT_ROLLBACK_FILE")]
    pub(crate) rollback_file: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WhyArgs {
    /// Why, for the history.
    #[arg(long = "reason", alias = "why", value_name = "TEXT", default_value = "no reason given")]
    pub(crate) why: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WhitelistCommand {
    /// Adds keys.
    Add {
        /// The keys, as the service passes them to its reader.
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Removes keys.
    Remove {
        /// The keys.
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Lists them.
    List,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct EvaluateArgs {
    /// The key, as the service passes it to its reader.
    #[arg(long)]
    pub(crate) key: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct HistoryArgs {
    /// Begins after this change.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) after: u64,
    /// Shows at most this many.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CleanupArgs {
    /// Removes what is listed, if the migration's name is given here: there is no way back.
    #[arg(long, value_name = "MIGRATION")]
    pub(crate) confirm: Option<String>,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("say why: it goes into the history".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_flags_fit_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_override_needs_a_reason_and_goes_one_step_only() {
        for words in [
            &["--override", " "][..],
            &["--override", "x", "--full"],
            &["--override", "x", "--to", "1%"],
            &["--override"],
        ] {
            assert!(Args::try_parse_from([&["cutover", "promote"], words].concat()).is_err());
        }
        assert!(Args::try_parse_from(["cutover", "promote", "--override", "drill"]).is_ok());
    }
}

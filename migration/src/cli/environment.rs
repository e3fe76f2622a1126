//! The command line and the environment under it.
//!
//! A variable that cannot be read ends a command, as a flag does: except one that must never be
//! refused, because somebody needs it most when everything else is out of order.

use super::program::Program;
use crate::error::{Error, ErrorKind};
use clap::builder::Resettable;
use clap::{Arg, Command};
use std::ffi::OsString;

/// The variables that say what to work on, and not how.
const KEPT: [&str; 2] = ["MIDFLIGHT_CONFIG", "MIDFLIGHT_ROLLBACK_FILE"];

/// Parses the arguments of this process, or ends it as clap does. Returns what was left out of the
/// environment to be able to go on.
pub(super) fn parse<A: Program>() -> (A, Option<Error>) {
    let words: Vec<OsString> = std::env::args_os().collect();
    let refusal = match A::try_parse_from(&words) {
        Ok(args) => return (args, None),
        Err(refusal) => refusal,
    };
    match without_environment::<A>(&words).filter(Program::is_never_refused) {
        Some(args) => (args, Some(ignored(&refusal))),
        None => refusal.exit(),
    }
}

/// The same words, read without the variables that say how; `None` if they are wrong by themselves.
fn without_environment<A: Program>(words: &[OsString]) -> Option<A> {
    let matches = blind(A::command()).try_get_matches_from(words).ok()?;
    A::from_arg_matches(&matches).ok()
}

fn blind(command: Command) -> Command {
    command.mut_args(forget).mut_subcommands(blind)
}

fn forget(argument: Arg) -> Arg {
    let is_kept = argument.get_env().is_some_and(|name| {
        // An empty path names nothing.
        KEPT.iter().any(|kept| name == *kept)
            && std::env::var_os(name).is_some_and(|v| !v.is_empty())
    });
    if is_kept { argument } else { argument.env(Resettable::Reset) }
}

fn ignored(refusal: &clap::Error) -> Error {
    let said = refusal.to_string();
    let first = said.lines().next().unwrap_or_default();
    Error::new(ErrorKind::Plan, "read the environment")
        .with("found", first.trim_start_matches("error: "))
        .hint(format!("of the MIDFLIGHT_ variables only {} count now", KEPT.join(" and ")))
}

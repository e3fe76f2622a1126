//! The commands that every binary has.

use super::args::SharedArgs;
use super::exit::Exit;
use super::output::{Report, print, table, write};
use crate::error::{Error, ErrorKind, Result};
use clap_complete::Shell;
use serde::Serialize;

/// A command that every binary has. It touches no server.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum SharedCommand {
    /// Prints the completion script of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints the manual page.
    Man,
    /// Prints the JSON Schema of a plan, for editors.
    ConfigSchema,
    /// Prints the version, and the versions of what this binary reads and writes.
    Version,
}

/// Runs a command that every binary has.
pub(super) fn run(
    command: &SharedCommand,
    args: &SharedArgs,
    mut program: clap::Command,
) -> Result<Exit> {
    match command {
        SharedCommand::Completions { shell } => {
            let (name, mut script) = (program.get_name().to_owned(), Vec::new());
            clap_complete::generate(*shell, &mut program, name, &mut script);
            write(&script)?;
        }
        SharedCommand::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(program).render(&mut page).map_err(|error| {
                Error::new(ErrorKind::Failed, "render manual page").because(error)
            })?;
            write(&page)?;
        }
        SharedCommand::ConfigSchema => {
            write(format!("{}\n", crate::plan::json_schema()).as_bytes())?;
        }
        SharedCommand::Version => print(args, &Version::of(&program))?,
    }
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct Version {
    name: String,
    version: String,
    json_schema_version: u32,
    fault_points: bool,
}

impl Version {
    fn of(program: &clap::Command) -> Self {
        Self {
            name: program.get_name().to_owned(),
            version: program.get_version().unwrap_or(env!("CARGO_PKG_VERSION")).to_owned(),
            json_schema_version: super::output::SCHEMA_VERSION,
            fault_points: cfg!(feature = "faults"),
        }
    }
}

impl Report for Version {
    fn text(&self) -> String {
        let faults = if self.fault_points { "compiled in: not for production" } else { "none" };
        table(
            ["part", "version"],
            &[
                [self.name.clone(), self.version.clone()],
                ["JSON results".into(), self.json_schema_version.to_string()],
                ["fault points".into(), faults.into()],
            ],
        )
    }
}

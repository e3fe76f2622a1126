//! The commands that every binary has.

use super::args::SharedArgs;
use super::exit::Exit;
use super::output::{Report, print, table, write};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Plan;
use clap_complete::Shell;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A command that every binary has. It touches no server.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum SharedCommand {
    /// Prints the completion script of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints the manual pages of this program and of each of its commands.
    Man {
        /// Writes each page into a file of its own there, for a package, instead of printing.
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
    },
    /// Prints the plan as it is understood: defaults filled in, paths absolute, `--set` applied.
    ExplainConfig,
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
        SharedCommand::Man { into } => man(program, into.as_deref())?,
        SharedCommand::ConfigSchema => {
            write(format!("{}\n", crate::plan::json_schema()).as_bytes())?;
        }
        SharedCommand::ExplainConfig => print(args, &Explained::new(args.load_plan()?))?,
        SharedCommand::Version => print(args, &Version::of(&program))?,
    }
    Ok(Exit::Done)
}

/// Prints the manual pages one after the other, or writes each into a file of a folder.
fn man(program: clap::Command, into: Option<&Path>) -> Result<()> {
    let failed = |error: std::io::Error| {
        let error = Error::new(ErrorKind::Failed, "write manual pages").because(error);
        match into {
            Some(folder) => error.with("folder", folder.display()).hint("make the folder first"),
            None => error,
        }
    };
    if let Some(folder) = into {
        return clap_mangen::generate_to(program, folder).map_err(failed);
    }
    let mut program = program.disable_help_subcommand(true);
    // Gives each command its whole name, and the flags that all share.
    program.build();
    let mut pages = Vec::new();
    render(&program, &mut pages).map_err(failed)?;
    write(&pages)
}

fn render(command: &clap::Command, pages: &mut Vec<u8>) -> std::io::Result<()> {
    clap_mangen::Man::new(command.clone()).render(pages)?;
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| render(command, pages))
}

/// A plan, setting by setting. Nothing secret is in it: a plan holds references to secrets only.
#[derive(Debug, Serialize)]
struct Explained {
    #[serde(flatten)]
    plan: Plan,
}

impl Explained {
    fn new(plan: Plan) -> Self {
        Self { plan }
    }
}

impl Report for Explained {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        // A plan came from text, so it can be text again.
        flatten("", &serde_json::to_value(&self.plan).unwrap_or_default(), &mut lines);
        lines.join("\n")
    }
}

/// One line per setting, by the name that `--set` knows it by: `backfill.workers = 4`.
fn flatten(name: &str, value: &Value, lines: &mut Vec<String>) {
    let dot = if name.is_empty() { "" } else { "." };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                flatten(&format!("{name}{dot}{field}"), value, lines);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{name}{dot}{index}"), item, lines);
            }
        }
        Value::Null => {}
        value => lines.push(format!("{name} = {value}")),
    }
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

#[cfg(test)]
mod tests {
    use super::Explained;
    use crate::cli::Report as _;
    use crate::plan::Plan;
    use std::path::Path;

    #[test]
    fn a_plan_is_explained_setting_by_setting_under_the_names_it_is_written_by() {
        let text = include_str!("../../tests/plan/good.toml");
        let explained = Explained::new(Plan::parse(text, Path::new("/srv")).unwrap()).text();
        let has = |start: &str| explained.lines().any(|line| line.starts_with(start));
        for start in [
            "id = ",
            "source.path = \"/srv/",
            "target.0.name = ",
            "table.0.into.0.key = [",
            "dual-write.batch_rows_max = ",
            "lock.wait_ms = ",
            "cutover.gate.soak_s = ",
            "digest = ",
        ] {
            assert!(has(start), "no `{start}` in\n{explained}");
        }
    }
}

//! The flags that every binary has.

use crate::error::Result;
use crate::plan::Plan;
use clap::ValueEnum;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Flags of every command of every binary.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Shared options")]
pub struct SharedArgs {
    /// The plan of the migration.
    #[arg(
        short,
        long,
        global = true,
        env = "MIDFLIGHT_CONFIG",
        default_value = "migration.toml",
        value_name = "FILE"
    )]
    pub config: PathBuf,
    /// Overrides one setting of the plan, such as `backfill.workers=4`. May be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = parse_override)]
    pub overrides: Vec<String>,
    /// How results are printed on stdout.
    #[arg(short, long, global = true, env = "MIDFLIGHT_OUTPUT", value_enum, default_value_t)]
    pub output: Output,
    /// How the log is written on stderr. `auto`: text on a terminal, JSON elsewhere.
    #[arg(long, global = true, env = "MIDFLIGHT_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Logs more: `-v` debug, `-vv` trace.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Logs less: `-q` warnings, `-qq` errors.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "verbose")]
    pub quiet: u8,
    /// When to use colour. `NO_COLOR` counts as `never` under `auto`.
    #[arg(long, global = true, env = "MIDFLIGHT_COLOR", value_enum, default_value_t)]
    pub color: ColorWhen,
    /// How progress is shown on stderr. `auto`: bars on a terminal, a plain line every few seconds
    /// elsewhere.
    #[arg(long, global = true, env = "MIDFLIGHT_PROGRESS", value_enum, default_value_t)]
    pub progress: ProgressMode,
    // Not from the environment: a yes left there would confirm every later command too.
    /// Answers yes to questions.
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Never asks: what needs an answer is refused.
    #[arg(long, global = true, env = "MIDFLIGHT_NO_INPUT", value_parser = clap::builder::BoolishValueParser::new())]
    pub no_input: bool,
    /// Most time the command may take, such as `30s` or `5m`; it is drained then and ends with 6.
    #[arg(long, global = true, env = "MIDFLIGHT_TIMEOUT", value_name = "DURATION", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

impl SharedArgs {
    /// Reads the plan that `--config` names, with every `--set` laid over it.
    ///
    /// # Errors
    /// `Plan`, as [`Plan::load_with`].
    pub fn load_plan(&self) -> Result<Plan> {
        Plan::load_with(&self.config, &self.overrides)
    }
}

/// Flags of the commands that keep running.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ListenArgs {
    /// Serves `/livez`, `/readyz` and `/metrics` here, such as `127.0.0.1:9187`. Port 0 takes a
    /// free one; the address is printed.
    #[arg(long, env = "MIDFLIGHT_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Ndjson,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON document a line.
    Json,
}

impl LogFormat {
    /// Whether stderr takes JSON lines.
    #[must_use]
    pub fn is_json(self) -> bool {
        match self {
            Self::Auto => !std::io::stderr().is_terminal(),
            Self::Text => false,
            Self::Json => true,
        }
    }
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorWhen {
    /// Whether stderr takes colour.
    #[must_use]
    pub fn on_stderr(self) -> bool {
        self.applies(std::io::stderr().is_terminal())
    }

    /// Whether stdout takes colour.
    #[must_use]
    pub fn on_stdout(self) -> bool {
        self.applies(std::io::stdout().is_terminal())
    }

    fn applies(self, terminal: bool) -> bool {
        match self {
            // <https://no-color.org>: set and not empty.
            Self::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// Bars.
    Bar,
    /// A plain line every few seconds.
    Plain,
    /// A JSON line every few seconds.
    Json,
    /// Nothing.
    None,
}

/// Reads a duration on the command line: `30s`, `5m`, `1h 30m` or `500ms`.
///
/// # Errors
/// The text that clap shows, if it is something else or negative.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = "write a number and a unit, such as 500ms, 30s, 5m or 1h 30m";
    let signed: jiff::SignedDuration =
        text.trim().parse().map_err(|error| format!("{error}; {wrong}"))?;
    Duration::try_from(signed).map_err(|error| format!("{error}; {wrong}"))
}

fn parse_override(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.trim().is_empty() => Ok(text.to_owned()),
        _ => Err("write KEY=VALUE, such as backfill.workers=4".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_duration, parse_override};
    use std::time::Duration;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, expected) in
            [("500ms", 500), ("30s", 30_000), (" 5m", 300_000), ("1h 30m", 5_400_000)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(expected), "{text}");
        }
    }

    #[test]
    fn a_duration_without_unit_or_below_zero_is_refused_with_a_hint() {
        for wrong in ["", "30", "-5s", "soon"] {
            assert!(parse_duration(wrong).unwrap_err().contains("500ms"), "{wrong}");
        }
    }

    #[test]
    fn an_override_has_a_key_and_a_value() {
        assert_eq!(parse_override("a.b = x=y").unwrap(), "a.b = x=y");
        assert!(parse_override("a.b").is_err() && parse_override("=x").is_err());
    }
}

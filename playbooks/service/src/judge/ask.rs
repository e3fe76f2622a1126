//! Asks the phases what they have to say for themselves: as a person would, by their commands.

use super::stages::{StageSpan, Stages};
use cutover::Stage;
use migration::error::{Error, ErrorKind, Result};
use migration::plan::{Plan, StagePlan};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// More changes of the stage than any playbook makes.
const CHANGES_MAX: &str = "10000";

#[derive(Debug, Deserialize)]
struct History {
    changes: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    generation: u32,
    action: String,
    to: String,
    when: String,
}

#[derive(Debug, Deserialize)]
struct Whitelist {
    keys: Vec<String>,
}

/// The stages, from `cutover`.
pub(super) fn stages(config: &Path, plan: &Plan) -> Result<Stages> {
    let history: History = ask(config, &["cutover", "history", "--limit", CHANGES_MAX])?;
    let whitelist: Whitelist = ask(config, &["cutover", "whitelist", "list"])?;
    let mut stages = Stages {
        flag: plan.cutover.flag.clone(),
        staleness_max: i64::try_from(plan.cutover.staleness_max.as_micros()).unwrap_or(i64::MAX),
        whitelist: whitelist.keys.into_iter().collect(),
        ..Stages::default()
    };
    for change in history.changes {
        let when = change
            .when
            .parse::<jiff::Timestamp>()
            .map_err(|error| Error::new(ErrorKind::Unreadable, "read history").because(error))?;
        let since = when.as_microsecond();
        let is_rollback = change.action == "rollback";
        // Changes that move no read, such as a pause, keep the generation: the first one counts.
        let span = StageSpan { stage: stage(&change.to)?, since, is_rollback };
        stages.spans.entry(change.generation).or_insert(span);
    }
    Ok(stages)
}

/// A stage by its name.
fn stage(name: &str) -> Result<Stage> {
    let share = |name: &str| {
        let (whole, hundredths) = match name.strip_suffix('%')?.split_once('.') {
            Some((whole, rest)) if (1..=2).contains(&rest.len()) => (whole, format!("{rest:0<2}")),
            Some(_) => return None,
            None => (name.strip_suffix('%')?, "00".to_owned()),
        };
        let basis_points = whole.parse::<u32>().ok()? * 100 + hundredths.parse::<u32>().ok()?;
        Some(StagePlan::Share { basis_points })
    };
    match name {
        "off" => Ok(Stage::Off),
        "mirror" => Ok(Stage::At(StagePlan::Mirror)),
        "whitelist" => Ok(Stage::At(StagePlan::Whitelist)),
        _ => share(&name.replace(' ', "")).map(Stage::At).ok_or_else(|| {
            Error::new(ErrorKind::Unreadable, "read history: no such stage").with("stage", name)
        }),
    }
}

#[derive(Debug, Deserialize)]
struct Status {
    lag: Lag,
}

#[derive(Debug, Deserialize)]
struct Lag {
    lag_max_s: f64,
}

/// The most lag that `dual-write` has printed.
pub(super) fn lag_printed(config: &Path) -> Result<Duration> {
    let status: Status = ask(config, &["dual-write", "status"])?;
    Ok(Duration::from_secs_f64(status.lag.lag_max_s.max(0.0)))
}

/// The JSON that a command prints.
fn ask<T: DeserializeOwned>(config: &Path, argv: &[&str]) -> Result<T> {
    let asked = argv.join(" ");
    let failed = |kind| Error::new(kind, "ask a phase").with("command", &asked);
    let output = Command::new(argv[0])
        .args(&argv[1..])
        .arg("--config")
        .arg(config)
        .args(["--output", "json", "--timeout", "30s"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| {
            failed(ErrorKind::Unavailable)
                .because(error)
                .hint("put the folder of the programs into PATH")
        })?;
    // What it has to say counts more than its exit code: a latched rollback is one, too.
    serde_json::from_slice(&output.stdout)
        .map_err(|error| failed(ErrorKind::Unreadable).with("exit", output.status).because(error))
}

#[cfg(test)]
mod tests {
    use super::stage;
    use cutover::Stage;
    use migration::plan::StagePlan;

    #[test]
    fn stages_are_read_back_from_the_names_that_cutover_gives_them() {
        let shares = [1, 10, 15, 100, 1_050, 10_000]
            .map(|basis_points| Stage::At(StagePlan::Share { basis_points }));
        let named = [Stage::Off, Stage::At(StagePlan::Mirror), Stage::At(StagePlan::Whitelist)];
        for expected in named.into_iter().chain(shares) {
            assert_eq!(stage(&expected.to_string()).unwrap(), expected);
        }
        assert!(stage("a quarter").is_err());
    }
}

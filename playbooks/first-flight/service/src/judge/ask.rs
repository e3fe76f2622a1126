//! Asks the phases what they have to say for themselves: as a person would, by their commands.

use super::stages::{StageSpan, Stages};
use cutover::Stage;
use migration::error::{Error, ErrorKind, Result};
use migration::plan::Plan;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// More changes of the stage than any playbook makes.
const CHANGES_MAX: &str = "10000";

#[derive(Debug, Deserialize)]
struct History {
    items: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    generation: u32,
    action: String,
    to: Stage,
    when: String,
}

#[derive(Debug, Deserialize)]
struct Whitelist {
    items: Vec<String>,
}

/// The stages, from `cutover`.
pub(super) fn stages(config: &Path, plan: &Plan) -> Result<Stages> {
    let history: History = ask(config, &["cutover", "history", "--limit", CHANGES_MAX])?;
    let whitelist: Whitelist = ask(config, &["cutover", "whitelist", "list"])?;
    let mut stages = Stages {
        flag: plan.cutover.flag.clone(),
        staleness_max: i64::try_from(plan.cutover.staleness_max.as_micros()).unwrap_or(i64::MAX),
        whitelist: whitelist.items.into_iter().collect(),
        ..Stages::default()
    };
    for change in history.items {
        let when = change
            .when
            .parse::<jiff::Timestamp>()
            .map_err(|error| Error::new(ErrorKind::Unreadable, "read history").because(error))?;
        let since = when.as_microsecond();
        let is_rollback = change.action == "rollback";
        // Changes that move no read, such as a pause, keep the generation: the first one counts.
        let span = StageSpan { stage: change.to, since, is_rollback };
        stages.spans.entry(change.generation).or_insert(span);
    }
    Ok(stages)
}

#[derive(Debug, Deserialize)]
struct Status {
    lag_max_seconds: f64,
}

/// The most lag that `dual-write` has printed.
pub(super) fn lag_printed(config: &Path) -> Result<Duration> {
    let status: Status = ask(config, &["dual-write", "status"])?;
    Ok(Duration::from_secs_f64(status.lag_max_seconds.max(0.0)))
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

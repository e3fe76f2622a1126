//! `cutover rollback`: the big red switch.
//!
//! First the file, which needs nothing else; then, within a short bound, the stage and its history.
//! Neither waits for the other to be possible.

use crate::args::RollbackArgs;
use crate::machine::Machine;
use crate::rollback::Rollback;
use crate::stage::Signed;
use crate::switch::{RollbackFile, Thrown};
use migration::checkpoint;
use migration::cli::{Exit, Report, SharedArgs, print};
use migration::clock::Timestamp;
use migration::error::{Chain, Error, ErrorKind, Result};
use migration::plan::Plan;
use migration::process;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest attempt to record the rollback: an operator who has thrown the switch wants to hear that
/// it holds, not to wait for a database that is down.
const RECORD_MAX: Duration = Duration::from_secs(3);

/// Attempts against others who change the stage at the same moment.
const ATTEMPTS_MAX: usize = 8;

pub(super) async fn run(shared: &SharedArgs, args: &RollbackArgs) -> Result<Exit> {
    let who = process::operator();
    let rollback = Rollback::new(Signed { who, when: Timestamp::now(), why: args.why.clone() });
    let plan = shared.load_plan();
    let mut thrown = Vec::new();
    for path in paths(shared, args, plan.as_ref())? {
        thrown.push(throw(&path, &rollback));
    }
    let recorded = match plan {
        Ok(plan) => {
            let recorded = record(plan, &rollback);
            tokio::time::timeout(RECORD_MAX, recorded).await.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::TimedOut, "record rollback")
                    .with("after", format!("{RECORD_MAX:?}")))
            })
        }
        Err(error) => Err(error),
    };
    let outcome = Outcome {
        in_place: thrown.iter().all(|file| file.error.is_none()),
        files: thrown,
        recorded: recorded.is_ok(),
        not_recorded_because: recorded.err().map(|error| Chain(&error).to_string()),
    };
    print(shared, &outcome)?;
    Ok(if outcome.in_place { Exit::Done } else { Exit::Failed })
}

/// The files to make: the one that was given, and the plan's.
fn paths(
    shared: &SharedArgs,
    args: &RollbackArgs,
    plan: std::result::Result<&Plan, &Error>,
) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<_> = args.rollback_file.clone().into_iter().collect();
    match plan {
        Ok(plan) => paths.push(plan.cutover.rollback_file.clone()),
        Err(_) => paths.extend(path_in_broken_plan(&shared.config)),
    }
    paths.dedup();
    if let (true, Err(error)) = (paths.is_empty(), plan) {
        return Err(Error::new(ErrorKind::Plan, "find the rollback file")
            .because(Chain(error).to_string())
            .hint("name it: `cutover rollback --rollback-file PATH` (or simply: `touch PATH`)"));
    }
    Ok(paths)
}

/// The rollback file of a plan that is wrong elsewhere: the switch asks no more of it than this.
fn path_in_broken_plan(file: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(file).ok()?;
    let plan: toml::Table = text.parse().ok()?;
    let path =
        plan.get("cutover")?.get("rollback_file").map_or(Some("rollback"), |p| p.as_str())?;
    let directory = file.canonicalize().ok()?.parent()?.to_path_buf();
    Some(directory.join(path))
}

fn throw(path: &Path, rollback: &Rollback) -> File {
    let thrown = RollbackFile::new(path).throw(rollback);
    File {
        path: path.to_path_buf(),
        state: thrown.as_ref().ok().map(|thrown| match thrown {
            Thrown::New => "created",
            Thrown::Again => "thrown again, in the place of an earlier one",
            Thrown::Bare => "created, but not as it should be: see the log",
        }),
        error: thrown.err().map(|error| {
            let hint = error.next_step().map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("{}{hint}", Chain(&error))
        }),
    }
}

/// Records the rollback in the stage entry, over whatever others put there meanwhile.
async fn record(plan: Plan, rollback: &Rollback) -> Result<()> {
    let checkpoint = checkpoint::open_existing(&plan.checkpoint, &plan.id).await?;
    let machine = Machine::new(Arc::new(plan), checkpoint, rollback.signed.who.clone());
    let mut result = Ok(());
    for _ in 0..ATTEMPTS_MAX {
        let current = machine.current().await?;
        // To latch a latch again changes nothing, so here a lost race may be run again.
        result = machine.record_rollback(&current, rollback).await.map(drop);
        if !matches!(&result, Err(error) if error.kind() == ErrorKind::Fenced) {
            break;
        }
    }
    result
}

/// What came of the switch.
#[derive(Debug, serde::Serialize)]
struct Outcome {
    /// Whether every rollback file is in place: readers that watch it answer from the source within
    /// a second.
    in_place: bool,
    files: Vec<File>,
    /// Whether the stage entry says so too.
    recorded: bool,
    not_recorded_because: Option<String>,
}

#[derive(Debug, serde::Serialize)]
struct File {
    path: PathBuf,
    state: Option<&'static str>,
    error: Option<String>,
}

impl Report for Outcome {
    fn text(&self) -> String {
        let mut lines: Vec<_> = self
            .files
            .iter()
            .map(|file| {
                let said = file.error.as_deref().or(file.state).unwrap_or("unknown");
                format!("rollback file {}: {said}", file.path.display())
            })
            .collect();
        lines.push(match &self.not_recorded_because {
            None => "recorded: stage off, latched until `cutover retry`".to_owned(),
            Some(why) => format!("not recorded: {why}"),
        });
        lines.push(match (self.in_place, self.recorded) {
            (true, true) => "reads go to the source within a second".to_owned(),
            (true, false) => {
                "reads go to the source within a second on machines that see the file; \
                              run `cutover rollback` again when the checkpoint store is back"
                    .to_owned()
            }
            (false, true) => "reads go to the source as soon as readers see the stage".to_owned(),
            (false, false) => "THE SWITCH IS NOT THROWN".to_owned(),
        });
        lines.join("\n")
    }
}

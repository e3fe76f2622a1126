//! `cutover check`: whether the switch can work here.

use crate::ladder::Ladder;
use crate::machine::Machine;
use crate::switch::RollbackFile;
use migration::checkpoint::{self, plan_record};
use migration::cli::{Exit, Report, SharedArgs, print, table};
use migration::error::{Chain, Error, ErrorKind, Result};
use migration::plan::Plan;
use migration::process;
use std::fs;
use std::sync::Arc;

pub(super) async fn run(shared: &SharedArgs) -> Result<Exit> {
    let plan = Arc::new(shared.load_plan()?);
    let mut checks = Checks::default();
    checks.note("rollback directory", rollback_directory(&plan));
    checks.note("rollback file", rollback_file(&plan));
    checks.note("stage", stage(&plan).await);
    print(shared, &checks)?;
    Ok(if checks.ready() { Exit::Done } else { Exit::NotMet })
}

/// The switch can be thrown: a file can be made, and removed, where the readers look.
fn rollback_directory(plan: &Plan) -> Result<String> {
    let file = &plan.cutover.rollback_file;
    let probe = file.with_extension(format!("check-{}", std::process::id()));
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Refused, "make a file beside the rollback file")
            .with("file", probe.display())
            .because(error)
            .hint("create the directory, writable by everybody who may throw the switch")
    };
    fs::write(&probe, b"").map_err(failed)?;
    fs::remove_file(&probe).map_err(failed)?;
    Ok(format!("{} can be made", file.display()))
}

/// Nobody has thrown it.
fn rollback_file(plan: &Plan) -> Result<String> {
    match RollbackFile::new(&plan.cutover.rollback_file).read()? {
        None => Ok("not there".to_owned()),
        Some(rollback) => Err(Error::new(ErrorKind::Refused, "rolled back")
            .with("by", rollback.who)
            .with("because", rollback.why)
            .hint("when the cause is mended, run `cutover retry`")),
    }
}

/// The stage can be read, and belongs to this plan.
async fn stage(plan: &Arc<Plan>) -> Result<String> {
    // A check comes before the beginning, too.
    let Some(store) = checkpoint::open_if_begun(&plan.checkpoint, &plan.id).await? else {
        return Ok("off: the migration has not begun".to_owned());
    };
    if let Some(recorded) = plan_record::read(&*store).await? {
        plan_record::compare(plan, &recorded)?;
    }
    let current = Machine::new(plan.clone(), store, process::operator()).current().await?;
    Ladder::new(plan).above(current.record.stage)?;
    Ok(format!("{} (generation {})", current.record.stage, current.record.generation))
}

/// What was checked.
#[derive(Debug, Default, serde::Serialize)]
struct Checks {
    checks: Vec<Check>,
}

#[derive(Debug, serde::Serialize)]
struct Check {
    name: &'static str,
    ready: bool,
    found: String,
    fix: Option<String>,
}

impl Checks {
    fn note(&mut self, name: &'static str, result: Result<String>) {
        let check = match result {
            Ok(found) => Check { name, ready: true, found, fix: None },
            Err(error) => Check {
                name,
                ready: false,
                found: Chain(&error).to_string(),
                fix: error.next_step().map(str::to_owned),
            },
        };
        self.checks.push(check);
    }

    fn ready(&self) -> bool {
        self.checks.iter().all(|check| check.ready)
    }
}

impl Report for Checks {
    fn text(&self) -> String {
        let rows: Vec<_> = self
            .checks
            .iter()
            .map(|check| {
                let state = if check.ready { "ready" } else { "NOT READY" };
                let fix = check.fix.as_ref().map(|fix| format!("; {fix}")).unwrap_or_default();
                [check.name.to_owned(), state.to_owned(), format!("{}{fix}", check.found)]
            })
            .collect();
        table(["check", "state", "found"], &rows)
    }
}

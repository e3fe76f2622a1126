//! `cutover check`: the shared preconditions, and whether the switch can work here.

use crate::ladder::Ladder;
use crate::machine::Machine;
use crate::rollback::Rollback;
use crate::switch::{CALL_MAX, RollbackFile, apart};
use migration::check::{self, Finding, Findings};
use migration::cli::{self, CheckArgs, Exit, SharedArgs, print};
use migration::error::{Error, ErrorKind, Result};
use migration::plan::Plan;
use migration::process;
use migration::retry::within;
use migration::servers::Reached;
use std::fs;
use std::path::Path;
use std::sync::Arc;

pub(super) async fn run(shared: &SharedArgs, how: CheckArgs) -> Result<Exit> {
    if how.print_ddl {
        return cli::check(shared, how).await;
    }
    let plan = Arc::new(shared.load_plan()?);
    let servers = Reached::open(&plan).await;
    let mut findings = check::inspect(&plan, &servers).await.all().to_vec();
    findings.push(finding("rollback file", rollback_file(&plan).await));
    findings.push(finding("switch", switch(&plan).await));
    if let Ok(Some(checkpoint)) = &servers.checkpoint {
        let machine = Machine::new(plan.clone(), checkpoint.clone(), process::operator());
        findings.push(finding("stage", stage(&plan, &machine).await));
    }
    let findings = Findings::new(findings);
    print(shared, &findings)?;
    Ok(findings.exit())
}

fn finding(name: &'static str, result: Result<String>) -> Finding {
    match result {
        Ok(found) => Finding::ok(name, found),
        Err(error) => Finding::error(name, &error),
    }
}

/// The switch can be thrown: a file can be made, and removed, where the readers look.
async fn switch(plan: &Plan) -> Result<String> {
    let file = plan.cutover.rollback_file.clone();
    let operation = "make a file beside the rollback file";
    within(CALL_MAX, operation, apart(operation, move || probe(&file))).await
}

fn probe(file: &Path) -> Result<String> {
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
async fn rollback_file(plan: &Plan) -> Result<String> {
    match RollbackFile::new(&plan.cutover.rollback_file).read().await?.pop() {
        None => Ok("not there".to_owned()),
        Some(Rollback { signed, .. }) => Err(Error::new(ErrorKind::Refused, "rolled back")
            .with("by", signed.who)
            .with("because", signed.why)
            .hint("when the cause is mended, run `cutover retry`")),
    }
}

/// The stage can be read, and belongs to this plan.
async fn stage(plan: &Plan, machine: &Machine) -> Result<String> {
    let record = machine.current().await?.record;
    Ladder::new(plan).above(record.stage)?;
    Ok(format!("{} (generation {})", record.stage, record.generation))
}

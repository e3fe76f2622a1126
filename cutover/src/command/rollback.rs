//! `cutover rollback`: the big red switch.
//!
//! The file, which needs nothing else, and the stage, within a short bound, at the same time.
//! Neither waits for the other, nor for a disk or a mount that does not answer: whatever may block
//! runs on a thread of its own, and what is not known when the bound is reached is reported as
//! that.

mod outcome;

use crate::args::RollbackArgs;
use crate::machine::{Current, Machine};
use crate::rollback::Rollback;
use crate::stage::Signed;
use crate::switch::{CALL_MAX, RollbackFile, Thrown, apart};
use migration::checkpoint;
use migration::cli::{Exit, SharedArgs, print};
use migration::clock::Timestamp;
use migration::error::{Chain, Error, ErrorKind, Result};
use migration::plan::Plan;
use migration::process;
use migration::retry::{within, within_write};
use outcome::{File, FileState, Outcome};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Longest attempt to write the history, once the rollback is recorded: it can be written later.
const HISTORY_MAX: Duration = Duration::from_secs(1);

/// How much longer than its bound a thread may take to end by itself.
const GRACE: Duration = Duration::from_millis(200);

/// Attempts against others who change the stage at the same moment.
const ATTEMPTS_MAX: usize = 8;

pub(super) async fn run(shared: &SharedArgs, args: &RollbackArgs) -> Result<Exit> {
    let who = process::operator();
    let rollback = Rollback::new(Signed { who, when: Timestamp::now(), why: args.why.clone() });
    let (named, planned) = tokio::join!(
        throw(args.rollback_file.clone(), &rollback),
        throw_as_planned(shared.clone(), args.rollback_file.as_deref(), &rollback),
    );
    let (planned, recorded) = planned;
    let files: Vec<_> = named.into_iter().chain(planned).collect();
    if let (true, Err(error)) = (files.is_empty(), &recorded) {
        return Err(Error::new(ErrorKind::Plan, "find the rollback file")
            .because(Chain(error).to_string())
            .hint("name it: `cutover rollback --rollback-file PATH` (or simply: `touch PATH`)"));
    }
    let outcome = Outcome::new(files, recorded);
    print(shared, &outcome)?;
    Ok(if outcome.in_place { Exit::Done } else { Exit::Failed })
}

/// Makes the plan's file, unless it is the one that was named, and records the rollback.
async fn throw_as_planned(
    shared: SharedArgs,
    named: Option<&Path>,
    rollback: &Rollback,
) -> (Option<File>, Result<()>) {
    let read = move || {
        let plan = shared.load_plan();
        let path = match &plan {
            Ok(plan) => Some(plan.cutover.rollback_file.clone()),
            Err(_) => path_in_broken_plan(&shared.config),
        };
        Ok((path, plan))
    };
    let read = within(CALL_MAX, "read plan", apart("read plan", read)).await;
    // A plan that cannot be read is as good as none.
    let (path, plan) = read.unwrap_or_else(|error| (None, Err(error)));
    // Thrown twice at once, the two would get in each other's way.
    let named = named.and_then(|named| std::path::absolute(named).ok());
    let path = path.filter(|path| named.as_ref() != Some(path));
    let recorded = async { Box::pin(record(plan?, rollback.clone())).await };
    tokio::join!(throw(path, rollback), recorded)
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

/// Makes a file, if there is one to make.
async fn throw(path: Option<PathBuf>, rollback: &Rollback) -> Option<File> {
    let path = path?;
    let thrown = RollbackFile::new(&path).throw(rollback).await;
    let state = match &thrown {
        Ok(Thrown::New) => FileState::Created,
        Ok(Thrown::Again) => FileState::ThrownAgain,
        Ok(Thrown::Bare) => FileState::Bare,
        Err(error) if error.kind() == ErrorKind::UnknownOutcome => FileState::Unknown,
        Err(_) => FileState::Failed,
    };
    let error = thrown.err().map(|error| {
        let hint = error.next_step().map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{}{hint}", Chain(&error))
    });
    Some(File { path, state, error })
}

/// Records the rollback in the stage entry, and its history if that can be written soon.
async fn record(plan: Plan, rollback: Rollback) -> Result<()> {
    let latch = async move { latch(plan, &rollback).await };
    let (machine, latched) = Box::pin(driven(CALL_MAX, "record rollback", latch)).await?;
    let settle = async move {
        machine.settle(&latched).await;
        Ok(())
    };
    if let Err(error) = driven(HISTORY_MAX, "write history", settle).await {
        tracing::warn!(error = %error, "the rollback is recorded, but its history is behind");
    }
    Ok(())
}

/// Puts the rollback into the stage entry, over whatever others put there meanwhile.
async fn latch(plan: Plan, rollback: &Rollback) -> Result<(Machine, Current)> {
    let checkpoint = checkpoint::open_existing(&plan.checkpoint, &plan.id).await?;
    let machine = Machine::new(Arc::new(plan), checkpoint, rollback.signed.who.clone());
    for _ in 0..ATTEMPTS_MAX {
        let current = machine.current().await?;
        match machine.latch(&current, rollback).await {
            // To latch a latch again changes nothing, so here a lost race may be run again.
            Err(error) if error.kind() == ErrorKind::Fenced => {}
            latched => return latched.map(|latched| (machine, latched)),
        }
    }
    Err(Error::new(ErrorKind::Busy, "record rollback").with("attempts", ATTEMPTS_MAX))
}

/// Drives a use of the checkpoint store on a thread of its own: the file of one may hang, too.
async fn driven<T: Send + 'static>(
    limit: Duration,
    operation: &'static str,
    call: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let runtime = Handle::current();
    let bounded = move || runtime.block_on(within_write(limit, operation, call));
    // The outer bound is for a thread that hangs; the inner one lets every other thread end first.
    within_write(limit + GRACE, operation, apart(operation, bounded)).await
}

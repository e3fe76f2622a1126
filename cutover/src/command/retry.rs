//! `cutover retry`: ends a rollback.
//!
//! Ends what was thrown before it was given, and nothing that is thrown while it runs: in the entry
//! a later throw fences it, and of the files it removes only those whose throws it has ended.

use crate::args::WhyArgs;
use crate::context::Context;
use crate::machine::Current;
use crate::reader::WATCH_LAPSE;
use crate::rollback::Rollback;
use migration::cli::{Exit, Report, confirm, print};
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use std::time::Duration;

/// How long the file stays after the stage was recorded. A reader that did not look at the file in
/// all that time does not believe its old snapshot afterwards.
const FILE_STAYS: Duration = WATCH_LAPSE.saturating_add(Duration::from_millis(200));

pub(super) async fn run(context: &Context, args: &WhyArgs) -> Result<Exit> {
    let current = context.machine.current().await?;
    let files = context.rollback_file().read().await?;
    if current.record.rolled_back.is_none() && files.is_empty() {
        print(&context.shared, &Retried { ended: false, generation: current.record.generation })?;
        return Ok(Exit::Done);
    }
    let shutdown = &context.shutdown;
    confirm(&context.shared, shutdown, "end the rollback, so that reads may climb again").await?;
    let current = end(context, current, &files, &args.why).await?;
    if !files.is_empty() {
        if !shutdown.sleep(FILE_STAYS).await {
            return Err(Error::new(ErrorKind::Refused, "end rollback")
                .with("interrupted", "before the rollback file was removed")
                .hint("run `cutover retry` again"));
        }
        remove_file(context).await?;
    }
    print(&context.shared, &Retried { ended: true, generation: current.record.generation })?;
    Ok(Exit::Done)
}

/// Ends the rollback in the stage entry; one that only the file knows of is recorded first.
async fn end(
    context: &Context,
    mut current: Current,
    files: &[Rollback],
    why: &str,
) -> Result<Current> {
    let machine = &context.machine;
    // One that was ended before this was killed only leaves its file to be removed.
    for rollback in files {
        if !current.record.knows(&rollback.id) {
            current = machine.record_rollback(&current, rollback).await?;
        }
    }
    fault::point("cutover.retry-recorded");
    match current.record.rolled_back {
        Some(_) => machine.retry(&current, files, why).await,
        None => Ok(current),
    }
}

/// Removes the file, unless the switch was thrown again meanwhile.
async fn remove_file(context: &Context) -> Result<()> {
    fault::point("cutover.retry-before-remove");
    let record = context.machine.current().await?.record;
    let left = match &record.rolled_back {
        Some(_) => record.rolled_back.clone(),
        None => {
            let file = context.rollback_file();
            file.remove_ended(move |rollback| record.has_ended(rollback)).await?
        }
    };
    let Some(Rollback { signed, .. }) = left else { return Ok(()) };
    Err(Error::new(ErrorKind::Fenced, "end rollback: the switch was thrown again")
        .with("by", signed.who)
        .with("because", signed.why)
        .hint("it holds; when its cause is mended too, run `cutover retry` again"))
}

#[derive(Debug, serde::Serialize)]
struct Retried {
    /// Whether there was a rollback to end.
    ended: bool,
    generation: u32,
}

impl Report for Retried {
    fn text(&self) -> String {
        if self.ended {
            let generation = self.generation;
            format!("the rollback is over (generation {generation}); next: `cutover promote`")
        } else {
            "no rollback is latched".to_owned()
        }
    }
}

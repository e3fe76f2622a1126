//! `cutover retry`: ends a rollback.

use crate::args::WhyArgs;
use crate::context::Context;
use crate::machine::Current;
use crate::reader::WATCH_LAPSE;
use crate::stage::Signed;
use migration::cli::{Exit, Report, confirm, print};
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use std::time::Duration;

/// How long the file stays after the stage was recorded. A reader that did not look at the file in
/// all that time does not believe its old snapshot afterwards.
const FILE_STAYS: Duration = WATCH_LAPSE.saturating_add(Duration::from_millis(200));

pub(super) async fn run(context: &Context, args: &WhyArgs) -> Result<Exit> {
    let current = context.machine.current().await?;
    let file = context.rollback_file().read()?;
    if current.record.rolled_back.is_none() && file.is_none() {
        print(&context.shared, &Retried { ended: false, generation: current.record.generation })?;
        return Ok(Exit::Done);
    }
    let shutdown = &context.shutdown;
    confirm(&context.shared, shutdown, "end the rollback, so that reads may climb again").await?;
    let current = end(context, current, file.as_ref(), &args.why).await?;
    if file.is_some() {
        if !shutdown.sleep(FILE_STAYS).await {
            return Err(Error::new(ErrorKind::Refused, "end rollback")
                .with("interrupted", "before the rollback file was removed")
                .hint("run `cutover retry` again"));
        }
        fault::point("cutover.retry-before-remove");
        context.rollback_file().remove()?;
    }
    print(&context.shared, &Retried { ended: true, generation: current.record.generation })?;
    Ok(Exit::Done)
}

/// Ends the rollback in the stage entry; one that only the file knows of is recorded first.
async fn end(
    context: &Context,
    current: Current,
    file: Option<&Signed>,
    why: &str,
) -> Result<Current> {
    let machine = &context.machine;
    let current = match file {
        // One that was ended before this was killed only leaves its file to be removed.
        Some(rollback) if !current.record.has_ended(rollback) => {
            machine.record_rollback(&current, rollback).await?
        }
        _ => current,
    };
    fault::point("cutover.retry-recorded");
    match current.record.rolled_back {
        Some(_) => machine.retry(&current, why).await,
        None => Ok(current),
    }
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

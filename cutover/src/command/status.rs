//! `cutover status`: the ladder, the next gate, and what it looks at.

mod view;
mod vitals;

use crate::context::Context;
use crate::gate::Seen;
use crate::reader::readers;
use migration::cli::{Exit, Output, SharedOutput, clear_screen, print};
use migration::error::{Chain, Result};
use migration::status::StatusArgs;
use std::io::IsTerminal as _;
use view::Line;

pub(super) use view::Status;

pub(super) async fn run(context: &Context, args: &StatusArgs) -> Result<Exit> {
    if args.watch {
        return watch(context, args).await;
    }
    let status = look(context).await?;
    print(&context.shared, &status)?;
    Ok(status.exit())
}

/// The state of the switch now.
pub(super) async fn look(context: &Context) -> Result<Status> {
    let current = context.machine.current().await?;
    let (evidence, gate) = context.gate(&current).await?;
    let readers = readers(&*context.checkpoint).await?;
    Ok(Status::new(&context.plan, evidence, gate, readers))
}

/// Looks again and again; what fails once is said and looked at again.
async fn watch(context: &Context, args: &StatusArgs) -> Result<Exit> {
    let to = SharedOutput::from(&context.shared).of_many();
    let in_place = context.shared.output == Output::Table && std::io::stdout().is_terminal();
    let mut last: Option<String> = None;
    let mut exit = Exit::Done;
    loop {
        match look(context).await {
            Ok(status) if in_place => {
                exit = status.exit();
                clear_screen()?;
                print(&context.shared, &status)?;
            }
            Ok(status) => {
                exit = status.exit();
                let line = Line(status);
                let said = line.key();
                if last.as_ref() != Some(&said) {
                    print(to, &line)?;
                    last = Some(said);
                }
            }
            Err(error) if error.kind().may_pass() => {
                tracing::warn!(error = %Chain(&error), "look at the stage; looking again");
            }
            Err(error) => return Err(error),
        }
        if !context.shutdown.sleep(args.interval).await {
            return Ok(exit);
        }
    }
}

/// What was seen, or nothing: for reports, which say elsewhere why it could not be read.
fn known<T>(seen: Seen<T>) -> Option<T> {
    seen.ok()
}

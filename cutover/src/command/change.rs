//! `cutover pause`, `resume` and `abort`: changes that need no evidence.

use crate::args::WhyArgs;
use crate::context::Context;
use crate::machine::Current;
use migration::cli::{Exit, Report, confirm, print};
use migration::error::Result;

pub(super) async fn pause(context: &Context, args: &WhyArgs) -> Result<Exit> {
    let current = context.machine.current().await?;
    let after = context.machine.pause(&current, true, &args.why).await?;
    report(context, &current, &after, "paused: the climb holds until `cutover resume`")
}

pub(super) async fn resume(context: &Context, args: &WhyArgs) -> Result<Exit> {
    let current = context.machine.current().await?;
    let after = context.machine.pause(&current, false, &args.why).await?;
    report(context, &current, &after, "the climb may go on")
}

pub(super) async fn abort(context: &Context, args: &WhyArgs) -> Result<Exit> {
    let current = context.machine.current().await?;
    let action = format!("go back from {} to off", current.record.stage);
    confirm(&context.shared, &context.shutdown, &action).await?;
    let after = context.machine.abort(&current, &args.why).await?;
    report(context, &current, &after, "off: the source answers everything")
}

fn report(context: &Context, before: &Current, after: &Current, said: &str) -> Result<Exit> {
    let record = &after.record;
    let changed = Changed {
        changed: record.number() != before.record.number(),
        stage: record.stage.to_string(),
        generation: record.generation,
        said: said.to_owned(),
    };
    print(&context.shared, &changed)?;
    Ok(Exit::Done)
}

#[derive(Debug, serde::Serialize)]
struct Changed {
    /// Whether anything changed, or was so already.
    changed: bool,
    stage: String,
    generation: u32,
    #[serde(skip)]
    said: String,
}

impl Report for Changed {
    fn text(&self) -> String {
        let already = if self.changed { "" } else { " (as before)" };
        format!("{}{already}", self.said)
    }
}

//! `status`: how far a phase is, what is wanted of it, and who holds what.

mod report;

pub use report::{Details, NoDetails, Section, StatusReport};

use crate::checkpoint::CheckpointStore;
use crate::cli::{Exit, Output, SharedArgs, SharedOutput, clear_screen, parse_duration, print};
use crate::error::Result;
use crate::phase::Phase;
use crate::shutdown::Shutdown;
use std::time::Duration;

/// Flags of `status`.
#[derive(Debug, Clone, clap::Args)]
pub struct StatusArgs {
    /// Shows it again and again until it is stopped.
    #[arg(short, long)]
    pub watch: bool,
    /// Between two looks of `--watch`.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    pub interval: Duration,
}

/// Prints the status of a phase, once or until the shutdown.
///
/// # Errors
/// Those of the store, of `details` and of stdout.
pub async fn show(
    store: &dyn CheckpointStore,
    phase: &Phase,
    details: &dyn Details,
    args: &StatusArgs,
    shared: &SharedArgs,
    shutdown: &Shutdown,
) -> Result<Exit> {
    let to = SharedOutput::from(shared);
    if !args.watch {
        print(to, &StatusReport::collect(store, phase, details).await?)?;
        return Ok(Exit::Done);
    }
    let to = to.of_many();
    loop {
        let report = StatusReport::collect(store, phase, details).await?;
        if to.output == Output::Table {
            clear_screen()?;
        }
        print(to, &report)?;
        if !shutdown.sleep(args.interval).await {
            return Ok(Exit::Done);
        }
    }
}

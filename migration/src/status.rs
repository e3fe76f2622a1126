//! `status`: how far a phase is, what is wanted of it, and who holds what.

mod report;

pub use report::{Details, NoDetails, Section, StatusReport};

use crate::checkpoint::CheckpointStore;
use crate::cli::{Exit, Output, SharedArgs, SharedOutput, clear_screen, parse_duration, print};
use crate::error::{Chain, Result};
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
/// Those of the store, of `details` and of stdout; a watch looks again where that may help.
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
        match StatusReport::collect(store, phase, details).await {
            Ok(report) => {
                if to.output == Output::Table {
                    clear_screen()?;
                }
                print(to, &report)?;
            }
            // Whoever watches is not to be left alone because a store was busy once.
            Err(error) if error.kind().may_pass() => {
                tracing::warn!(error = %Chain(&error), "look at the status; looking again");
            }
            Err(error) => return Err(error),
        }
        if !shutdown.sleep(args.interval).await {
            return Ok(Exit::Done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Details, Section, StatusArgs, show};
    use crate::checkpoint::MemoryCheckpoint;
    use crate::cli::SharedArgs;
    use crate::error::{Error, ErrorKind, Result};
    use crate::phase::BACKFILL;
    use crate::shutdown::Shutdown;
    use async_trait::async_trait;
    use clap::Parser;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        shared: SharedArgs,
    }

    /// Fails twice, and ends the watch after that.
    struct FailsFirst {
        kind: ErrorKind,
        looks: AtomicUsize,
        shutdown: Shutdown,
    }

    #[async_trait]
    impl Details for FailsFirst {
        async fn sections(&self) -> Result<Vec<Section>> {
            if self.looks.fetch_add(1, Ordering::Relaxed) < 2 {
                return Err(Error::new(self.kind, "count dead letters"));
            }
            self.shutdown.begin();
            Ok(Vec::new())
        }
    }

    async fn watched(kind: ErrorKind) -> (Result<()>, usize) {
        let shutdown = Shutdown::new();
        let details = FailsFirst { kind, looks: AtomicUsize::new(0), shutdown: shutdown.clone() };
        let args = StatusArgs { watch: true, interval: Duration::from_secs(1) };
        let shared = Words::parse_from(["x", "-o", "json"]).shared;
        let store = MemoryCheckpoint::new("m");
        let shown = show(&store, &BACKFILL, &details, &args, &shared, &shutdown).await;
        (shown.map(drop), details.looks.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_looks_again_after_a_failure_that_may_pass_and_ends_at_any_other() {
        for kind in [ErrorKind::Busy, ErrorKind::Unavailable, ErrorKind::TimedOut] {
            let (shown, looks) = watched(kind).await;
            assert!(shown.is_ok() && looks == 3, "{kind:?}: {shown:?}");
        }
        let (shown, looks) = watched(ErrorKind::Unreadable).await;
        assert_eq!((shown.unwrap_err().kind(), looks), (ErrorKind::Unreadable, 1));
    }
}

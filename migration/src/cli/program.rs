//! From `main` to the exit code: parse, log, run, report.

use super::args::SharedArgs;
use super::exit::Exit;
use super::shared_command::{self, SharedCommand};
use super::{environment, logging, report};
use crate::error::{Chain, Error, ErrorKind, Result};
use crate::shutdown::Shutdown;
use rustix::process::Signal;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Longest time that a command may take to drain after its `--timeout`.
const DRAIN_AFTER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time that threads of the runtime may take to end: an unanswered question may never.
const RUNTIME_STOP: Duration = Duration::from_millis(100);

/// The arguments of a binary.
pub trait Program: clap::Parser {
    /// The flags it shares with the others.
    fn shared(&self) -> &SharedArgs;

    /// The command, if it is one that every binary has.
    fn shared_command(&self) -> Option<&SharedCommand>;

    /// Whether the command has to run whatever the environment says: it bounds itself, so no
    /// `--timeout` applies, and a variable that cannot be read is left out instead of refused.
    fn is_never_refused(&self) -> bool {
        false
    }
}

/// Runs a binary: its whole `main`.
pub fn main<A, F>(run: F) -> ExitCode
where
    A: Program,
    F: AsyncFnOnce(A, Shutdown) -> Result<Exit>,
{
    let (args, ignored) = environment::parse::<A>();
    let shared = args.shared().clone();
    // A log that is not as somebody wanted it is no reason to leave the work undone.
    let wrong_log = logging::start(&shared).err();
    for error in ignored.iter().chain(&wrong_log) {
        tracing::warn!(hint = error.next_step(), error = %Chain(error), "ignored a setting");
    }
    match started(args, run) {
        Ok(exit) => exit.into(),
        Err(error) => {
            report::error(&error, shared.log_format.is_json());
            Exit::from(error.kind()).into()
        }
    }
}

fn started<A, F>(args: A, run: F) -> Result<Exit>
where
    A: Program,
    F: AsyncFnOnce(A, Shutdown) -> Result<Exit>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(ErrorKind::Failed, "start runtime").because(error))?;
    let result = runtime.block_on(async {
        outlive_file_size_limit()?;
        let shutdown = Shutdown::new();
        let _signals = shutdown.watch_signals()?;
        Box::pin(execute(args, shutdown, run)).await
    });
    runtime.shutdown_timeout(RUNTIME_STOP);
    result
}

/// Makes a write beyond the limit on file sizes (`ulimit -f`) fail like any other that finds no
/// room. By default the kernel ends the process at such a write, without a word.
fn outlive_file_size_limit() -> Result<()> {
    let kind = SignalKind::from_raw(Signal::XFSZ.as_raw());
    // The handler outlives what listens to it.
    signal(kind).map(drop).map_err(|error| {
        Error::new(ErrorKind::Failed, "handle the signal of a file that is too large")
            .because(error)
    })
}

/// Runs a command as [`main`] does, in this process and runtime: for tests and other programs.
///
/// # Errors
/// Those of the command, and `TimedOut` if it took longer than its `--timeout`.
pub async fn execute<A, F>(args: A, shutdown: Shutdown, run: F) -> Result<Exit>
where
    A: Program,
    F: AsyncFnOnce(A, Shutdown) -> Result<Exit>,
{
    if let Some(command) = args.shared_command() {
        return shared_command::run(command, args.shared(), A::command());
    }
    let Some(limit) = args.shared().timeout.filter(|_| !args.is_never_refused()) else {
        return Box::pin(run(args, shutdown)).await;
    };
    let mut running = Box::pin(run(args, shutdown.clone()));
    if let Ok(result) = tokio::time::timeout(limit, &mut running).await {
        return result;
    }
    shutdown.begin();
    let late = Error::new(ErrorKind::TimedOut, "finish in time")
        .with("timeout_s", limit.as_secs_f64())
        .hint("give a longer --timeout, or run the command again: it goes on where it was");
    match tokio::time::timeout(DRAIN_AFTER_TIMEOUT, running).await {
        Ok(Err(error)) => Err(late.because(error)),
        Ok(Ok(_)) | Err(_) => Err(late),
    }
}

#[cfg(test)]
mod tests {
    use super::{Program, execute};
    use crate::cli::{Exit, SharedArgs, SharedCommand};
    use crate::error::ErrorKind;
    use crate::shutdown::Shutdown;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Args {
        #[command(flatten)]
        shared: SharedArgs,
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Command {
        Run,
        #[command(flatten)]
        Shared(SharedCommand),
    }

    impl Program for Args {
        fn shared(&self) -> &SharedArgs {
            &self.shared
        }
        fn shared_command(&self) -> Option<&SharedCommand> {
            match &self.command {
                Command::Shared(command) => Some(command),
                Command::Run => None,
            }
        }
    }

    #[test]
    fn the_shared_flags_fit_together() {
        Args::command().debug_assert();
        let args = Args::parse_from(["t", "run", "-o", "json", "--set", "a=1", "--timeout", "5s"]);
        assert_eq!(args.shared.overrides, ["a=1"]);
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_is_drained_and_says_so() {
        let args = Args::parse_from(["t", "--timeout", "1ms", "run"]);
        let shutdown = Shutdown::new();
        let error = execute(args, shutdown.clone(), async |_: Args, shutdown: Shutdown| {
            shutdown.begun().await;
            Ok(Exit::Done)
        })
        .await
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(shutdown.has_begun());
    }

    #[tokio::test]
    async fn a_command_in_time_ends_as_it_says() {
        let args = Args::parse_from(["t", "--timeout", "1h", "run"]);
        let exit = execute(args, Shutdown::new(), async |_: Args, _| Ok(Exit::NotMet)).await;
        assert_eq!(exit.unwrap(), Exit::NotMet);
    }
}

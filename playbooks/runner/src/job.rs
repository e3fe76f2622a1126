//! One running process.

use crate::screen::Screen;
use crate::stage::Stage;
use migration::error::{Error, ErrorKind, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;

/// A process that the runner started.
#[derive(Debug)]
pub(crate) struct Job {
    /// The program, which is what `%name` means.
    pub(crate) program: String,
    /// Program and first argument, for people.
    pub(crate) label: String,
    argv: Vec<String>,
    child: Child,
    /// Killed by the chaos, and not yet started again.
    pub(crate) is_victim: bool,
    /// Asked to stop.
    pub(crate) is_stopping: bool,
    output: Vec<JoinHandle<()>>,
}

impl Job {
    /// Starts a command that has the screen to itself.
    pub(crate) fn foreground(stage: &Stage, argv: &[String]) -> Result<Self> {
        Self::start(argv, stage.command(argv)?.spawn())
    }

    /// Starts a command whose output is shown line by line beside that of others.
    pub(crate) fn background(stage: &Stage, argv: &[String], screen: &Arc<Screen>) -> Result<Self> {
        let mut command = stage.command(argv)?;
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut job = Self::start(argv, command.spawn())?;
        let (out, err) = (job.child.stdout.take(), job.child.stderr.take());
        job.output.extend(out.map(|out| job.show(out, screen)));
        job.output.extend(err.map(|err| job.show(err, screen)));
        Ok(job)
    }

    fn start(argv: &[String], child: std::io::Result<Child>) -> Result<Self> {
        let label = argv.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(" ");
        let child = child.map_err(|error| {
            Error::new(ErrorKind::Failed, "start command")
                .with("command", &label)
                .because(error)
                .hint("build it first, or name the folder of the programs with --bin-dir DIR")
        })?;
        Ok(Self {
            program: argv.first().cloned().unwrap_or_default(),
            label,
            argv: argv.to_vec(),
            child,
            is_victim: false,
            is_stopping: false,
            output: Vec::new(),
        })
    }

    fn show(
        &self,
        pipe: impl AsyncRead + Send + Unpin + 'static,
        screen: &Arc<Screen>,
    ) -> JoinHandle<()> {
        let (program, screen) = (self.program.clone(), Arc::clone(screen));
        tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).lines();
            // A pipe that cannot be read ends as one that was closed: only its lines are lost.
            while let Ok(Some(line)) = lines.next_line().await {
                screen.background(&program, &line);
            }
        })
    }

    /// Starts the same command again after it was killed.
    pub(crate) fn start_again(&mut self, stage: &Stage, screen: &Arc<Screen>) -> Result<()> {
        let mut next = Self::background(stage, &self.argv, screen)?;
        next.output.append(&mut self.output);
        *self = next;
        Ok(())
    }

    /// The process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().map_err(|error| self.failed("look at process").because(error))
    }

    /// Waits until it has ended, and its output has been shown.
    ///
    /// # Errors
    /// Any end but a good one, and but that of a victim.
    pub(crate) async fn finish(mut self) -> Result<()> {
        let status = self.child.wait().await;
        for output in self.output.drain(..) {
            // It can only have been cancelled with the runner itself.
            if output.await.is_err() {
                break;
            }
        }
        let status = status.map_err(|error| self.failed("wait for process").because(error))?;
        if self.was_killed(status) { Ok(()) } else { self.expect(status, 0) }
    }

    /// Whether it ended because the chaos killed it, and not by itself a moment before.
    pub(crate) fn was_killed(&self, status: ExitStatus) -> bool {
        self.is_victim && status.signal() == Some(Signal::KILL.as_raw())
    }

    /// Fails unless it ended with this exit code.
    pub(crate) fn expect(&self, status: ExitStatus, exits: i32) -> Result<()> {
        if status.code() == Some(exits) {
            return Ok(());
        }
        Err(self
            .failed("run command: it did not end as the playbook says")
            .with("expected exit code", exits)
            .with("found", status))
    }

    /// Sends a signal; one that has ended by now does not mind.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        match pid.map(|pid| kill_process(pid, signal)) {
            None | Some(Ok(()) | Err(rustix::io::Errno::SRCH)) => Ok(()),
            Some(Err(error)) => Err(self.failed("send signal").because(error)),
        }
    }

    fn failed(&self, operation: &str) -> Error {
        Error::new(ErrorKind::Failed, operation).with("command", &self.label)
    }
}

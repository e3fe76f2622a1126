//! One running server: started, watched, killed and started again.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::account::Account;
use crate::error::{During, Error, LogTail, Result};
use crate::home::Home;
use crate::notice::notice;
use crate::port::Port;
use crate::process_family;
use crate::small_disk::SmallDisk;
use crate::tool::last_lines;

/// How long a start may take. Seconds are normal; a busy machine may take many of them.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// How long an orderly stop may take before the server is killed.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How long a server that is not needed any more may take to free what SIGKILL would leave.
const QUICK_STOP_LIMIT: Duration = Duration::from_secs(3);

const PAUSE: Duration = Duration::from_millis(5);

/// Free ports that are tried where another program took the first between look and start.
const PORT_ATTEMPTS: usize = 5;

/// Lines of the log that an error carries.
const LOG_LINES: usize = 40;

/// What a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A committed transaction survives `kill -9`, but not a power cut: nothing is flushed.
    #[default]
    Relaxed,
    /// The server's own defaults: a committed transaction survives a power cut.
    Durable,
}

/// What a kind of server is started with.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) kind: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// Beside its own, for as long as there is this server.
    pub(crate) small_disk: Option<SmallDisk>,
    /// The arguments that name the port; none where a file does.
    pub(crate) port_arguments: fn(u16) -> Vec<String>,
    pub(crate) account: Option<Account>,
    pub(crate) ready: Ready,
    /// Ends the server in order.
    pub(crate) stop: Signal,
    /// Ends it at once but without leaving shared memory behind; none where SIGKILL leaves nothing.
    pub(crate) quick_stop: Option<Signal>,
}

/// How a server says that it is ready. Only its own words count: a neighbour may answer on the
/// port.
#[derive(Debug)]
pub(crate) enum Ready {
    /// Texts in its log, all of them.
    Log(Vec<String>),
    /// PostgreSQL's pid file, with the server's own id in the first line and "ready" in the eighth.
    PidFile(PathBuf),
}

/// A server in a directory of its own. Dropping it kills it and removes the directory; its log is
/// kept if the test panics.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    /// The first is the one that clients use.
    ports: Vec<Port>,
    child: Option<Child>,
    log_start: u64,
    home: Home,
}

impl Server {
    /// Starts on the wanted port, or on any free one.
    pub(crate) fn launch(launch: Launch, home: Home, wanted: Option<u16>) -> Result<Self> {
        let port = wanted.map_or_else(Port::free, Port::reserve)?;
        let mut server = Self::prepare(launch, home, vec![port]);
        for _ in 1..PORT_ATTEMPTS {
            match server.start() {
                Err(Error::PortTaken { .. }) if wanted.is_none() => {
                    server.ports = vec![Port::free()?];
                }
                result => return result.map(|()| server),
            }
        }
        server.start().map(|()| server)
    }

    /// A server that will start on these ports, which its files name already.
    pub(crate) fn prepare(launch: Launch, home: Home, ports: Vec<Port>) -> Self {
        Self { launch, ports, child: None, log_start: 0, home }
    }

    /// The port of 127.0.0.1; 0 of a server that no client connects to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.first().map_or(0, |port| port.number)
    }

    /// The id of the server's main process while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The directory with the server's data, socket and log.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.home.path
    }

    /// The end of the server's log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        last_lines(&self.log(), LOG_LINES)
    }

    /// The server's log since its first start.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.home.log()).unwrap_or_default()).into_owned()
    }

    /// The same, to be read in parts.
    pub(crate) fn open_log(&self) -> std::io::Result<fs::File> {
        fs::File::open(self.home.log())
    }

    /// Waits until a text stands in what the server has logged since its last start. `failure` ends
    /// the wait: it says why the text will never come.
    pub(crate) fn wait_for(
        &self,
        text: &str,
        limit: Duration,
        failure: impl Fn() -> Option<String>,
    ) -> Result<()> {
        let started = Instant::now();
        while !self.said().contains(text) {
            let log = LogTail(self.log_tail());
            if let Some(reason) = failure() {
                return Err(self.failure(format!("failed: {reason}"), log));
            }
            if started.elapsed() >= limit {
                return Err(self.failure(format!("does not say {text:?} within {limit:?}"), log));
            }
            sleep(PAUSE * 10);
        }
        Ok(())
    }

    /// Starts a server that was killed or stopped, with its data and on its port, and waits until
    /// it is ready. Does nothing if it runs.
    ///
    /// # Errors
    /// [`Error::PortTaken`] if a neighbour took the port; [`Error::Server`] if it does not get
    /// ready.
    pub fn start(&mut self) -> Result<()> {
        if self.exited()?.is_none() && self.child.is_some() {
            return Ok(());
        }
        self.child = None;
        let result = self.spawn().and_then(|()| self.wait_until_ready());
        if result.is_err() {
            self.kill()?;
        }
        result
    }

    /// Kills the server and all its children with SIGKILL, as a crash would.
    ///
    /// # Errors
    /// Fails if a process outlives the signal.
    pub fn kill(&mut self) -> Result<()> {
        self.home.family().kill()?;
        self.reap()
    }

    /// Kills the server and starts it again.
    ///
    /// # Errors
    /// As [`Server::kill`] and [`Server::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.start()
    }

    /// Stops the server in order, and by force if that takes a minute. The data stays.
    ///
    /// # Errors
    /// Fails if a process outlives SIGKILL.
    pub fn stop(&mut self) -> Result<()> {
        self.stop_with(self.launch.stop, STOP_LIMIT)
    }

    /// Stops all processes of the server where they are (SIGSTOP): connections stay, nothing
    /// answers.
    ///
    /// # Errors
    /// Fails if a signal cannot be sent.
    pub fn freeze(&mut self) -> Result<()> {
        self.home.family().freeze()
    }

    /// Lets a frozen server go on (SIGCONT).
    ///
    /// # Errors
    /// Fails if a signal cannot be sent.
    pub fn thaw(&mut self) -> Result<()> {
        self.home.family().signal(Signal::CONT)
    }

    /// Takes all the room that is left on its small disk.
    ///
    /// # Errors
    /// Fails where it was started without one.
    pub fn fill_disk(&self) -> Result<()> {
        self.small_disk()?.fill()
    }

    /// Gives back the room that [`Server::fill_disk`] took.
    ///
    /// # Errors
    /// As [`Server::fill_disk`].
    pub fn make_room(&self) -> Result<()> {
        self.small_disk()?.make_room()
    }

    fn small_disk(&self) -> Result<&SmallDisk> {
        let none = || Error::Request("the server has no small disk".into());
        self.launch.small_disk.as_ref().ok_or_else(none)
    }

    /// Moves the log to where logs are kept, and says where; of a server that died it says the end.
    pub(crate) fn keep_log(&self) {
        // One that ended by itself is the likely reason of whatever failed.
        let id = self.process_id().map(u32::cast_signed);
        if id.is_some_and(|id| !process_family::is_running(id)) {
            let log = LogTail(self.log_tail());
            notice(&self.failure("ended by itself".into(), log).to_string());
        }
        if let Some(log) = self.home.keep_log() {
            notice(&format!("the log of {} is kept: {}", self.launch.kind, log.display()));
        }
    }

    fn spawn(&mut self) -> Result<()> {
        let path = self.home.log();
        let opening = || format!("open {}", path.display());
        let log = OpenOptions::new().create(true).append(true).open(&path).during(opening)?;
        self.log_start = log.metadata().during(opening)?.len();
        let program = &self.launch.program;
        let mut command = match &self.launch.small_disk {
            Some(disk) => disk.command(program)?,
            None => Command::new(program),
        };
        isolate(&mut command, &self.home.path, self.launch.account);
        command
            .args(&self.launch.arguments)
            .args((self.launch.port_arguments)(self.port()))
            .process_group(self.home.group())
            .stdin(Stdio::null())
            .stdout(log.try_clone().during(opening)?)
            .stderr(log);
        let child = command.spawn().during(|| format!("start {}", program.display()))?;
        self.child = Some(child);
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            // Asked before the log is read: what a server said before it went is all there then.
            let exited = self.exited()?;
            let said = self.said();
            if let Some(status) = exited {
                let log = LogTail(last_lines(&said, LOG_LINES));
                if said.contains("Address already in use") {
                    return Err(Error::PortTaken { port: self.port(), log });
                }
                return Err(self.failure(format!("ended at its start: {status}"), log));
            }
            if self.is_ready(&said) {
                return Ok(());
            }
            if started.elapsed() >= READY_LIMIT {
                let log = LogTail(last_lines(&said, LOG_LINES));
                return Err(self.failure(format!("is not ready after {READY_LIMIT:?}"), log));
            }
            sleep(PAUSE);
        }
    }

    fn is_ready(&self, said: &str) -> bool {
        match &self.launch.ready {
            Ready::Log(texts) => texts.iter().all(|text| said.contains(text)),
            Ready::PidFile(path) => {
                let file = fs::read_to_string(path).unwrap_or_default();
                let own = self.process_id().map(|pid| pid.to_string());
                file.lines().next() == own.as_deref()
                    && file.lines().nth(7).map(str::trim) == Some("ready")
            }
        }
    }

    /// What the server has written to its log since its last start.
    fn said(&self) -> String {
        let log = fs::read(self.home.log()).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or(usize::MAX).min(log.len());
        String::from_utf8_lossy(&log[start..]).into_owned()
    }

    fn failure(&self, what: String, log: LogTail) -> Error {
        Error::Server { server: self.launch.kind.into(), what, log }
    }

    fn exited(&mut self) -> Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else { return Ok(None) };
        child.try_wait().during(|| format!("ask for the state of {}", self.launch.kind))
    }

    fn stop_with(&mut self, signal: Signal, limit: Duration) -> Result<()> {
        if let Some(child) = &self.child
            && let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed())
        {
            // A process that is gone already is what was asked for.
            rustix::process::kill_process(pid, signal).ok();
            let started = Instant::now();
            while self.exited()?.is_none() && started.elapsed() < limit {
                sleep(PAUSE);
            }
        }
        self.kill()
    }

    fn reap(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.wait().during(|| format!("wait for the end of {}", self.launch.kind))?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if panicking() {
            self.keep_log();
        }
        let ended = match self.launch.quick_stop {
            Some(signal) => self.stop_with(signal, QUICK_STOP_LIMIT),
            None => self.kill(),
        };
        if let Err(error) = ended {
            notice(&format!("{} is left to its watchdog: {error}", self.launch.kind));
        }
    }
}

/// Gives `command` an empty environment: a `PGPORT` or `MYSQL_HOME` of the person who runs the
/// tests must not reach a server.
pub(crate) fn isolate(command: &mut Command, directory: &Path, account: Option<Account>) {
    command.env_clear().env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env("HOME", directory);
    for name in ["PATH", "JAVA_HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.current_dir(directory);
    if let Some(account) = account {
        account.apply(command);
    }
}

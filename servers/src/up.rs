//! Servers that stay for a person: `servers up`, `servers down`.
//!
//! A process of its own holds them, as a test would; so what ends with a test ends with it. It
//! listens on a socket, and a connection to that tells it to stop.

use std::fs::{self, File};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{During, Error, LogTail, Result};
use crate::home::base_folder;
use crate::lock;
use crate::notice::notice;
use crate::packages::{Kind, install};
use crate::tool::last_lines;
use crate::with::Fleet;

/// How long all servers may take to get ready, on a busy machine.
const UP_LIMIT: Duration = Duration::from_secs(300);

/// How long they may take to stop.
const DOWN_LIMIT: Duration = Duration::from_secs(120);

/// How long a holder waits for the lock; another holder keeps it for good.
const TAKE_LIMIT: Duration = Duration::from_secs(2);

const PAUSE: Duration = Duration::from_millis(50);

/// Lines of the holder's output that an error carries.
const LOG_LINES: usize = 60;

/// The files of the one set of servers that a person can have running.
struct Place {
    /// Locked by the holder for as long as it lives.
    lock: PathBuf,
    /// The servers' URLs, written when all are ready.
    environment: PathBuf,
    socket: PathBuf,
    log: PathBuf,
}

impl Place {
    fn find() -> Result<Self> {
        let folder = base_folder("up")?;
        let [lock, environment, socket, log] =
            ["lock", "environment", "socket", "log"].map(|name| folder.join(name));
        Ok(Self { lock, environment, socket, log })
    }

    fn is_held(&self) -> Result<bool> {
        lock::is_held(&self.lock)
    }

    fn said(&self) -> LogTail {
        LogTail(last_lines(&fs::read_to_string(&self.log).unwrap_or_default(), LOG_LINES))
    }
}

/// Starts one server of each kind, and returns the lines that name them to a shell. Where they run
/// already it only returns the lines.
///
/// # Errors
/// As [`Fleet::start`], and if other kinds run than those asked for.
pub fn up(kinds: &[Kind]) -> Result<String> {
    // Here and not in the holder, so that the person sees what is installed.
    install(kinds)?;
    let place = Place::find()?;
    let mut holder = if place.is_held()? { None } else { Some(start_holder(&place, kinds)?) };
    let started = Instant::now();
    let environment = loop {
        if let Ok(text) = fs::read_to_string(&place.environment)
            && place.is_held()?
        {
            break text;
        }
        let ended = match &mut holder {
            Some(child) => child.try_wait().during(|| "wait for the servers".into())?.is_some(),
            None => !place.is_held()?,
        };
        if ended && holder.is_some() && place.is_held()? {
            holder = None; // another `up` was quicker
            continue;
        }
        if ended || started.elapsed() >= UP_LIMIT {
            let what = if ended { "ended at their start" } else { "are not ready in time" };
            let server = "the servers".into();
            return Err(Error::Server { server, what: what.into(), log: place.said() });
        }
        sleep(PAUSE);
    };
    if holder.is_none() {
        notice("they run already; `make down` stops them");
    }
    let mut variables = kinds.iter().flat_map(|kind| kind.variables());
    match variables.find(|variable| !environment.contains(**variable)) {
        Some(variable) => Err(Error::Request(format!(
            "other servers run already, none for {variable}\nhint: `make down` stops them"
        ))),
        None => Ok(environment),
    }
}

fn start_holder(place: &Place, kinds: &[Kind]) -> Result<Child> {
    // Of a holder that was killed: its lock is free, so nothing of this is true any more.
    for stale in [&place.environment, &place.socket] {
        fs::remove_file(stale).ok();
    }
    let log = File::create(&place.log).during(|| format!("make {}", place.log.display()))?;
    let list: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    let program = std::env::current_exe().during(|| "find this program".into())?;
    Command::new(program)
        .args(["hold", &list.join(",")])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone().during(|| "share the log".into())?)
        .stderr(log)
        .spawn()
        .during(|| "start the servers' holder".into())
}

/// Holds one server of each kind until [`down`] asks for their end.
///
/// # Errors
/// As [`Fleet::start`], and if another process holds servers already.
pub fn hold(kinds: &[Kind]) -> Result<()> {
    // A session of its own: neither Ctrl-C nor the end of the terminal ends it.
    rustix::process::setsid().during(|| "leave the terminal".into())?;
    let place = Place::find()?;
    // Those who only ask hold it for a moment too.
    let _held = lock::take(&place.lock, TAKE_LIMIT)?;
    let fleet = Fleet::start(kinds)?;
    let lines = fleet.environment().into_iter().map(|(name, url)| format!("export {name}={url}\n"));
    let listener = UnixListener::bind(&place.socket)
        .during(|| format!("listen on {}", place.socket.display()))?;
    // Renamed when it is whole: it is looked for all the time.
    let unfinished = place.environment.with_extension("unfinished");
    fs::write(&unfinished, lines.collect::<String>())
        .and_then(|()| fs::rename(&unfinished, &place.environment))
        .during(|| format!("write {}", place.environment.display()))?;
    let asked = listener.accept().during(|| "wait for the end".into());
    fs::remove_file(&place.environment).ok();
    drop(fleet);
    asked.map(drop)
}

/// Stops what [`up`] has started, and waits until it is gone. Does nothing where nothing runs.
///
/// # Errors
/// Fails if the servers do not stop in time.
pub fn down() -> Result<()> {
    let place = Place::find()?;
    if !place.is_held()? {
        notice("nothing runs");
        return Ok(());
    }
    let started = Instant::now();
    // Until it listens it is still starting.
    while place.is_held()? {
        if started.elapsed() >= DOWN_LIMIT {
            let what = "do not stop in time".into();
            return Err(Error::Server { server: "the servers".into(), what, log: place.said() });
        }
        drop(UnixStream::connect(&place.socket));
        sleep(PAUSE);
    }
    Ok(())
}

//! The processes of one server: the members of its process group and all their descendants.
//!
//! PostgreSQL's back ends leave the group (each is a session of its own), so the group alone is not
//! enough. One that lives on after its parent holds the shared memory, and the next start dies; a
//! busy one does not notice that its parent is gone, and by then only its title says whose it was.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Result};

/// How long killed processes may take to go; a dying process can wait for its disk.
const KILL_LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);

/// How long stopped processes may go on; one that waits for its disk does until that answers.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Rounds of stopping until no new process has appeared. A stopped process makes no children, so
/// two rounds do unless a process was born during the first.
const STOP_ROUNDS: usize = 10;

/// One line of the process table.
#[derive(Debug, Clone)]
struct Entry {
    pid: i32,
    parent: i32,
    group: i32,
    name: String,
}

/// The family of a process group, without the group's leader (its watchdog).
#[derive(Debug)]
pub(crate) struct Family {
    group: i32,
    title: String,
}

impl Family {
    /// The processes of `group`, their descendants, and `PostgreSQL` processes of this cluster
    /// name.
    pub(crate) fn new(group: i32, cluster: &str) -> Self {
        Self { group, title: format!("postgres: {cluster}: ") }
    }

    /// Sends `signal` to all members.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.members().into_iter().try_for_each(|pid| send(pid, signal))
    }

    /// Stops all members where they are, until [`Family::signal`] with `CONT`.
    pub(crate) fn freeze(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            // A signal is sent before it has taken effect, and whoever is not stopped yet may have
            // made another process meanwhile.
            let mut members = self.members();
            members.retain(|pid| !stands_still(*pid));
            if members.is_empty() {
                return Ok(());
            }
            if started.elapsed() >= STOP_LIMIT {
                let what = format!("processes {members:?} go on {STOP_LIMIT:?} after SIGSTOP");
                return Err(Error::Request(what));
            }
            members.iter().try_for_each(|pid| send(*pid, Signal::STOP))?;
            sleep(PAUSE);
        }
    }

    fn stop(&self) -> Result<()> {
        let mut seen = 0;
        for _ in 0..STOP_ROUNDS {
            let members = self.members();
            if members.len() == seen {
                break;
            }
            seen = members.len();
            members.into_iter().try_for_each(|pid| send(pid, Signal::STOP))?;
        }
        Ok(())
    }

    /// Kills all members and waits until none is left.
    pub(crate) fn kill(&self) -> Result<()> {
        // Stopped first: a parent killed before its children are known would hide them.
        self.stop()?;
        let started = Instant::now();
        loop {
            // Looked for again each time: one that was being forked had no name yet.
            let mut members = self.members();
            members.retain(|pid| is_running(*pid));
            if members.is_empty() {
                return Ok(());
            }
            if started.elapsed() >= KILL_LIMIT {
                let what = format!("processes {members:?} outlived SIGKILL by {KILL_LIMIT:?}");
                return Err(Error::Request(what));
            }
            members.iter().try_for_each(|pid| send(*pid, Signal::KILL))?;
            sleep(PAUSE);
        }
    }

    /// Whether no member has any name but these.
    pub(crate) fn is_only_of(&self, names: &[&str]) -> bool {
        let members = self.members();
        let entries = process_table();
        let is_member = |entry: &&Entry| members.contains(&entry.pid);
        entries.iter().filter(is_member).all(|entry| names.contains(&entry.name.as_str()))
    }

    fn members(&self) -> Vec<i32> {
        let entries = process_table();
        let mut members: Vec<_> = entries
            .iter()
            .filter(|entry| entry.pid != self.group && self.holds(entry))
            .map(|entry| entry.pid)
            .collect();
        let mut next = 0;
        while next < members.len() {
            let parent = members[next];
            for child in entries.iter().filter(|entry| entry.parent == parent) {
                if !members.contains(&child.pid) {
                    members.push(child.pid);
                }
            }
            next += 1;
        }
        members
    }

    fn holds(&self, entry: &Entry) -> bool {
        let is_titled = || {
            let line = fs::read(format!("/proc/{}/cmdline", entry.pid)).unwrap_or_default();
            line.starts_with(self.title.as_bytes())
        };
        entry.group == self.group || (entry.name == "postgres" && is_titled())
    }
}

/// Whether the process exists and is more than a body that waits for its parent.
pub(crate) fn is_running(pid: i32) -> bool {
    read_entry(pid).is_some()
}

/// Whether every thread of the process is stopped, or it is gone.
fn stands_still(pid: i32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    threads.flatten().all(|thread| {
        let line = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = line.rsplit(") ").next().and_then(|rest| rest.chars().next());
        !matches!(state, Some('R' | 'S' | 'D' | 'I'))
    })
}

fn send(pid: i32, signal: Signal) -> Result<()> {
    let Some(target) = Pid::from_raw(pid) else { return Ok(()) };
    match kill_process(target, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(Error::System {
            operation: format!("send signal {} to process {pid}", signal.as_raw()),
            cause: errno.into(),
        }),
    }
}

/// All living processes. The files read here are open to every user, unlike `/proc/*/cwd`, which
/// even root may not read of another user's process inside most containers.
fn process_table() -> Vec<Entry> {
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(read_entry)
        .collect()
}

fn read_entry(pid: i32) -> Option<Entry> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, so what follows starts at the last one.
    let name = line.get(line.find('(')? + 1..line.rfind(')')?)?.to_owned();
    let mut fields = line.get(line.rfind(')')? + 2..)?.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    Some(Entry { pid, parent, group, name })
}

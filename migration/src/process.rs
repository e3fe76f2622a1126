//! Who is running: a process as people and the processes after it see it.

use crate::clock::Timestamp;
use crate::position::Owner;
use rustix::process::{getpid, getuid};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One start of one program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// New for every start.
    pub owner: Owner,
    /// The program.
    pub program: String,
    /// The machine's name.
    pub host: String,
    /// Its number there.
    pub pid: i32,
    /// When it started, or rather when it first asked.
    pub started: Timestamp,
    /// Tells this process from a later one with its number; `None` where the system does not say.
    birth: Option<Birth>,
}

/// What the kernel knows of a process's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Birth {
    /// The boot of the machine and the namespace that the number counts in. A number means nothing
    /// outside them: two containers may share a host's name.
    space: String,
    /// Clock ticks from the boot to the start.
    ticks: u64,
}

impl Process {
    /// This process. Called once per start: every call gives another owner.
    #[must_use]
    pub fn start(program: &str) -> Self {
        Self::with_pid(program, getpid().as_raw_pid())
    }

    /// What a process on this machine says of itself.
    pub(crate) fn with_pid(program: &str, pid: i32) -> Self {
        let birth =
            number_space().and_then(|space| start_ticks(pid).map(|ticks| Birth { space, ticks }));
        Self {
            owner: Owner::new(),
            program: program.to_owned(),
            host: host(),
            pid,
            started: Timestamp::now(),
            birth,
        }
    }

    /// Whether it is known to have ended: it ran on this machine, in a namespace this process can
    /// see, and is not there any more. `false` wherever that cannot be told.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.birth.as_ref().is_some_and(|birth| {
            number_space().is_some_and(|here| here == birth.space)
                && start_ticks(self.pid) != Some(birth.ticks)
        })
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}, pid {}", self.program, self.host, self.pid)
    }
}

/// Who gives a command, for the audit log: the login name and the machine.
#[must_use]
pub fn operator() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|variable| std::env::var(variable).ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| user_name(getuid().as_raw()));
    format!("{name}@{}", host())
}

/// The name of a user in `/etc/passwd`, or the number: jobs often have no name in their
/// environment.
fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid-{uid}"))
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Names the boot and the process namespace, on Linux.
fn number_space() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// When a process started, in clock ticks from the boot, on Linux; `None` also if it has ended.
fn start_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the fields after it are counted from the state,
    // which is the third. A zombie (Z) or dead (X) process does nothing any more.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn a_process_that_runs_is_not_gone() {
        let this = Process::start("test");
        assert!(this.birth.is_some(), "the tests run on Linux");
        assert!(!this.is_gone());
    }

    #[test]
    fn a_number_that_was_given_to_another_process_is_gone() {
        let mut other = Process::start("test");
        if let Some(birth) = &mut other.birth {
            birth.ticks -= 1;
        }
        assert!(other.is_gone());
    }

    #[test]
    fn a_process_of_another_machine_is_never_known_to_be_gone() {
        let mut other = Process::start("test");
        if let Some(birth) = &mut other.birth {
            birth.ticks -= 1;
            birth.space = "another boot".to_owned();
        }
        assert!(!other.is_gone());
        other.birth = None;
        assert!(!other.is_gone());
    }

    #[test]
    fn a_process_that_was_killed_is_gone_also_before_anybody_waits_for_it() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let process = Process::with_pid("test", i32::try_from(child.id()).unwrap());
        assert!(!process.is_gone());
        child.kill().unwrap();
        // It is a zombie now, or soon: only its parent still knows its number.
        while !process.is_gone() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(process.is_gone());
    }

    #[test]
    fn an_operator_without_a_name_in_the_environment_has_the_one_of_the_system() {
        assert_eq!(super::user_name(0), "root");
        assert_eq!(super::user_name(4_000_000_000), "uid-4000000000");
    }

    #[test]
    fn a_process_survives_being_written_and_read() {
        let this = Process::start("test");
        let json = serde_json::to_string(&this).unwrap();
        assert_eq!(serde_json::from_str::<Process>(&json).unwrap(), this);
    }
}

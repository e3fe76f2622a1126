//! Crash points that do what `MIDFLIGHT_FAULT` says.

use crate::error::{Error, ErrorKind, Result};
use rustix::process::{Signal, getpid, kill_process};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const VARIABLE: &str = "MIDFLIGHT_FAULT";

/// What a test wants to happen in this process.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Count(PathBuf),
    AbortAny { hit: u64 },
    At { effect: Effect, name: String, hit: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Abort,
    Stop,
    Error,
}

/// An instant at which a test may kill or freeze the process.
pub fn point(name: &'static str) {
    // A point has no caller to fail, so an `error` fault passes it by.
    if fallible(name).is_err() {
        tracing::debug!(point = name, "error fault ignored: this point cannot fail");
    }
}

/// An instant at which a test may kill or freeze the process, or have the caller fail.
///
/// # Errors
/// The failure that the test asked for, of kind `Failed`.
pub fn fallible(name: &'static str) -> Result<()> {
    static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
    match FAULT.get_or_init(from_environment) {
        None => {}
        Some(Fault::Count(file)) => append(file, name),
        Some(Fault::AbortAny { hit }) if is_hit(*hit) => die(),
        Some(Fault::At { effect, name: wanted, hit }) if wanted == name && is_hit(*hit) => {
            return act(*effect, name);
        }
        Some(Fault::AbortAny { .. } | Fault::At { .. }) => {}
    }
    Ok(())
}

/// Counts a hit, and says whether it is the one. One counter is enough: a process has one fault,
/// for all points or for one.
fn is_hit(wanted: u64) -> bool {
    static HITS: AtomicU64 = AtomicU64::new(0);
    HITS.fetch_add(1, Ordering::SeqCst) + 1 == wanted
}

fn act(effect: Effect, name: &'static str) -> Result<()> {
    match effect {
        Effect::Abort => die(),
        Effect::Stop => freeze(),
        Effect::Error => {
            return Err(Error::new(ErrorKind::Failed, "injected fault").with("point", name));
        }
    }
    Ok(())
}

/// As abrupt as `kill -9` from outside: no handler, no destructor, no flush.
fn die() -> ! {
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort()
}

/// To this thread, which therefore stops before it runs on. Of one that goes to the process the
/// kernel tells the main thread, and on a busy machine this one passes its point before that one
/// has stopped the others.
fn freeze() {
    let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
}

fn append(file: &Path, name: &str) {
    // One write of a whole line: several processes may count into one file.
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .and_then(|mut file| file.write_all(format!("{name}\n").as_bytes()));
    if let Err(error) = written {
        misused(&format!("cannot append to {}: {error}", file.display()));
    }
}

fn from_environment() -> Option<Fault> {
    let value = std::env::var(VARIABLE).ok()?;
    let fault = parse(&value);
    if fault.is_none() {
        misused(&format!("`{value}` is no fault; see the module `fault`"));
    }
    fault
}

fn parse(value: &str) -> Option<Fault> {
    if let Some(file) = value.strip_prefix("count:") {
        return (!file.is_empty()).then(|| Fault::Count(file.into()));
    }
    let (what, hit) = value.rsplit_once('@')?;
    let hit = hit.parse().ok().filter(|&hit| hit > 0)?;
    let (effect, name) = match what.split_once(':') {
        None => return (what == "abort").then_some(Fault::AbortAny { hit }),
        Some(("abort", name)) => (Effect::Abort, name),
        Some(("stop", name)) => (Effect::Stop, name),
        Some(("error", name)) => (Effect::Error, name),
        Some(_) => return None,
    };
    (!name.is_empty()).then(|| Fault::At { effect, name: name.to_owned(), hit })
}

/// A test that injects nothing would pass for the wrong reason.
#[expect(clippy::print_stderr, reason = "a test's mistake, in a build made for tests")]
fn misused(why: &str) -> ! {
    eprintln!("{VARIABLE}: {why}");
    std::process::exit(2)
}

#[cfg(test)]
mod tests {
    use super::{Effect, Fault, parse};

    #[test]
    fn every_form_of_the_variable_is_understood() {
        assert_eq!(parse("count:/tmp/x"), Some(Fault::Count("/tmp/x".into())));
        assert_eq!(parse("abort@3"), Some(Fault::AbortAny { hit: 3 }));
        for (word, effect) in
            [("abort", Effect::Abort), ("stop", Effect::Stop), ("error", Effect::Error)]
        {
            let expected = Fault::At { effect, name: "a.b-c".to_owned(), hit: 12 };
            assert_eq!(parse(&format!("{word}:a.b-c@12")), Some(expected));
        }
    }

    #[test]
    fn a_mistyped_fault_is_not_taken_for_none() {
        for wrong in ["", "abort", "abort@0", "abort@x", "stop@1", "halt:a@1", "error:@1", "count:"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}

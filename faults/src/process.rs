//! What the kernel says of a process.

use std::path::{Path, PathBuf};

/// Its bit among the signals.
const SIGTERM: u64 = 1 << 14;

fn folder(process: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{process}"))
}

/// A line of what it says, of a process or one of its threads.
fn line(folder: &Path, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(folder.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(|line| line.trim().to_owned())
}

/// Whether it stands still in every thread, as after `SIGSTOP`.
pub(crate) fn is_frozen(process: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(folder(process).join("task")) else { return false };
    let state = |thread: PathBuf| line(&thread, "State").unwrap_or_default();
    threads.flatten().all(|thread| state(thread.path()).starts_with('T'))
}

/// Whether it is over, and only its end is left to be asked for.
pub(crate) fn is_over(process: u32) -> bool {
    line(&folder(process), "State").is_none_or(|state| state.starts_with('Z'))
}

/// Whether it has said what it does on `SIGTERM`: before, that ends it as `kill -9` does.
pub(crate) fn minds_its_end(process: u32) -> bool {
    let caught =
        line(&folder(process), "SigCgt").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    caught.is_some_and(|mask| mask & SIGTERM != 0)
}

/// The most memory that it had in use so far; 0 of one that is gone.
pub(crate) fn peak_bytes(process: u32) -> u64 {
    let kib = line(&folder(process), "VmHWM")
        .and_then(|line| line.strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

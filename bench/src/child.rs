//! Runs a process to its end and watches its memory.

use crate::cpu;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Between two looks at a process. Its peak is kept by the kernel, so only growth in its very last
/// moments can be missed.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Longest run of one process.
const RUN_MAX: Duration = Duration::from_secs(900);

/// A failure, with what the process said.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// What one run cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Seconds of work: what the process printed, or the whole of its life.
    pub(crate) seconds: f64,
    /// Peak resident memory in bytes.
    pub(crate) peak_bytes: u64,
    /// CPU seconds of the process, its children included.
    pub(crate) cpu_seconds: f64,
}

/// Runs `program` to its end.
pub(crate) fn run(program: &Path, args: &[String]) -> Result<Cost, Failure> {
    // Files and not pipes: a pipe that nobody reads would stop it.
    let mut said = (tempfile::tempfile()?, tempfile::tempfile()?);
    let cpu_before = cpu::of_children();
    let begun = Instant::now();
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(said.0.try_clone()?)
        .stderr(said.1.try_clone()?)
        .spawn()
        .map_err(|error| format!("start {}: {error}", program.display()))?;
    let mut peak_bytes = 0;
    let status = loop {
        peak_bytes = peak_bytes.max(peak(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > RUN_MAX {
            child.kill()?;
            child.wait()?;
            return Err(format!("{} took longer than {RUN_MAX:?}", program.display()).into());
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let whole = begun.elapsed().as_secs_f64();
    let (mut out, mut err) = (String::new(), String::new());
    for (file, text) in [(&mut said.0, &mut out), (&mut said.1, &mut err)] {
        file.seek(SeekFrom::Start(0))?;
        file.read_to_string(text)?;
    }
    if !status.success() {
        return Err(format!("{} {args:?} ended with {status}: {err}", program.display()).into());
    }
    let printed = out.trim().strip_prefix("seconds ").and_then(|text| text.parse().ok());
    let cpu_seconds = cpu::of_children() - cpu_before;
    Ok(Cost { seconds: printed.unwrap_or(whole), peak_bytes, cpu_seconds })
}

/// The peak memory of a process so far, in bytes; 0 of one that is gone.
pub(crate) fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

//! Runs a program to its end, within a time limit.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{During, Error, Result};

/// How often a running program is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// Lines of a failed program's output that an error carries.
const TAIL_LINES: usize = 25;

/// Runs `command` and returns its standard output. Fails if it fails, or is not done within
/// `limit`.
pub(crate) fn run(command: &mut Command, input: &str, limit: Duration) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let starting = || format!("run {program}");
    let mut stdin = tempfile::tempfile().during(starting)?;
    stdin.write_all(input.as_bytes()).during(starting)?;
    stdin.rewind().during(starting)?;
    // Files, not pipes: a grandchild that keeps a pipe open would hold up the reader for ever.
    let stdout = tempfile::tempfile().during(starting)?;
    let stderr = tempfile::tempfile().during(starting)?;
    let mut child = command
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout.try_clone().during(starting)?))
        .stderr(Stdio::from(stderr.try_clone().during(starting)?))
        .spawn()
        .during(starting)?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().during(starting)? {
            break status;
        }
        if started.elapsed() >= limit {
            child.kill().during(starting)?;
            child.wait().during(starting)?;
            let what = format!("not done within {limit:?}{}", tail(stdout, stderr));
            return Err(Error::Tool { program, what });
        }
        sleep(PAUSE);
    };
    if !status.success() {
        return Err(Error::Tool { program, what: format!("{status}{}", tail(stdout, stderr)) });
    }
    Ok(text(stdout))
}

fn text(mut file: File) -> String {
    let mut bytes = Vec::new();
    match file.rewind().and_then(|()| file.read_to_end(&mut bytes)) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(its output is unreadable: {error})"),
    }
}

fn tail(stdout: File, stderr: File) -> String {
    let printed = text(stdout) + &text(stderr);
    last_lines(&printed, TAIL_LINES).lines().map(|line| format!("\n  | {line}")).collect()
}

/// The last `count` lines of `text`.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

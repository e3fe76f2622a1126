//! A shell process that outlives the test and cleans up after it.
//!
//! Not `PR_SET_PDEATHSIG`: that fires when the *thread* that started the server ends, and a test
//! is a thread.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{During, Result};

const SCRIPT: &str = include_str!("watchdog.sh");

/// Ends the server's family when this process dies in any way.
#[derive(Debug)]
pub(crate) struct Watchdog {
    child: Child,
}

impl Watchdog {
    /// Starts watching over `directory`. `signal` is the name of the signal that ends the server.
    pub(crate) fn start(directory: &Path, logs: &Path, signal: &str) -> Result<Self> {
        let script = directory.join("watchdog.sh");
        fs::write(&script, SCRIPT).during(|| format!("write {}", script.display()))?;
        let child = Command::new("sh")
            .args([script.as_path(), directory, logs])
            .arg(signal)
            .current_dir("/")
            // The write end of this pipe is closed by the kernel when this process dies.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .during(|| "start the watchdog".into())?;
        Ok(Self { child })
    }

    /// The process group that the server must be born into.
    pub(crate) fn group(&self) -> i32 {
        self.child.id().cast_signed()
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Where either fails the watchdog is gone already, or does its work once more for nothing.
        if let Some(mut pipe) = self.child.stdin.take() {
            drop(pipe.write_all(b"done\n"));
        }
        drop(self.child.wait());
    }
}

//! Runs the real program.

use crate::fixture::Fixture;
use std::path::PathBuf;
use std::process::Command;

/// The program with a plan.
pub(crate) struct Program {
    plan: PathBuf,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn new(fixture: &Fixture) -> Self {
        Self { plan: fixture.plan_file() }
    }

    /// Runs it to its end, off a terminal.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_cutover"))
            .arg("--config")
            .arg(&self.plan)
            .args(["--log-format", "text"])
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

//! Runs the programs under test.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest run of one command: a command that hangs fails its test.
const RUN_MAX: Duration = Duration::from_secs(60);

/// Between two looks at a process.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The path of a program built beside the tests.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    // Tests run from `target/PROFILE/deps`; programs lie one folder up.
    let exe = std::env::current_exe().unwrap();
    let found = exe.ancestors().skip(1).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built: run the tests by `make test`"))
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// What it printed as its result.
    pub stdout: String,
    /// Everything else it said.
    pub stderr: String,
}

impl Ran {
    /// The result, if the command ended with 0.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// The result as JSON, if the command ended with 0.
    #[must_use]
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// What it said on stderr, if it ended with `code`.
    #[must_use]
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.stderr
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A command under way; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Option<Child>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        Self { child: Some(child) }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child().try_wait().unwrap()
    }

    /// Sends a signal by its name, such as `STOP`.
    pub fn signal(&mut self, name: &str) {
        let id = self.child().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success(), "kill -s {name} {id}");
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let begun = Instant::now();
        while self.has_ended().is_none() {
            if begun.elapsed() > RUN_MAX {
                self.child().kill().unwrap();
                let output = self.child.take().unwrap().wait_with_output().unwrap();
                panic!("took longer than {RUN_MAX:?}: {:?}", Ran::from(output));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.child.take().unwrap().wait_with_output().unwrap().into()
    }

    /// Kills it as `kill -9` does, and waits for its end.
    pub fn kill(mut self) -> Ran {
        self.child().kill().unwrap();
        self.wait()
    }

    /// Asks it to drain, and waits for its end.
    pub fn drain(mut self) -> Ran {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

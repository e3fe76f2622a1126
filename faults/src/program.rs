//! Runs the programs under test.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
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

/// A command under way; killed when it is dropped. What it says goes to files: a pipe that nobody
/// reads would stop it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: File,
    stderr: File,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout.try_clone().unwrap())
            .stderr(stderr.try_clone().unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        Self { child, stdout, stderr }
    }

    fn said(&mut self, code: Option<i32>) -> Ran {
        let text = |mut file: &File| {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ran { code, stdout: text(&self.stdout), stderr: text(&self.stderr) }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends a signal by its name, such as `STOP`.
    pub fn signal(&mut self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success(), "kill -s {name} {id}");
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.has_ended() {
                return self.said(status.code());
            }
            if begun.elapsed() > RUN_MAX {
                let said = self.said(None);
                panic!("took longer than {RUN_MAX:?}: {said:?}");
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Kills it as `kill -9` does, and waits for its end.
    pub fn kill(mut self) -> Ran {
        self.child.kill().unwrap();
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
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

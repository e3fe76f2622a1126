//! Runs the programs under test.

use std::fmt::Write as _;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest run of one command: a command that hangs fails its test.
const RUN_MAX: Duration = Duration::from_secs(120);

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

/// What a command said when it did not do what it was asked.
#[derive(Debug)]
pub struct Complaint {
    /// What failed, with its context and causes.
    pub error: String,
    /// What to do next.
    pub hint: String,
}

impl Complaint {
    /// Asserts that error or hint has these words.
    #[track_caller]
    pub fn names(&self, words: &[&str]) {
        for word in words {
            let is_said = self.error.contains(word) || self.hint.contains(word);
            assert!(is_said, "nothing about {word}: {self:?}");
        }
    }
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

    /// What it complained of, if it ended with exactly this code, said why, and said what to do
    /// next.
    #[must_use]
    #[track_caller]
    pub fn complains(&self, code: i32) -> Complaint {
        assert_eq!(self.code, Some(code), "{self:?}");
        // Away from a terminal a program logs JSON, and what ended it is the last line.
        let lines = self.stderr.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
        let failed = |line: &serde_json::Value| line["message"] == "command failed";
        let last: serde_json::Value =
            lines.into_iter().find(failed).unwrap_or_else(|| panic!("says nothing: {self:?}"));
        let text = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
        let complaint = Complaint { error: text("error"), hint: text("hint") };
        assert!(!complaint.error.is_empty() && !complaint.hint.is_empty(), "{self:?}");
        complaint
    }

    /// Asserts that one warning in its log has all of these words.
    #[track_caller]
    pub fn warns(&self, words: &[&str]) {
        let has_all = |line: &str| words.iter().all(|word| line.contains(word));
        let warned = self.stderr.lines().any(|line| line.contains("WARN") && has_all(line));
        assert!(warned, "no warning about {words:?}: {self:?}");
    }

    /// What `check --output json` found that does not hold, if it ended with 3 and each of them
    /// says what to do.
    #[must_use]
    #[track_caller]
    pub fn finds(&self) -> Complaint {
        assert_eq!(self.code, Some(3), "{self:?}");
        let found: serde_json::Value = serde_json::from_str(&self.stdout).unwrap();
        let mut complaint = Complaint { error: String::new(), hint: String::new() };
        for finding in found["findings"].as_array().unwrap() {
            if finding["outcome"] != "failed" {
                continue;
            }
            let text = |name: &str| finding[name].as_str().unwrap_or_default();
            assert!(!text("hint").is_empty(), "{finding}");
            writeln!(complaint.error, "{}: {}", text("name"), text("message")).unwrap();
            writeln!(complaint.hint, "{}", text("hint")).unwrap();
        }
        complaint
    }
}

/// A command under way; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, stdout: Some(collect(stdout)), stderr: Some(collect(stderr)) }
    }

    /// Everything it said; call only once it has ended, or this waits for that.
    fn said(&mut self, code: Option<i32>) -> Ran {
        let text = |thread: &mut Option<JoinHandle<String>>| {
            thread.take().map(|thread| thread.join().unwrap()).unwrap_or_default()
        };
        Ran { code, stdout: text(&mut self.stdout), stderr: text(&mut self.stderr) }
    }

    /// The process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
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

    /// Waits until it stands still, as a fault of the kind `stop` has it do.
    pub fn frozen(&mut self) {
        let begun = Instant::now();
        let stat = format!("/proc/{}/stat", self.child.id());
        loop {
            let text = std::fs::read_to_string(&stat).unwrap_or_default();
            // The state follows the name, which is in brackets and may hold anything.
            if text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')) {
                return;
            }
            let ended = self.has_ended();
            assert!(ended.is_none() && begun.elapsed() < RUN_MAX, "not frozen: {ended:?}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.has_ended() {
                return self.said(status.code());
            }
            if begun.elapsed() > RUN_MAX {
                self.child.kill().unwrap();
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

/// Reads to the end in a thread of its own: a pipe that nobody reads would stop the command. (What
/// it says could not go to a file, where a limit on files is part of the test.)
fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

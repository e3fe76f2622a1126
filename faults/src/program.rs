//! Runs the programs under test.

use crate::collecting::Collecting;
use crate::process;
use crate::ran::{Ran, warns};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
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

/// A command under way; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Collecting,
    stderr: Collecting,
    peak_bytes: u64,
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
        let (stdout, stderr) = (Collecting::start(stdout), Collecting::start(stderr));
        Self { child, stdout, stderr, peak_bytes: 0 }
    }

    /// Everything it said; call only once it has ended, or this waits for that.
    fn said(&mut self, code: Option<i32>) -> Ran {
        let peak_bytes = self.peak_bytes;
        Ran { code, stdout: self.stdout.all(), stderr: self.stderr.all(), peak_bytes }
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
        self.until("not frozen", |running| process::is_frozen(running.id()));
    }

    /// Waits until it has said a warning with all of these words.
    pub fn until_it_warns(&mut self, words: &[&str]) {
        let what = format!("no warning about {words:?}");
        self.until(&what, |running| warns(&running.stderr.so_far(), words));
    }

    /// Waits until these words are in its log.
    pub fn until_it_says(&mut self, words: &str) {
        let what = format!("nothing about {words:?}");
        self.until(&what, |running| running.stderr.so_far().contains(words));
    }

    /// Waits for what it does soon, if it does not end before.
    #[track_caller]
    fn until(&mut self, else_says: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            let ended = self.has_ended();
            let goes_on = ended.is_none() && begun.elapsed() < RUN_MAX;
            assert!(goes_on, "{else_says}, {ended:?}: {}", self.stderr.so_far());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let begun = Instant::now();
        loop {
            // The kernel keeps the peak, so only growth after the last look is missed.
            self.peak_bytes = self.peak_bytes.max(process::peak_bytes(self.child.id()));
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

    /// Asks it to drain as soon as it has said that it minds, and waits for its end.
    pub fn drain(mut self) -> Ran {
        let (id, begun) = (self.id(), Instant::now());
        while !process::minds_its_end(id) && !process::is_over(id) {
            assert!(begun.elapsed() < RUN_MAX, "it never minds: {}", self.stderr.so_far());
            std::thread::sleep(LOOK_EVERY);
        }
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

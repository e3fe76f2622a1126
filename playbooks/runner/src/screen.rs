//! What is shown: the commands, their output, and one line at a time of what runs beside them.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Where everything is printed.
///
/// The command in the foreground prints for itself. On a terminal it may be drawing a bar, which
/// other lines would tear apart: so the last line of each background process is kept until the
/// command has ended. Elsewhere every line is printed as it comes.
#[derive(Debug)]
pub(crate) struct Screen {
    since: Instant,
    held: Option<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    foreground: bool,
    last: BTreeMap<String, String>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let held = std::io::stdout().is_terminal().then(Mutex::default);
        Self { since: Instant::now(), held }
    }

    /// A line of the runner's own.
    pub(crate) fn say(&self, line: &str) {
        print(line);
    }

    /// The command that is carried out next, with the time since the start.
    pub(crate) fn command(&self, text: &str) {
        print(&format!("\n[{:6.1} s] $ {text}", self.since.elapsed().as_secs_f64()));
    }

    /// A line of a background process.
    pub(crate) fn background(&self, name: &str, line: &str) {
        if let Some(held) = &self.held {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            if held.foreground {
                held.last.insert(name.to_owned(), line.to_owned());
                return;
            }
        }
        print(&format!("{name:>10} | {line}"));
    }

    /// A command in the foreground begins or ends.
    pub(crate) fn foreground(&self, begins: bool) {
        let Some(held) = &self.held else { return };
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        held.foreground = begins;
        for (name, line) in std::mem::take(&mut held.last) {
            print(&format!("{name:>10} | {line}"));
        }
    }
}

#[expect(clippy::print_stdout, reason = "the one place where the runner prints")]
fn print(line: &str) {
    println!("{line}");
}

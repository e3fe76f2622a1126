//! Where progress is shown to whoever started the process.

use super::line::line;
use super::view::View;
use crate::checkpoint::progress::Snapshot;
use crate::cli::{ProgressMode, SharedArgs};
use crate::terminal;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::Duration;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// A bar on the terminal.
    Bar,
    /// A line of text on stderr now and then.
    Plain,
    /// A line of the log now and then.
    Log,
    /// A line of JSON on stderr now and then.
    Json,
    /// Not at all.
    None,
}

impl From<&SharedArgs> for Display {
    fn from(args: &SharedArgs) -> Self {
        match args.progress {
            ProgressMode::Auto if args.quiet > 0 => Self::None,
            ProgressMode::Auto if std::io::stderr().is_terminal() => Self::Bar,
            // Among JSON lines a plain one would be in the way of whoever reads them.
            ProgressMode::Auto if args.log_format.is_json() => Self::Log,
            ProgressMode::Auto | ProgressMode::Plain => Self::Plain,
            ProgressMode::Bar => Self::Bar,
            ProgressMode::Json => Self::Json,
            ProgressMode::None => Self::None,
        }
    }
}

/// Between two lines.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// Between two looks of a bar.
const BAR_EVERY: Duration = Duration::from_millis(200);

/// What is on the screen.
#[derive(Debug)]
pub(super) enum Screen {
    Bar(ProgressBar),
    Lines(Display),
    Blank,
}

impl Screen {
    pub(super) fn new(display: Display) -> Self {
        match display {
            Display::Bar => Self::Bar(terminal::bars().add(ProgressBar::no_length())),
            Display::Plain | Display::Log | Display::Json => Self::Lines(display),
            Display::None => Self::Blank,
        }
    }

    /// How often to [`Screen::show`].
    pub(super) fn every(&self) -> Duration {
        match self {
            Self::Bar(_) => BAR_EVERY,
            Self::Lines(_) => LINE_EVERY,
            Self::Blank => Duration::from_secs(3600),
        }
    }

    pub(super) fn show(&self, snapshot: &Snapshot) {
        match self {
            Self::Bar(bar) => show_bar(bar, snapshot),
            Self::Lines(Display::Json) => {
                if let Ok(json) = serde_json::to_string(&View::from(snapshot)) {
                    terminal::write(format!("{json}\n").as_bytes());
                }
            }
            Self::Lines(Display::Log) => tracing::info!("{}", line(snapshot)),
            Self::Lines(_) => terminal::write(format!("{}\n", line(snapshot)).as_bytes()),
            Self::Blank => {}
        }
    }

    /// Shows the last state, which stays.
    pub(super) fn close(self, snapshot: &Snapshot) {
        match self {
            Self::Bar(bar) => {
                bar.finish_and_clear();
                terminal::bars().remove(&bar);
                terminal::write(format!("{}\n", line(snapshot)).as_bytes());
            }
            Self::Lines(_) => self.show(snapshot),
            Self::Blank => {}
        }
    }
}

fn show_bar(bar: &ProgressBar, snapshot: &Snapshot) {
    let template =
        if snapshot.total.is_some() { "{bar:16.cyan} {wide_msg}" } else { "{spinner} {wide_msg}" };
    // A template that cannot be read would be a mistake in the line above; the default shows then.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    if let Some(total) = snapshot.total {
        bar.set_length(total.max(snapshot.done));
    }
    bar.set_position(snapshot.done);
    bar.set_message(line(snapshot));
    bar.tick();
}

//! The terminal behind stderr, which log lines and progress bars share.

use indicatif::MultiProgress;
use std::io::{self, Write};
use std::sync::OnceLock;
use tracing_subscriber::fmt::MakeWriter;

/// All bars of the process. They draw on stderr, and nothing where that is no terminal.
pub(crate) fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(MultiProgress::new)
}

/// Writes whole lines to stderr, above the bars. Nobody can be told of a stderr that cannot be
/// written.
pub(crate) fn write(lines: &[u8]) {
    let written = bars().suspend(|| io::stderr().lock().write_all(lines));
    drop(written);
}

/// Hands the log's lines to [`write`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct AboveBars;

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(Vec::with_capacity(256))
    }
}

/// One event's text, written when it is complete.
#[derive(Debug)]
pub(crate) struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            write(&self.0);
        }
    }
}

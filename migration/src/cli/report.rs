//! Reporting the error that ended a command: once, here.

use crate::error::{Chain, Error};
use crate::terminal;
use std::error::Error as _;
use std::fmt::Write as _;

/// Writes the error to stderr: for people with its causes and its hint on lines of their own, for
/// machines as one line of the JSON log.
pub(super) fn error(error: &Error, json: bool) {
    if json {
        tracing::error!(
            kind = ?error.kind(),
            hint = error.next_step(),
            error = %Chain(error),
            "command failed"
        );
    } else {
        terminal::write(text(error).as_bytes());
    }
}

fn text(error: &Error) -> String {
    let mut text = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  caused by: {error}");
        cause = error.source();
    }
    if let Some(hint) = error.next_step() {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

/// An error as one text, for where a hint has no line of its own: an argument that clap refuses.
pub(crate) fn with_hint(error: &Error) -> String {
    match error.next_step() {
        Some(hint) => format!("{}; {hint}", Chain(error)),
        None => Chain(error).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::error::{Error, ErrorKind};

    #[test]
    fn a_person_sees_the_operation_its_causes_and_the_next_command() {
        let cause = Error::new(ErrorKind::Busy, "commit").because(std::io::Error::other("busy"));
        let error = Error::new(ErrorKind::Failed, "write batch to target")
            .with("table", "edges")
            .because(cause)
            .hint("run `backfill check`");
        assert_eq!(
            text(&error),
            "error: write batch to target: table edges\n  caused by: commit\n  caused by: busy\n\
             hint: run `backfill check`\n"
        );
    }
}

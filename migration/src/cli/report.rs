//! Reporting the error that ended a command: once, here.

use crate::error::{Chain, Error};
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
        print(&text(error));
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

#[expect(clippy::print_stderr, reason = "the one place where an error is shown to a person")]
fn print(text: &str) {
    eprint!("{text}");
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

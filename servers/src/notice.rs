//! Lines for the person who waits: an installation takes half a minute.

/// Prints one line to standard error.
#[expect(clippy::print_stderr, reason = "the one place where the library speaks to a person")]
pub(crate) fn notice(line: &str) {
    eprintln!("servers: {line}");
}

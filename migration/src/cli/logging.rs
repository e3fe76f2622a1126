//! The log: to stderr only, text for people and JSON for machines.

use super::args::SharedArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::terminal::AboveBars;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Overrides the flags, with the directives of `tracing_subscriber`, such as `sqlx=debug`.
const VARIABLE: &str = "MIDFLIGHT_LOG";

/// The crates whose log the flags turn up and down; the libraries below them only warn.
const OWN_CRATES: [&str; 5] = ["migration", "dual_write", "backfill", "verify", "cutover"];

/// Starts the log. Later calls in one process change nothing.
///
/// # Errors
/// `Plan` if the directives in the environment cannot be read; the log is started all the same.
pub(super) fn start(args: &SharedArgs) -> Result<()> {
    let by_flags = || EnvFilter::new(directives(args.verbose, args.quiet));
    let (filter, wrong) = match std::env::var(VARIABLE).map(|text| text.parse::<EnvFilter>()) {
        Err(_) => (by_flags(), None),
        Ok(Ok(filter)) => (filter, None),
        Ok(Err(error)) => (by_flags(), Some(error)),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(AboveBars);
    let started = if args.log_format.is_json() {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        log.with_ansi(args.color.on_stderr()).with_target(false).try_init()
    };
    if started.is_err() {
        tracing::debug!("the log was started before");
    }
    wrong.map_or(Ok(()), |error| {
        Err(Error::new(ErrorKind::Plan, "read log directives")
            .with("variable", VARIABLE)
            .hint("write directives such as `info,sqlx=debug`, or unset it")
            .because(error))
    })
}

fn directives(verbose: u8, quiet: u8) -> String {
    let level = match (verbose, quiet) {
        (0, 0) => LevelFilter::INFO,
        (0, 1) => LevelFilter::WARN,
        (0, _) => LevelFilter::ERROR,
        (1, _) => LevelFilter::DEBUG,
        (_, _) => LevelFilter::TRACE,
    };
    let below = level.min(LevelFilter::WARN);
    let own = OWN_CRATES.map(|name| format!("{name}={level}")).join(",");
    format!("{below},{own}")
}

#[cfg(test)]
mod tests {
    use super::directives;

    #[test]
    fn libraries_stay_quiet_when_our_crates_are_turned_up() {
        assert!(directives(0, 0).starts_with("warn,migration=info,dual_write=info"));
        assert!(directives(2, 0).starts_with("warn,migration=trace"));
        assert!(directives(0, 2).starts_with("error,migration=error"));
    }
}

//! The only place that prints.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark's result is its output"
)]

use crate::child::Cost;
use std::time::Duration;

/// One case, measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) of: &'static str,
    pub(crate) aim: Option<f64>,
    pub(crate) rows: u64,
    pub(crate) pairs: Vec<(Cost, Cost)>,
}

/// Prints what a peer's work took.
pub(crate) fn seconds(elapsed: Duration) {
    println!("seconds {}", elapsed.as_secs_f64());
}

/// Prints why a benchmark could not run.
pub(crate) fn complain(error: &dyn std::error::Error) {
    eprintln!("bench: {error}");
}

/// Says what is being measured.
pub(crate) fn begin(name: &str, runs: usize) {
    eprintln!("{name}: {runs} pairs ...");
}

/// Prints what one call takes, beside another.
pub(crate) fn nanoseconds(name: &str, ours: &[f64], of: &str, peer: &[f64]) {
    let (ours, peer) = (spread(ours.iter().copied()), spread(peer.iter().copied()));
    println!(
        "{name:<22} {:.1} ns (min {:.1}, max {:.1}, aim 20); {of} takes {:.1} ns",
        ours.median, ours.min, ours.max, peer.median
    );
}

/// Prints one case.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn case(measured: &Measured) {
    let ratios = spread(measured.pairs.iter().map(|(ours, peer)| peer.seconds / ours.seconds));
    let rate = |seconds: f64| measured.rows as f64 / seconds / 1_000.0;
    let ours = spread(measured.pairs.iter().map(|(ours, _)| rate(ours.seconds)));
    let peer = spread(measured.pairs.iter().map(|(_, peer)| rate(peer.seconds)));
    let peak = measured.pairs.iter().map(|(ours, _)| ours.peak_bytes).max().unwrap_or(0);
    let aim = measured.aim.map_or_else(String::new, |aim| format!(", aim {aim:.2}"));
    println!(
        "{:<22} {:.2} x {} (min {:.2}, max {:.2}{aim}); {:.0} k/s against {:.0} k/s; peak {:.0} MiB",
        measured.name,
        ratios.median,
        measured.of,
        ratios.min,
        ratios.max,
        ours.median,
        peer.median,
        peak as f64 / f64::from(1 << 20),
    );
}

struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

fn spread(values: impl Iterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    Spread { min: at(0), median: at(values.len() / 2), max: at(values.len().saturating_sub(1)) }
}

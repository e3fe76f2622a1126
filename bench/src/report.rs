//! The only place that prints.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark's result is its output"
)]

use crate::child::Cost;
use crate::side::{Run, Runs};
use servers::Durability;
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

/// What commits promise, in a word.
pub(crate) fn promise(durability: Durability) -> &'static str {
    match durability {
        Durability::Relaxed => "relaxed",
        Durability::Durable => "durable",
    }
}

/// Prints what a copy at a rate does to updates, as the 99th percentiles of pairs of windows.
pub(crate) fn harm(rate: Option<u32>, promise: &str, alone: &[f64], beside: &[f64]) {
    let ratios = spread(alone.iter().zip(beside).map(|(alone, beside)| beside / alone));
    let (alone, beside) = (spread(alone.iter().copied()), spread(beside.iter().copied()));
    let rate = rate.map_or_else(|| "no bound".to_owned(), |rate| format!("{rate} rows/s"));
    println!(
        "harm, {promise} commits, copy at {rate:<12} p99 of an update {:.2} x (min {:.2}, max \
         {:.2}, aim 1.10); {:.2} ms against {:.2} ms",
        ratios.median, ratios.min, ratios.max, beside.median, alone.median
    );
}

/// Says what one run took.
pub(crate) fn ran(name: &str, rows: u64, cost: &Cost) {
    eprintln!("  {name}: {:.2} s, {:.0} k/s", cost.seconds, thousands(rows, cost.seconds));
}

/// Prints how ours compares with each peer, and what everybody used.
pub(crate) fn contest(name: &str, rows: u64, ours: &[Run], peers: &[Runs<'_>], servers: &[&str]) {
    println!("{name}");
    for peer in peers {
        let pairs = ours.iter().zip(&peer.runs);
        let ratios = spread(pairs.map(|(ours, peer)| peer.cost.seconds / ours.cost.seconds));
        let aim = peer.aim.map_or_else(String::new, |aim| format!(", aim {aim:.2}"));
        println!(
            "  {:.2} x {} (min {:.2}, max {:.2}{aim})",
            ratios.median, peer.name, ratios.min, ratios.max
        );
    }
    used("ours", rows, ours, servers);
    for peer in peers {
        used(peer.name, rows, &peer.runs, servers);
    }
}

/// Prints the rate of a side, and what it used.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn used(name: &str, rows: u64, runs: &[Run], servers: &[&str]) {
    let rate = spread(runs.iter().map(|run| thousands(rows, run.cost.seconds))).median;
    let millions = rows as f64 / 1e6;
    let client = spread(runs.iter().map(|run| run.cost.cpu_seconds / millions)).median;
    let servers: String = servers
        .iter()
        .enumerate()
        .map(|(place, server)| {
            let used = runs.iter().filter_map(|run| run.servers.get(place));
            format!(", {server} {:.1}", spread(used.map(|seconds| seconds / millions)).median)
        })
        .collect();
    let peak = runs.iter().map(|run| run.cost.peak_bytes).max().unwrap_or(0);
    println!(
        "    {name:<24} {rate:>5.0} k/s; CPU s per million: itself {client:.1}{servers}; peak {:.0} MiB",
        peak as f64 / f64::from(1 << 20),
    );
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn thousands(rows: u64, seconds: f64) -> f64 {
    rows as f64 / seconds / 1_000.0
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

//! The only place that prints.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark's result is its output"
)]

mod spread;

use crate::side::{Run, Runs, Subject};
use servers::Durability;
use spread::Spread;
use std::time::Duration;

/// Prints what a peer's work took.
pub(crate) fn seconds(elapsed: Duration) {
    println!("seconds {}", elapsed.as_secs_f64());
}

/// Prints why a benchmark could not run.
pub(crate) fn complain(error: &dyn std::error::Error) {
    eprintln!("bench: {error}");
}

/// Says what happens that does not count.
pub(crate) fn note(what: &str) {
    eprintln!("{what}");
}

/// Says what is being measured.
pub(crate) fn begin(subject: &Subject<'_>, runs: usize) {
    eprintln!("{}: {runs} pairs ...", title(subject));
}

/// Says what one run took.
pub(crate) fn ran(name: &str, run: &Run) {
    let (seconds, rate) = (run.cost.seconds, run.thousands());
    eprintln!("  {name}: {} in {seconds:.2} s, {rate:.0} k/s", run.rows);
}

/// Prints the last run of ours beside that of a peer: what is left if the benchmark is interrupted.
pub(crate) fn pair(subject: &Subject<'_>, round: usize, ours: &Runs<'_>, peer: &Runs<'_>) {
    let (Some(mine), Some(theirs)) = (ours.runs.last(), peer.runs.last()) else { return };
    let (mine, theirs) = (mine.thousands(), theirs.thousands());
    println!(
        "{}, pair {}: {:.2} x {} ({mine:.1} k/s against {theirs:.1} k/s)",
        title(subject),
        round + 1,
        mine / theirs,
        peer.name,
    );
}

/// Prints what one call takes, beside another.
pub(crate) fn nanoseconds(name: &str, ours: &[f64], of: &str, peer: &[f64]) {
    let (ours, peer) = (Spread::of(ours.iter().copied()), Spread::of(peer.iter().copied()));
    println!(
        "{name:<22} {:.1} ns (min {:.1}, max {:.1}, aim 20); {of} takes {:.1} ns",
        ours.median, ours.min, ours.max, peer.median
    );
}

/// What commits promise, in a word.
fn promise(durability: Durability) -> &'static str {
    match durability {
        Durability::Relaxed => "relaxed",
        Durability::Durable => "durable",
    }
}

fn title(Subject { case, table, durability }: &Subject<'_>) -> String {
    let commits = durability.map(|durability| format!(", {} commits", promise(durability)));
    format!("{case}, {table} table{}", commits.unwrap_or_default())
}

/// What was measured, for the tables at the end.
#[derive(Debug, Default)]
pub(crate) struct Report {
    contests: Vec<String>,
    harm: Vec<String>,
}

impl Report {
    /// Prints how ours compares with each peer, and what everybody used.
    pub(crate) fn contest(
        &mut self,
        subject: &Subject<'_>,
        ours: &Runs<'_>,
        peers: &[Runs<'_>],
        servers: &[&str],
    ) {
        println!("{}", title(subject));
        for peer in peers {
            let ratios = Spread::of(ratios(ours, peer));
            let aim = peer.aim.map_or_else(String::new, |aim| format!(", aim {aim:.2}"));
            println!("  {} x {}{aim}", ratios.text(), peer.name);
            self.contests.push(line(subject, ours, peer));
        }
        for side in std::iter::once(ours).chain(peers) {
            used(side, servers);
        }
    }

    /// Prints what a copy at a rate does to updates, as the 99th percentiles of pairs of windows.
    pub(crate) fn harm(
        &mut self,
        subject: &Subject<'_>,
        rate: &str,
        aim: Option<f64>,
        alone: &[f64],
        beside: &[f64],
    ) {
        let ratios = Spread::of(alone.iter().zip(beside).map(|(alone, beside)| beside / alone));
        let [alone, beside] = [alone, beside].map(|figures| Spread::of(figures.iter().copied()));
        println!(
            "{}, copy with {rate}: p99 of an update {} x{}; {:.2} ms against {:.2} ms",
            title(subject),
            ratios.text(),
            aim.map_or_else(String::new, |aim| format!(", aim {aim:.2}")),
            beside.median,
            alone.median
        );
        let aim = aim.map_or_else(String::new, |aim| format!("{aim:.2}"));
        self.harm.push(format!(
            "| {} | {} | {rate} | {} | {aim} | {:.2} | {:.2} |",
            subject.table,
            subject.durability.map_or("", promise),
            ratios.text(),
            beside.median,
            alone.median
        ));
    }

    /// Prints all that was measured as tables in Markdown.
    pub(crate) fn end(&self) {
        if !self.contests.is_empty() {
            println!(
                "\n| case | table | commits | peer | ratio | aim | k/s, ours / peer | CPU s per \
                 million, ours: program + servers | peer: program + servers | peak MiB, ours / \
                 peer |\n|---|---|---|---|---|---|---|---|---|---|"
            );
            self.contests.iter().for_each(|line| println!("{line}"));
        }
        if !self.harm.is_empty() {
            println!(
                "\n| table | commits | copy | p99, beside / alone | aim | beside, ms | alone, ms |\n\
                 |---|---|---|---|---|---|---|"
            );
            self.harm.iter().for_each(|line| println!("{line}"));
        }
    }
}

/// How many times as fast ours was, in each pair.
fn ratios(ours: &Runs<'_>, peer: &Runs<'_>) -> impl Iterator<Item = f64> {
    ours.runs.iter().zip(&peer.runs).map(|(ours, peer)| ours.thousands() / peer.thousands())
}

/// A line of the table.
fn line(subject: &Subject<'_>, ours: &Runs<'_>, peer: &Runs<'_>) -> String {
    let cpu = |side: &Runs<'_>| {
        let program = Spread::of(side.runs.iter().map(Run::cpu_per_million)).median;
        let servers = Spread::of(side.runs.iter().map(|run| {
            let places = 0..run.servers.len();
            places.map(|place| run.server_per_million(place)).sum()
        }));
        if side.runs.iter().all(|run| run.servers.is_empty()) {
            return format!("{program:.1}");
        }
        format!("{program:.1} + {:.1}", servers.median)
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {:.1} / {:.1} | {} | {} | {} / {} |",
        subject.case,
        subject.table,
        subject.durability.map_or("", promise),
        peer.name,
        Spread::of(ratios(ours, peer)).text(),
        peer.aim.map_or_else(String::new, |aim| format!("{aim:.2}")),
        rate(ours),
        rate(peer),
        cpu(ours),
        cpu(peer),
        peak(ours),
        peak(peer),
    )
}

/// Prints the rate of a side, and what it used.
fn used(side: &Runs<'_>, servers: &[&str]) {
    let client = Spread::of(side.runs.iter().map(Run::cpu_per_million)).median;
    let servers: String = servers
        .iter()
        .enumerate()
        .map(|(place, server)| {
            let used = side.runs.iter().map(|run| run.server_per_million(place));
            format!(", {server} {:.1}", Spread::of(used).median)
        })
        .collect();
    println!(
        "    {:<24} {:>5.1} k/s; CPU s per million: itself {client:.1}{servers}; peak {} MiB",
        side.name,
        rate(side),
        peak(side)
    );
}

fn rate(side: &Runs<'_>) -> f64 {
    Spread::of(side.runs.iter().map(Run::thousands)).median
}

/// The most memory of any run, in MiB.
fn peak(side: &Runs<'_>) -> u64 {
    side.runs.iter().map(|run| run.cost.peak_bytes).max().unwrap_or(0) >> 20
}

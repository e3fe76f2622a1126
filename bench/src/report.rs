//! The only place that prints.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark's result is its output"
)]

mod spread;

use crate::child::Failure;
use crate::side::{Run, Runs, Subject};
use servers::Durability;
use spread::{NONE, Spread};
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
    let pair = format!("{}, pair {}", title(subject), round + 1);
    match (ours.rounds.last(), peer.rounds.last()) {
        (Some(Ok(mine)), Some(Ok(theirs))) => {
            let (mine, theirs) = (mine.thousands(), theirs.thousands());
            let (ratio, peer) = (mine / theirs, peer.name);
            println!("{pair}: {ratio:.2} x {peer} ({mine:.1} k/s against {theirs:.1} k/s)");
        }
        (_, Some(Err(error))) => println!("{pair}: left out, {error}"),
        _ => {}
    }
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
    pub(crate) contests: Vec<String>,
    /// Pairs whose peer failed.
    pub(crate) left_out: Vec<String>,
    /// Peers that there is no pair with.
    lost: Vec<String>,
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
            println!("  {} x {}{aim}, {} pairs", ratios.text(), peer.name, pairs(peer));
            self.contests.push(line(subject, ours, peer));
            self.failures(subject, peer);
        }
        for side in std::iter::once(ours).chain(peers) {
            used(side, servers);
        }
    }

    /// Takes note of the pairs that a peer's failure left out.
    fn failures(&mut self, subject: &Subject<'_>, peer: &Runs<'_>) {
        let rounds = peer.rounds.iter().enumerate();
        let failed = rounds.filter_map(|(round, run)| run.as_ref().err().map(|e| (round, e)));
        self.left_out.extend(
            failed.map(|(round, error)| format!("{}, pair {}: {error}", title(subject), round + 1)),
        );
        if peer.done().next().is_none() {
            self.lost.push(format!("{} ({})", peer.name, title(subject)));
        }
    }

    /// Fails if there is a peer that ours was not compared with at all.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        match self.lost.as_slice() {
            [] => Ok(()),
            lost => Err(format!("all pairs failed with {}", lost.join(", ")).into()),
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
                "\n| case | table | commits | peer | pairs | ratio | aim | k/s, ours / peer | CPU s \
                 per million, ours: program + servers | peer: program + servers | peak MiB, ours / \
                 peer |\n|---|---|---|---|---|---|---|---|---|---|---|"
            );
            self.contests.iter().for_each(|line| println!("{line}"));
        }
        if !self.left_out.is_empty() {
            println!("\nLeft out, because the peer failed:\n");
            self.left_out.iter().for_each(|line| println!("- {line}"));
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
    let rounds = ours.rounds.iter().zip(&peer.rounds);
    rounds.filter_map(|(ours, peer)| {
        Some(ours.as_ref().ok()?.thousands() / peer.as_ref().ok()?.thousands())
    })
}

/// How many pairs a ratio rests on: `5`, or `4 of 5` where some were left out.
fn pairs(peer: &Runs<'_>) -> String {
    match (peer.done().count(), peer.rounds.len()) {
        (done, all) if done == all => all.to_string(),
        (done, all) => format!("{done} of {all}"),
    }
}

/// A line of the table.
fn line(subject: &Subject<'_>, ours: &Runs<'_>, peer: &Runs<'_>) -> String {
    let cpu = |side: &Runs<'_>| {
        let program = Spread::of(side.done().map(Run::cpu_per_million)).middle();
        let servers = Spread::of(side.done().map(|run| {
            let places = 0..run.servers.len();
            places.map(|place| run.server_per_million(place)).sum()
        }));
        if side.done().all(|run| run.servers.is_empty()) {
            return program;
        }
        format!("{program} + {}", servers.middle())
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} / {} | {} | {} | {} / {} |",
        subject.case,
        subject.table,
        subject.durability.map_or("", promise),
        peer.name,
        pairs(peer),
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
    let client = Spread::of(side.done().map(Run::cpu_per_million)).middle();
    let servers: String = servers
        .iter()
        .enumerate()
        .map(|(place, server)| {
            let used = side.done().map(|run| run.server_per_million(place));
            format!(", {server} {}", Spread::of(used).middle())
        })
        .collect();
    println!(
        "    {:<24} {:>5} k/s; CPU s per million: itself {client}{servers}; peak {} MiB",
        side.name,
        rate(side),
        peak(side)
    );
}

fn rate(side: &Runs<'_>) -> String {
    Spread::of(side.done().map(Run::thousands)).middle()
}

/// The most memory of any run, in MiB.
fn peak(side: &Runs<'_>) -> String {
    let peak = side.done().map(|run| run.cost.peak_bytes >> 20).max();
    peak.map_or_else(|| NONE.to_owned(), |mib| mib.to_string())
}

//! Sides that do the same work, run in turn.

#[cfg(test)]
mod tests;

use crate::child::{Cost, Failure};
use crate::cpu;
use crate::report::{self, Report};
use servers::Durability;

/// Connections to the target of a peer: as many as ours has workers.
pub(crate) const CONNECTIONS: u64 = 4;

/// Most characters of what is told of a failure.
const LINE_MAX: usize = 500;

/// A thing with a name that does the work.
pub(crate) trait Side {
    /// Its name, for people.
    fn name(&self) -> &str;

    /// How many records its work is, where that is not all: rates are compared, not times.
    fn rows(&self) -> Option<u64> {
        None
    }

    /// Makes everything as it is before the work. Does not count.
    fn prepare(&self) -> Result<(), Failure>;

    /// Does the work.
    fn run(&self) -> Result<Cost, Failure>;

    /// Fails if the work is not done: a fast copy of nothing is no result.
    fn check(&self) -> Result<(), Failure>;
}

/// A side that ours is compared with.
pub(crate) struct Peer<'a> {
    pub(crate) side: Box<dyn Side + 'a>,
    /// How many times as fast ours should be.
    pub(crate) aim: Option<f64>,
}

impl<'a> Peer<'a> {
    pub(crate) fn new(side: impl Side + 'a, aim: Option<f64>) -> Self {
        Self { side: Box::new(side), aim }
    }
}

/// What one run of a side cost, the servers included.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Records that were worked on.
    pub(crate) rows: u64,
    pub(crate) cost: Cost,
    /// CPU seconds of each server meanwhile.
    pub(crate) servers: Vec<f64>,
}

/// What is done, on what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) case: &'a str,
    pub(crate) table: &'a str,
    /// What commits promise, on servers.
    pub(crate) durability: Option<Durability>,
}

/// Ours and its peers on the same work.
pub(crate) struct Contest<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) rows: u64,
    pub(crate) ours: &'a dyn Side,
    pub(crate) peers: &'a [Peer<'a>],
    /// The servers' names and process ids.
    pub(crate) servers: Vec<(&'static str, u32)>,
}

/// Runs of one side, with its name.
pub(crate) struct Runs<'a> {
    pub(crate) name: &'a str,
    pub(crate) aim: Option<f64>,
    /// One for each round; what a peer said where it failed.
    pub(crate) rounds: Vec<Result<Run, String>>,
}

impl<'a> Runs<'a> {
    fn none(name: &'a str, aim: Option<f64>) -> Self {
        Self { name, aim, rounds: Vec::new() }
    }

    /// Those that did the work.
    pub(crate) fn done(&self) -> impl Iterator<Item = &Run> {
        self.rounds.iter().flatten()
    }
}

impl Contest<'_> {
    /// Runs every side `runs` times, in turn, and prints how ours compares: each pair at once, then
    /// all. A pair whose peer fails is left out; where ours fails there is nothing to compare.
    pub(crate) fn hold(&self, runs: usize, report: &mut Report) -> Result<(), Failure> {
        report::begin(&self.subject, runs);
        let mut ours = Runs::none(self.ours.name(), None);
        let mut peers: Vec<Runs<'_>> =
            self.peers.iter().map(|peer| Runs::none(peer.side.name(), peer.aim)).collect();
        for round in 0..runs {
            // Whoever comes first finds the machine as the round before has left it.
            if round % 2 == 0 {
                ours.rounds.push(Ok(self.run(self.ours)?));
            }
            for (peer, runs) in self.peers.iter().zip(&mut peers) {
                let run = self.run(&*peer.side).map_err(|error| one_line(&error.to_string()));
                runs.rounds.push(run);
                if round % 2 == 0 {
                    report::pair(&self.subject, round, &ours, runs);
                }
            }
            if round % 2 == 1 {
                ours.rounds.push(Ok(self.run(self.ours)?));
                peers.iter().for_each(|peer| report::pair(&self.subject, round, &ours, peer));
            }
        }
        let servers: Vec<&str> = self.servers.iter().map(|(name, _)| *name).collect();
        report.contest(&self.subject, &ours, &peers, &servers);
        Ok(())
    }

    fn run(&self, side: &dyn Side) -> Result<Run, Failure> {
        let rows = side.rows().unwrap_or(self.rows);
        let failed = |error| format!("{}: {error}", side.name());
        side.prepare().map_err(failed)?;
        let before = self.cpu();
        let cost = side.run().map_err(failed)?;
        let servers = self.cpu().iter().zip(before).map(|(after, before)| after - before).collect();
        side.check().map_err(failed)?;
        let run = Run { rows, cost, servers };
        report::ran(side.name(), &run);
        Ok(run)
    }

    fn cpu(&self) -> Vec<f64> {
        self.servers.iter().map(|(_, process)| cpu::of_family(*process)).collect()
    }
}

/// What a program said, in one line: how it began and how it ended.
fn one_line(error: &str) -> String {
    let mut lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("it said nothing").to_owned();
    let whole =
        lines.next_back().map_or_else(|| first.clone(), |last| format!("{first} ... {last}"));
    match whole.char_indices().nth(LINE_MAX) {
        Some((end, _)) => format!("{} ...", &whole[..end]),
        None => whole,
    }
}

//! Sides that do the same work, run in turn.

use crate::child::{Cost, Failure};
use crate::cpu;
use crate::report;

/// Connections to the target of a peer: as many as ours has workers.
pub(crate) const CONNECTIONS: u64 = 2;

/// A thing with a name that does the work.
pub(crate) trait Side {
    /// Its name, for people.
    fn name(&self) -> &str;

    /// Makes everything as it is before the work. Does not count.
    fn prepare(&self) -> Result<(), Failure>;

    /// Does the work.
    fn run(&self) -> Result<Cost, Failure>;

    /// Fails if the work is not done: a fast copy of nothing is no result.
    fn check(&self) -> Result<(), Failure>;
}

/// A side that ours is compared with.
pub(crate) struct Peer<'a> {
    pub(crate) side: &'a dyn Side,
    /// How many times as fast ours should be.
    pub(crate) aim: Option<f64>,
}

/// What one run of a side cost, the servers included.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) cost: Cost,
    /// CPU seconds of each server meanwhile.
    pub(crate) servers: Vec<f64>,
}

/// Ours and its peers on the same work.
pub(crate) struct Contest<'a> {
    /// What is done, on what.
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) ours: &'a dyn Side,
    pub(crate) peers: Vec<Peer<'a>>,
    /// The servers' names and process ids.
    pub(crate) servers: Vec<(&'static str, u32)>,
}

/// Runs of one side, with its name.
pub(crate) struct Runs<'a> {
    pub(crate) name: &'a str,
    pub(crate) aim: Option<f64>,
    pub(crate) runs: Vec<Run>,
}

impl Contest<'_> {
    /// Runs every side `runs` times, in turn, and prints how ours compares.
    pub(crate) fn hold(&self, runs: usize) -> Result<(), Failure> {
        report::begin(&self.name, runs);
        let side = |side: &dyn Side| self.run(side);
        let mut ours = Vec::new();
        let mut peers: Vec<Vec<Run>> = self.peers.iter().map(|_| Vec::new()).collect();
        for round in 0..runs {
            // Whoever comes first finds the machine as the round before has left it.
            if round % 2 == 0 {
                ours.push(side(self.ours)?);
            }
            for (peer, runs) in self.peers.iter().zip(&mut peers) {
                runs.push(side(peer.side)?);
            }
            if round % 2 == 1 {
                ours.push(side(self.ours)?);
            }
        }
        let peers = self.peers.iter().zip(peers);
        let peers: Vec<Runs<'_>> = peers
            .map(|(peer, runs)| Runs { name: peer.side.name(), aim: peer.aim, runs })
            .collect();
        let servers: Vec<&str> = self.servers.iter().map(|(name, _)| *name).collect();
        report::contest(&self.name, self.rows, &ours, &peers, &servers);
        Ok(())
    }

    fn run(&self, side: &dyn Side) -> Result<Run, Failure> {
        side.prepare()?;
        let before = self.cpu();
        let cost = side.run()?;
        let servers = self.cpu().iter().zip(before).map(|(after, before)| after - before).collect();
        side.check().map_err(|error| format!("{}: {error}", side.name()))?;
        report::ran(side.name(), self.rows, &cost);
        Ok(Run { cost, servers })
    }

    fn cpu(&self) -> Vec<f64> {
        self.servers.iter().map(|(_, process)| cpu::of_family(*process)).collect()
    }
}

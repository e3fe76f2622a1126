//! Mirrored reads: repeats a read on the other store, off the response path, and says what became
//! of it.
//!
//! Under live writes a difference is not yet a finding: the other store may be a moment behind, or
//! the list may have changed in between. So the edges that differ become suspects, and are read
//! again from both stores at growing intervals. A suspect is cleared once the target shows what
//! the source showed before it; one that stays as it is while the source stands still is different.

use crate::clock::Clock;
use crate::edge::{Edge, ListDigest};
use crate::list::ListReader;
use crate::read_log::{Answer, ReadLog};
use crate::tally::Tally;
use cutover::{Decision, MirrorOutcome, Reader, Store};
use migration::error::Result;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Reads that may wait to be mirrored; beyond it they are dropped, and counted.
pub(crate) const WAITING_MAX: usize = 256;
/// Lists under suspicion at a time; beyond it they are dropped, and counted.
const SUSPECTS_MAX: usize = 512;
/// How often a suspect is read again. With [`RECHECK_WAIT_MAX`] between, that is 20 seconds: more
/// than a phase that was killed needs to start again and catch up.
const RECHECKS_MAX: usize = 24;
const RECHECK_WAIT: Duration = Duration::from_millis(50);
const RECHECK_WAIT_MAX: Duration = Duration::from_secs(1);

/// A read to repeat.
#[derive(Debug)]
pub(crate) struct MirrorJob {
    pub(crate) list: Arc<str>,
    pub(crate) decision: Decision,
    /// The store that answered.
    pub(crate) store: Store,
    /// What it answered.
    pub(crate) digest: ListDigest,
}

/// The digests of a list's edges, by follower.
type Edges = HashMap<String, u128>;

/// A list that differed, with what the source said of the edges that did.
#[derive(Debug)]
struct Suspect {
    job: MirrorJob,
    /// How long the repeated read took.
    latency: Duration,
    pending: Pending,
    rechecks: usize,
    due: Instant,
}

/// Edges that differed when they were last read.
#[derive(Debug, Default)]
struct Pending(HashMap<String, Seen>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// What the source held; none if nothing.
    source: Option<u128>,
    /// Whether that was so at the read before, too.
    stands: bool,
}

impl Pending {
    fn new(source: &Edges, target: &Edges) -> Self {
        let mut pending = HashMap::new();
        for follower in source.keys().chain(target.keys()) {
            let (source, target) = (source.get(follower), target.get(follower));
            if source != target {
                pending.insert(follower.clone(), Seen { source: source.copied(), stands: false });
            }
        }
        Self(pending)
    }

    /// Clears the edges that the target has now as the source had them last time, or has them now.
    fn clear(&mut self, source: &Edges, target: &Edges) {
        self.0.retain(|follower, seen| {
            let (now, target) = (source.get(follower).copied(), target.get(follower).copied());
            let cleared = target == seen.source || target == now;
            *seen = Seen { source: now, stands: now == seen.source };
            !cleared
        });
    }

    /// What is left to say when there is no more time.
    fn verdict(&self) -> MirrorOutcome {
        if self.0.is_empty() {
            MirrorOutcome::Lag
        } else if self.0.values().any(|seen| seen.stands) {
            MirrorOutcome::Different
        } else {
            // Everything that differs is still moving: nothing was compared in the end.
            MirrorOutcome::Failed
        }
    }
}

/// The one thread that mirrors.
#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) lists: ListReader,
    pub(crate) switch: Arc<Reader>,
    pub(crate) log: Arc<ReadLog>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) clock: Clock,
    suspects: VecDeque<Suspect>,
}

impl Mirror {
    pub(crate) fn new(
        lists: ListReader,
        switch: Arc<Reader>,
        log: Arc<ReadLog>,
        tally: Arc<Tally>,
        clock: Clock,
    ) -> Self {
        Self { lists, switch, log, tally, clock, suspects: VecDeque::new() }
    }

    /// Mirrors until the readers are gone. Suspects that are left then are dropped, and counted.
    pub(crate) fn run(mut self, jobs: &Receiver<MirrorJob>) -> Result<()> {
        loop {
            let now = Instant::now();
            let next_due = self.suspects.iter().map(|suspect| suspect.due).min();
            let wait = next_due.map_or(RECHECK_WAIT_MAX, |due| due.saturating_duration_since(now));
            match jobs.recv_timeout(wait) {
                Ok(job) => self.repeat(job)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.recheck_due();
        }
        self.tally.mirror.dropped.add(u64::try_from(self.suspects.len()).unwrap_or(0));
        Ok(())
    }

    fn repeat(&mut self, job: MirrorJob) -> Result<()> {
        let other = match job.store {
            Store::Old => Store::New,
            Store::New => Store::Old,
        };
        let (begun_at, began) = (self.clock.now(), Instant::now());
        let edges = self.lists.read(other, &job.list);
        let (ended_at, latency) = (self.clock.now(), began.elapsed());
        let Ok(edges) = edges else {
            self.report(&job.decision, MirrorOutcome::Failed, latency);
            return Ok(());
        };
        let digest = ListDigest::of(&edges);
        let (list, decision) = (&*job.list, &job.decision);
        let (store, answered) = (other, false);
        self.log.note(&Answer { list, decision, store, answered, begun_at, ended_at, digest })?;
        if digest == job.digest {
            self.report(&job.decision, MirrorOutcome::Same, latency);
        } else if self.suspects.len() == SUSPECTS_MAX {
            self.tally.mirror.dropped.add(1);
        } else if let Some((source, target)) = self.read_both(&job.list) {
            let pending = Pending::new(&source, &target);
            let due = Instant::now() + RECHECK_WAIT;
            self.suspects.push_back(Suspect { job, latency, pending, rechecks: 0, due });
        } else {
            self.report(&job.decision, MirrorOutcome::Failed, latency);
        }
        Ok(())
    }

    /// Looks at every suspect whose time has come.
    fn recheck_due(&mut self) {
        let now = Instant::now();
        for _ in 0..self.suspects.len() {
            let Some(mut suspect) = self.suspects.pop_front() else { return };
            if suspect.due > now || self.recheck(&mut suspect).is_none() {
                self.suspects.push_back(suspect);
            }
        }
    }

    /// Reads a suspect again; returns once there is nothing more to do about it.
    fn recheck(&mut self, suspect: &mut Suspect) -> Option<()> {
        if !suspect.pending.0.is_empty()
            && let Some((source, target)) = self.read_both(&suspect.job.list)
        {
            suspect.pending.clear(&source, &target);
        }
        suspect.rechecks += 1;
        if !suspect.pending.0.is_empty() && suspect.rechecks < RECHECKS_MAX {
            let factor = 1 << suspect.rechecks.min(8);
            suspect.due = Instant::now() + (RECHECK_WAIT * factor).min(RECHECK_WAIT_MAX);
            return None;
        }
        self.report(&suspect.job.decision, suspect.pending.verdict(), suspect.latency);
        Some(())
    }

    /// The target first: what it shows then is never newer than what the source shows.
    fn read_both(&mut self, list: &str) -> Option<(Edges, Edges)> {
        let target = self.lists.read(Store::New, list).ok()?;
        let source = self.lists.read(Store::Old, list).ok()?;
        Some((by_follower(source), by_follower(target)))
    }

    fn report(&self, decision: &Decision, outcome: MirrorOutcome, latency: Duration) {
        self.switch.report(decision, outcome, latency);
        let mirror = &self.tally.mirror;
        match outcome {
            MirrorOutcome::Same => mirror.same.add(1),
            MirrorOutcome::Different => mirror.different.add(1),
            MirrorOutcome::Lag => mirror.lag.add(1),
            MirrorOutcome::Failed => mirror.failed.add(1),
        }
    }
}

fn by_follower(edges: Vec<Edge>) -> Edges {
    edges
        .into_iter()
        .map(|edge| {
            let digest = edge.digest();
            (edge.dependent, digest)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Edges, Pending};
    use cutover::MirrorOutcome;

    fn edges(of: &[(&str, u128)]) -> Edges {
        of.iter().map(|&(follower, digest)| (follower.to_owned(), digest)).collect()
    }

    #[test]
    fn a_target_that_reaches_what_the_source_showed_was_behind() {
        let mut pending = Pending::new(&edges(&[("a", 2)]), &edges(&[("a", 1), ("b", 1)]));
        pending.clear(&edges(&[("a", 3)]), &edges(&[("a", 2)]));
        assert_eq!(pending.verdict(), MirrorOutcome::Lag);
    }

    #[test]
    fn an_edge_that_the_target_never_gives_up_is_different() {
        let (source, target) = (edges(&[]), edges(&[("deleted", 1)]));
        let mut pending = Pending::new(&source, &target);
        for _ in 0..3 {
            pending.clear(&source, &target);
        }
        assert_eq!(pending.verdict(), MirrorOutcome::Different);
    }

    #[test]
    fn an_edge_that_moves_at_every_look_is_not_called_the_same() {
        let target = edges(&[("a", 0)]);
        let mut pending = Pending::new(&edges(&[("a", 1)]), &target);
        for version in 2..5 {
            pending.clear(&edges(&[("a", version)]), &target);
        }
        assert_eq!(pending.verdict(), MirrorOutcome::Failed);
    }
}

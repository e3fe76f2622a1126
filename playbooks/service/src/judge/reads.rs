//! Judges every answer: that it was a state of its list, at its time, from a store that might
//! answer.

use super::expected::Expected;
use super::finding::Findings;
use super::history::Seen;
use super::stages::Stages;
use crate::read_log::ReadLine;
use cutover::Store;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The big red switch has to reach every reader within this.
const ROLLBACK_MAX: Duration = Duration::from_secs(1);

/// Reads, as they were logged.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    target: Vec<TargetRead>,
    judged: JudgedReads,
}

#[derive(Debug, Clone, Copy)]
struct TargetRead {
    list: u32,
    answered: bool,
    seen: Seen,
}

/// Reads, judged.
#[derive(Debug, Default)]
pub(crate) struct JudgedReads {
    /// Reads of the source.
    pub(crate) source: u64,
    /// Lists that the target answered.
    pub(crate) answered: u64,
    /// Lists that were read from the target beside an answer of the source.
    pub(crate) mirrored: u64,
    /// By stage generation: answers of the source, and of the target.
    pub(crate) by_generation: BTreeMap<u32, (u64, u64)>,
    /// The longest time from a rollback to the last answer of the target after it; none without a
    /// rollback.
    pub(crate) rollback: Option<Duration>,
    /// How old the answers of the target were.
    pub(crate) staleness: Staleness,
    /// The same of mirrored reads.
    pub(crate) staleness_mirrored: Staleness,
}

/// How long ago answers had been superseded.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Staleness {
    pub(crate) max: Duration,
    pub(crate) p99: Duration,
}

impl Reads {
    /// Takes in one line of the read log.
    pub(crate) fn hear(
        &mut self,
        line: &ReadLine,
        expected: &Expected,
        stages: &Stages,
        findings: &mut Findings,
    ) {
        let Some(((list, history), digest)) = expected.history(&line.list).zip(line.list_digest())
        else {
            findings.add("a read names no list, or no digest", || line.list.clone());
            return;
        };
        let seen = Seen { digest, begun_at: line.begun_at, ended_at: line.ended_at };
        if line.answered {
            let counts = self.judged.by_generation.entry(line.generation).or_default();
            match line.store {
                Store::Old => counts.0 += 1,
                Store::New => counts.1 += 1,
            }
        }
        if line.store == Store::Old {
            self.judged.source += 1;
            if !history.was_current(seen) {
                findings.add("the source answered what did not hold then", || at(line));
            }
            return;
        }
        if line.answered {
            let objection = stages.objection(&line.list, line.generation, line.begun_at);
            if let Some(objection) = objection {
                findings.add(objection, || at(line));
            }
        }
        self.target.push(TargetRead { list, answered: line.answered, seen });
    }

    /// Judges what needs all of them.
    pub(crate) fn judge(
        mut self,
        expected: &Expected,
        stages: &Stages,
        findings: &mut Findings,
    ) -> JudgedReads {
        self.target.sort_by_key(|read| read.seen.begun_at);
        check_order(&self.target, expected, findings);
        let mut judged = self.judged;
        judged.rollback = slowest_rollback(&self.target, stages);
        if judged.rollback.is_some_and(|slowest| slowest > ROLLBACK_MAX) {
            findings.add("a rollback took effect late", || format!("{:?}", judged.rollback));
        }
        let (answered, mirrored): (Vec<_>, Vec<_>) =
            self.target.iter().partition(|read| read.answered);
        judged.answered = u64::try_from(answered.len()).unwrap_or(u64::MAX);
        judged.mirrored = u64::try_from(mirrored.len()).unwrap_or(u64::MAX);
        judged.staleness = staleness(&answered, expected);
        judged.staleness_mirrored = staleness(&mirrored, expected);
        judged
    }
}

impl JudgedReads {
    /// Holds the staleness of answers against the lag that was printed.
    pub(crate) fn check_staleness(&self, lag_max: Duration, findings: &mut Findings) {
        let max = self.staleness.max;
        if max > lag_max {
            findings.add("an answer of the target was older than the lag that was printed", || {
                format!("{max:?} against {lag_max:?}")
            });
        }
    }
}

/// Places each read of the target in its list's history, not before any read that had ended when it
/// began: an edge that was gone and comes back finds no such place.
fn check_order(reads: &[TargetRead], expected: &Expected, findings: &mut Findings) {
    let mut placed: HashMap<u32, Placed> = HashMap::new();
    for read in reads {
        let history = expected.history_of(read.list);
        let placed = placed.entry(read.list).or_default();
        placed.settle(read.seen.begun_at);
        let name = || format!("{} at {}", expected.list_name(read.list), read.seen.begun_at);
        match history.earliest(read.seen, placed.floor) {
            Some(place) => placed.open.push((read.seen.ended_at, place)),
            None if history.earliest(read.seen, 0).is_some() => {
                findings.add("the target showed an older state after a newer one", name);
            }
            None => findings.add("the target showed what the list never was", name),
        }
    }
}

/// Where the reads of one list have been placed.
#[derive(Debug, Default)]
struct Placed {
    /// No later read may be placed before this.
    floor: usize,
    /// Reads that may overlap with the next one: when they ended, and their place.
    open: Vec<(i64, usize)>,
}

impl Placed {
    fn settle(&mut self, begun_at: i64) {
        let Self { floor, open } = self;
        open.retain(|&(ended_at, place)| {
            let overlaps = ended_at >= begun_at;
            if !overlaps {
                *floor = place.max(*floor);
            }
            overlaps
        });
    }
}

fn slowest_rollback(reads: &[TargetRead], stages: &Stages) -> Option<Duration> {
    let took = stages.rollbacks().map(|(thrown_at, until)| {
        let after = reads.iter().filter(|read| read.answered).map(|read| read.seen.begun_at);
        let last = after.filter(|&begun_at| begun_at >= thrown_at && begun_at < until).max();
        micros(last.map_or(0, |last| last - thrown_at))
    });
    took.max()
}

fn staleness(reads: &[&TargetRead], expected: &Expected) -> Staleness {
    let stale = |read: &&TargetRead| expected.history_of(read.list).staleness(read.seen);
    let mut all: Vec<i64> = reads.iter().filter_map(stale).collect();
    all.sort_unstable();
    let p99 = all.get(all.len() * 99 / 100).copied().unwrap_or(0);
    Staleness { max: micros(all.last().copied().unwrap_or(0)), p99: micros(p99) }
}

fn micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn at(line: &ReadLine) -> String {
    format!("{} at {}, generation {}", line.list, line.begun_at, line.generation)
}

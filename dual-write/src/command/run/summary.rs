//! What a run of the live path did.

use crate::counters::Counters;
use migration::checkpoint::progress::Activity;
use migration::cli::{Report, json};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a run of the live path did.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// `done` where the queue was drained, else `stopped`.
    ended: &'static str,
    consumed: u64,
    applied: u64,
    stale: u64,
    duplicate: u64,
    compacted: u64,
    dead_letters: u64,
    foreign: u64,
    /// Messages without a change.
    ignored: u64,
    /// Locks of a copy that did not come back in time.
    locks_revoked: u64,
    /// Batches refused because a newer consumer has the partition now.
    fenced: u64,
    rewinds: u64,
    #[serde(serialize_with = "json::seconds")]
    seconds: Duration,
}

impl Summary {
    pub(super) fn of(activity: Activity, counters: &Counters, time: Duration) -> Self {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            ended: activity.word(),
            consumed: get(&counters.consumed),
            applied: get(&counters.applied),
            stale: get(&counters.stale),
            duplicate: get(&counters.duplicate),
            compacted: get(&counters.compacted),
            dead_letters: get(&counters.dead),
            foreign: get(&counters.foreign),
            ignored: get(&counters.ignored),
            locks_revoked: get(&counters.locks_revoked),
            fenced: get(&counters.fenced),
            rewinds: get(&counters.rewinds),
            seconds: time,
        }
    }
}

impl Report for Summary {
    fn text(&self) -> String {
        format!(
            "{}: {} changes consumed in {:.1} s: {} applied, {} older than what was there, {} \
             applied before, {} overtaken by a later one, {} dead letters, {} of other tables, {} \
             without a change{}",
            self.ended,
            self.consumed,
            self.seconds.as_secs_f64(),
            self.applied,
            self.stale,
            self.duplicate,
            self.compacted,
            self.dead_letters,
            self.foreign,
            self.ignored,
            match self.fenced {
                0 => String::new(),
                fenced => format!("; {fenced} batches refused: a newer consumer has the partition"),
            }
        )
    }
}

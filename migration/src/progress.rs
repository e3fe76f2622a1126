//! Progress: one handle that a phase feeds once per batch, shown in four places.
//!
//! [`Progress`] holds the figures. [`Reporting`] shows them while it lives: as bars on a terminal
//! or as lines elsewhere, in the checkpoint store for `status`, and its snapshots are what
//! `/metrics` exports. All four show the same [`Snapshot`].

mod display;
mod line;
mod meter;
mod reporting;
mod view;

pub use display::Display;
pub(crate) use line::duration;
pub use line::line;
pub use reporting::Reporting;
pub use view::View;

use crate::checkpoint::progress::{Activity, Snapshot};
use crate::clock::Timestamp;
use crate::phase::Phase;
use crate::process::Process;
use crate::throttle::Throttle;
use meter::Meter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Below this share of the whole, an estimate of the end would be a guess.
const ESTIMATE_FROM: f64 = 0.01;

/// How far a process is. Clones are one.
#[derive(Debug, Clone)]
pub struct Progress {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    phase: &'static Phase,
    process: Process,
    throttle: Option<Arc<Throttle>>,
    done: AtomicU64,
    state: Mutex<State>,
}

/// What changes now and then.
#[derive(Debug)]
struct State {
    activity: Activity,
    total: Option<u64>,
    lag: Option<Duration>,
    counts: BTreeMap<&'static str, u64>,
    /// Which of the counts can also fall.
    levels: BTreeSet<&'static str>,
    meter: Meter,
}

impl Progress {
    /// Progress of a process that starts. What `throttle` says is what holds it back.
    #[must_use]
    pub fn new(phase: &'static Phase, process: &Process, throttle: Option<Arc<Throttle>>) -> Self {
        let state = State {
            activity: Activity::Starting,
            total: None,
            lag: None,
            counts: BTreeMap::new(),
            levels: BTreeSet::new(),
            meter: Meter::new(),
        };
        let inner = Inner {
            phase,
            process: process.clone(),
            throttle,
            done: AtomicU64::new(0),
            state: Mutex::new(state),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Begins with what was done before this process, which is no part of its rate.
    pub fn start_at(&self, done: u64) {
        self.inner.done.store(done, Ordering::Relaxed);
        self.change(|state| state.meter.restart(done));
    }

    /// Counts what a batch did.
    pub fn add(&self, count: u64) {
        self.inner.done.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts what the estimate of the whole says is left: everything is done, by whomever.
    pub fn complete(&self) {
        let total = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner).total;
        self.inner.done.fetch_max(total.unwrap_or(0), Ordering::Relaxed);
    }

    /// Says how many there are, about; `None` if nobody knows or there is no end.
    pub fn set_total(&self, total: Option<u64>) {
        self.change(|state| state.total = total);
    }

    /// Says how far the live path is behind; `None` if it is not known.
    pub fn set_lag(&self, lag: Option<Duration>) {
        self.change(|state| state.lag = lag);
    }

    /// Says what the process does.
    pub fn set_activity(&self, activity: Activity) {
        self.change(|state| state.activity = activity);
    }

    /// Adds to another count, named in snake case: `dead_letters`.
    pub fn count(&self, name: &'static str, count: u64) {
        self.change(|state| *state.counts.entry(name).or_default() += count);
    }

    /// Sets another count, where it is known rather than counted.
    pub fn set_count(&self, name: &'static str, count: u64) {
        self.change(|state| *state.counts.entry(name).or_default() = count);
    }

    /// Sets a figure that rises and falls, such as `lag_messages`. Its name says its unit; one that
    /// ends in `_ms` is exported in seconds.
    pub fn set_level(&self, name: &'static str, level: u64) {
        self.change(|state| {
            state.levels.insert(name);
            *state.counts.entry(name).or_default() = level;
        });
    }

    /// Which of the counts can also fall.
    #[must_use]
    pub(crate) fn levels(&self) -> BTreeSet<&'static str> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner).levels.clone()
    }

    /// The phase.
    #[must_use]
    pub fn phase(&self) -> &'static Phase {
        self.inner.phase
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.inner.process
    }

    /// What holds the process back, if something can.
    #[must_use]
    pub fn throttle(&self) -> Option<&Arc<Throttle>> {
        self.inner.throttle.as_ref()
    }

    /// How far it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let inner = &*self.inner;
        let done = inner.done.load(Ordering::Relaxed);
        let throttle = inner.throttle.as_ref();
        let mut state = inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = state.meter.rate(done);
        let is_paused = throttle.is_some_and(|throttle| throttle.is_paused());
        let activity = match state.activity {
            Activity::Running | Activity::Standby if is_paused => Activity::Paused,
            activity => activity,
        };
        let mut snapshot = Snapshot {
            phase: inner.phase.name.to_owned(),
            process: inner.process.clone(),
            updated: Timestamp::now(),
            activity,
            unit: inner.phase.unit.to_owned(),
            done,
            total: state.total,
            rate,
            eta_s: None,
            lag_ms: state.lag.map(|lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
            throttle: throttle.filter(|_| !activity.is_over()).and_then(|t| t.reason()),
            counts: state.counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        };
        drop(state);
        snapshot.eta_s = estimate(&snapshot);
        snapshot
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.inner.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn estimate(snapshot: &Snapshot) -> Option<f64> {
    let left = snapshot.total?.checked_sub(snapshot.done)?;
    let can_tell = left > 0
        && snapshot.activity == Activity::Running
        && snapshot.rate > 0.0
        && snapshot.ratio().is_some_and(|ratio| ratio >= ESTIMATE_FROM);
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let seconds = left as f64 / snapshot.rate;
    can_tell.then_some(seconds)
}

#[cfg(test)]
mod tests;

//! Throttling: how fast a phase may go, and why it does not go faster.
//!
//! Two things slow a phase down: a rate, and holds. A hold has a name (`paused`, `lag`) and a
//! reason in words; while there is one, nothing goes on. Both change while the phase runs, and
//! every wait notices the change, and the shutdown, at once.

mod limiter;

use crate::checkpoint::desired::{Desired, DesiredWatch, Rate};
use crate::shutdown::Shutdown;
use arc_swap::ArcSwapOption;
use limiter::Limiter;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// The hold of an operator's pause.
pub const PAUSED: &str = "paused";

/// The name under which time spent waiting for the rate is counted.
pub const RATE: &str = "rate";

/// A rate that made somebody wait this lately is the reason for the present speed.
const LATELY: Duration = Duration::from_secs(2);

/// What slows a phase down. Shared by its workers; every change takes effect at once.
#[derive(Debug)]
pub struct Throttle {
    limiter: ArcSwapOption<Limiter>,
    /// Taken but not yet waited for.
    owed: AtomicU64,
    held: Mutex<Held>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Held {
    holds: BTreeMap<&'static str, String>,
    waited: BTreeMap<&'static str, Duration>,
    rate_waited: Option<Instant>,
}

impl Throttle {
    /// A throttle with a rate and no hold.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            limiter: ArcSwapOption::new(Limiter::new(rate).map(Arc::new)),
            owed: AtomicU64::new(0),
            held: Mutex::default(),
            changes: watch::Sender::new(()),
        }
    }

    /// Changes the rate.
    pub fn set_rate(&self, rate: Rate) {
        if self.rate() == rate {
            return;
        }
        self.limiter.store(Limiter::new(rate).map(Arc::new));
        if rate == Rate::Unlimited {
            self.owed.store(0, Ordering::Relaxed);
        }
        self.changes.send_replace(());
    }

    /// The rate.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.limiter.load().as_ref().map_or(Rate::Unlimited, |limiter| limiter.rate())
    }

    /// Lets nothing go on until [`Throttle::lift`] of the same name.
    pub fn hold(&self, name: &'static str, reason: impl Into<String>) {
        let before = self.held().holds.insert(name, reason.into());
        if before.is_none() {
            self.changes.send_replace(());
        }
    }

    /// Takes a hold away. Other holds stay.
    pub fn lift(&self, name: &'static str) {
        if self.held().holds.remove(name).is_some() {
            self.changes.send_replace(());
        }
    }

    /// Holds or lifts by what was measured: `Some` reason holds.
    pub fn hold_while(&self, name: &'static str, reason: Option<String>) {
        match reason {
            Some(reason) => self.hold(name, reason),
            None => self.lift(name),
        }
    }

    /// Does what the operator wants; `planned` is the rate where he set none.
    pub fn obey(&self, desired: &Desired, planned: Rate) {
        self.hold_while(PAUSED, desired.pause_reason());
        self.set_rate(desired.rate().unwrap_or(planned));
    }

    /// Does what the operator wants, as long as the returned handle lives. An abort begins
    /// `shutdown`.
    pub fn follow(
        self: &Arc<Self>,
        mut watch: DesiredWatch,
        planned: Rate,
        shutdown: &Shutdown,
    ) -> AbortOnDropHandle<()> {
        let (throttle, shutdown) = (Arc::clone(self), shutdown.clone());
        let mut desired = watch.current();
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                throttle.obey(&desired, planned);
                if desired.is_aborted() {
                    shutdown.begin();
                }
                desired = watch.changed().await;
            }
        }))
    }

    /// Accounts for what was done, so that the next [`Throttle::ready`] waits for it.
    pub fn took(&self, count: u64) {
        if self.limiter.load().is_some() {
            self.owed.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Waits while there is a hold, and until what was taken is paid for. Returns whether to go on:
    /// `false` once the shutdown has begun.
    pub async fn ready(&self, shutdown: &Shutdown) -> bool {
        let mut changes = self.changes.subscribe();
        loop {
            if shutdown.has_begun() {
                return false;
            }
            changes.mark_unchanged();
            let Some((name, wait)) = self.obstacle() else { return true };
            let began = Instant::now();
            tokio::select! {
                () = shutdown.begun() => {}
                // The sender lives in `self`, so this ends with a change only.
                _ = changes.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
            self.waited(name, began.elapsed());
        }
    }

    /// What is in the way, and how long at most until it is worth another look.
    fn obstacle(&self) -> Option<(&'static str, Duration)> {
        const LONGEST_LOOK: Duration = Duration::from_secs(1);
        if let Some(name) = self.held().holds.keys().next() {
            return Some((name, LONGEST_LOOK));
        }
        loop {
            let limiter = self.limiter.load_full()?;
            let owed = self.owed.load(Ordering::Relaxed);
            let part = limiter.part_of(owed)?;
            let rest = owed - u64::from(part.get());
            // Another worker may be paying too: then look again.
            if self.owed.compare_exchange(owed, rest, Ordering::Relaxed, Ordering::Relaxed).is_err()
            {
                continue;
            }
            if let Err(wait) = limiter.pay(part) {
                self.owed.fetch_add(part.get().into(), Ordering::Relaxed);
                return Some((RATE, wait.min(LONGEST_LOOK)));
            }
        }
    }

    fn waited(&self, name: &'static str, time: Duration) {
        let mut held = self.held();
        *held.waited.entry(name).or_default() += time;
        if name == RATE {
            held.rate_waited = Some(Instant::now());
        }
    }

    /// Why the phase does not go faster, in words; `None` if nothing holds it back.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let held = self.held();
        if !held.holds.is_empty() {
            return Some(held.holds.values().cloned().collect::<Vec<_>>().join("; "));
        }
        let lately = held.rate_waited.is_some_and(|at| at.elapsed() < LATELY);
        let rate = self.rate();
        (lately && rate != Rate::Unlimited).then(|| format!("rate {rate}"))
    }

    /// Whether an operator's pause holds.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.held().holds.contains_key(PAUSED)
    }

    /// Time that workers spent waiting, by name.
    #[must_use]
    pub fn waits(&self) -> BTreeMap<&'static str, Duration> {
        self.held().waited.clone()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

//! Leases: who may do a piece of work, for how long, and how he is told that he lost it.
//!
//! A lease keeps two processes from doing the same work twice. It cannot keep one that was paused
//! from waking up late: what makes that harmless is the fence in the target. So taking a lease over
//! too early costs work and never a record.
//!
//! Call order: [`acquire`] → ( [`Lease::renew`] )* → [`Lease::release`], or [`Lease::keep`] in
//! place of the renewals.

mod kept;

pub use kept::KeptLease;

use super::document::{self, Document};
use super::{CheckpointStore, Revision};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::position::Owner;
use crate::process::Process;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Attempts against others who change the lease at the same moment.
const ATTEMPTS_MAX: usize = 8;

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub process: Process,
    /// Since when.
    pub since: Timestamp,
    /// Until when, unless it is renewed.
    pub expires: Timestamp,
}

impl Holder {
    /// Whether its lease is as good as given back: it ran out, or the process is known to be gone.
    fn has_lapsed(&self, now: Timestamp) -> bool {
        self.expires <= now || self.process.is_gone()
    }
}

/// What is kept of a lease, also while nobody holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Grows with every holding, so that one is never taken for another.
    generation: u64,
    holder: Option<Holder>,
}

impl Document for State {
    const NAME: &'static str = "lease";
    const FORMAT: u32 = 1;
}

impl State {
    fn is_held_by(&self, generation: u64, owner: Owner) -> bool {
        self.generation == generation
            && self.holder.as_ref().is_some_and(|holder| holder.process.owner == owner)
    }
}

/// A lease that this process holds. One that is dropped without [`Lease::release`] runs out by
/// itself, and at once when the process ends.
#[derive(Debug)]
pub struct Lease {
    store: Arc<dyn CheckpointStore>,
    name: String,
    process: Process,
    generation: u64,
    since: Timestamp,
    duration: Duration,
    revision: Revision,
    /// When it runs out by this process's own steady clock.
    until: Instant,
}

/// Takes a lease if nobody holds it.
///
/// # Errors
/// `Fenced` if somebody does; the error names him. Otherwise those of the store.
pub async fn acquire(
    store: &Arc<dyn CheckpointStore>,
    name: &str,
    process: &Process,
    duration: Duration,
) -> Result<Lease> {
    for _ in 0..ATTEMPTS_MAX {
        let (state, expected) = read(&**store, name).await?;
        let (until, now) = (Instant::now() + duration, Timestamp::now());
        if let Some(holder) = state.holder.filter(|holder| !holder.has_lapsed(now)) {
            return Err(held(name, &holder));
        }
        let generation = state.generation + 1;
        let holder = Holder { process: process.clone(), since: now, expires: now.plus(duration) };
        let state = State { generation, holder: Some(holder) };
        if let Some(revision) = document::put(&**store, &key(name), &state, expected).await? {
            return Ok(Lease {
                store: Arc::clone(store),
                name: name.to_owned(),
                process: process.clone(),
                generation,
                since: now,
                duration,
                revision,
                until,
            });
        }
    }
    Err(Error::new(ErrorKind::Busy, "acquire lease").with("lease", name))
}

/// Up to `limit` leases that are held now, of those whose name begins with `prefix`.
///
/// # Errors
/// Those of the store.
pub async fn held_leases(
    store: &dyn CheckpointStore,
    prefix: &str,
    limit: usize,
) -> Result<Vec<(String, Holder)>> {
    let now = Timestamp::now();
    let (mut found, mut after) = (Vec::new(), None);
    while found.len() < limit {
        let page = store.list(&key(prefix), after.as_deref(), limit).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (key, entry) in page {
            let state: State = document::decode(&entry.value)?;
            let name = key.strip_prefix(PREFIX).unwrap_or(&key).to_owned();
            found.extend(state.holder.filter(|h| !h.has_lapsed(now)).map(|holder| (name, holder)));
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// Takes a lease away from its holder, who learns of it at his next renewal. Returns who it was.
///
/// # Errors
/// Those of the store.
pub async fn break_lease(store: &dyn CheckpointStore, name: &str) -> Result<Option<Holder>> {
    let mut broken = None;
    document::update(store, &key(name), |state: &mut State| {
        broken = state.holder.take();
        Ok(())
    })
    .await?;
    Ok(broken)
}

impl Lease {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of this holding: higher than that of every holding before.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When it runs out unless it is renewed, by this process's own steady clock.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Extends it by its duration, from now.
    ///
    /// # Errors
    /// `Fenced` if somebody else has it, or had it meanwhile; the error names him if he is known.
    pub async fn renew(&mut self) -> Result<()> {
        for _ in 0..ATTEMPTS_MAX {
            let (until, now) = (Instant::now() + self.duration, Timestamp::now());
            let holder = Holder {
                process: self.process.clone(),
                since: self.since,
                expires: now.plus(self.duration),
            };
            let state = State { generation: self.generation, holder: Some(holder) };
            let key = key(&self.name);
            let put = document::put(&*self.store, &key, &state, Some(self.revision)).await?;
            if let Some(revision) = put {
                (self.revision, self.until) = (revision, until);
                return Ok(());
            }
            // A renewal whose answer was lost may have taken place: then it is still ours.
            let (state, revision) = read(&*self.store, &self.name).await?;
            match revision {
                Some(revision) if state.is_held_by(self.generation, self.process.owner) => {
                    self.revision = revision;
                }
                _ => return Err(lost(&self.name, state.holder.as_ref())),
            }
        }
        Err(Error::new(ErrorKind::Busy, "renew lease").with("lease", &self.name))
    }

    /// Gives it back. Giving back what is lost is no error.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn release(self) -> Result<()> {
        let (generation, owner) = (self.generation, self.process.owner);
        document::update(&*self.store, &key(&self.name), |state: &mut State| {
            if state.is_held_by(generation, owner) {
                state.holder = None;
            }
            Ok(())
        })
        .await
        .map(drop)
    }
}

const PREFIX: &str = "lease/";

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

async fn read(store: &dyn CheckpointStore, name: &str) -> Result<(State, Option<Revision>)> {
    Ok(match document::read(store, &key(name)).await? {
        Some((state, revision)) => (state, Some(revision)),
        None => (State::default(), None),
    })
}

fn held(name: &str, holder: &Holder) -> Error {
    Error::new(ErrorKind::Fenced, "acquire lease")
        .with("lease", name)
        .with("held by", &holder.process)
        .with("since", holder.since.to_rfc3339())
        .with("until", holder.expires.to_rfc3339())
        .hint("stop that process, or wait: the lease runs out by itself unless it is renewed")
}

fn lost(name: &str, holder: Option<&Holder>) -> Error {
    let error = Error::new(ErrorKind::Fenced, "renew lease").with("lease", name);
    match holder {
        Some(holder) => error
            .with("held by", &holder.process)
            .with("since", holder.since.to_rfc3339())
            .hint("it ran out while this process stood still; run the command again to take part"),
        None => error.hint("it was taken away; run the command again to take part"),
    }
}

#[cfg(test)]
mod tests;

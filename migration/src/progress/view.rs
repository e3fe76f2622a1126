//! A snapshot as JSON for programs.

use crate::checkpoint::progress::{Activity, Snapshot};
use crate::cli::{SCHEMA_VERSION, json};
use crate::clock::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// What `--progress json` prints and `status -o json` contains. The snapshot in the checkpoint
/// store may change its form with the version of the tool; this does not.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    schema_version: u32,
    phase: String,
    program: String,
    host: String,
    pid: i32,
    #[serde(serialize_with = "json::time")]
    started: Timestamp,
    #[serde(serialize_with = "json::time")]
    updated: Timestamp,
    activity: Activity,
    /// Whether the process stopped without saying so.
    silent: bool,
    unit: String,
    done: u64,
    total: Option<u64>,
    ratio: Option<f64>,
    rate_per_s: f64,
    eta_s: Option<f64>,
    lag_s: Option<f64>,
    throttle: Option<String>,
    counts: BTreeMap<String, Number>,
}

/// A count, or a time in seconds.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
enum Number {
    Count(u64),
    Seconds(f64),
}

/// A count as programs see it: a time in milliseconds is one in seconds, as everywhere.
fn view(name: &str, count: u64) -> (String, Number) {
    match name.strip_suffix("_ms") {
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        Some(name) => (format!("{name}_s"), Number::Seconds(count as f64 / 1_000.0)),
        None => (name.to_owned(), Number::Count(count)),
    }
}

impl From<&Snapshot> for View {
    fn from(snapshot: &Snapshot) -> Self {
        Self::at(snapshot, snapshot.updated)
    }
}

impl View {
    /// A snapshot as it looks at a moment.
    #[must_use]
    pub fn at(snapshot: &Snapshot, now: Timestamp) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let lag_s = snapshot.lag_ms.map(|lag| lag as f64 / 1_000.0);
        Self {
            schema_version: SCHEMA_VERSION,
            phase: snapshot.phase.clone(),
            program: snapshot.process.program.clone(),
            host: snapshot.process.host.clone(),
            pid: snapshot.process.pid,
            started: snapshot.process.started,
            updated: snapshot.updated,
            activity: snapshot.activity,
            silent: snapshot.is_silent(now),
            unit: snapshot.unit.clone(),
            done: snapshot.done,
            total: snapshot.total,
            ratio: snapshot.ratio(),
            rate_per_s: snapshot.rate,
            eta_s: snapshot.eta_s,
            lag_s,
            throttle: snapshot.throttle.clone(),
            counts: snapshot.counts.iter().map(|(name, count)| view(name, *count)).collect(),
        }
    }
}

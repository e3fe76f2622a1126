//! Health over HTTP: `/livez`, `/readyz`, `/metrics`.
//!
//! `/livez` says that the process runs, and asks nobody: an orchestrator that restarted processes
//! because a database is down would make things worse. `/readyz` asks what the process needs, and
//! says 503 from the moment it drains. `/healthz` is the old name of `/livez`.

mod check;
mod serve;

pub use check::Check;
pub use serve::{Serving, serve};

use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// What a process answers.
#[derive(Debug)]
pub struct Health {
    /// Its metrics.
    pub metrics: Metrics,
    /// What it needs to be ready.
    pub checks: Vec<Check>,
    /// Not ready once this has begun.
    pub shutdown: Shutdown,
}

#[cfg(test)]
mod tests;

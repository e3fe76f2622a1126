//! The phases, and what each is called where.

use crate::checkpoint::desired::Tunable;

/// The key in the checkpoint store of the stage that reads are at: there from the first time that
/// somebody touched the read switch.
pub const STAGE_KEY: &str = "cutover/stage";

/// One of the four phases.
#[derive(Debug, PartialEq, Eq)]
pub struct Phase {
    /// The binary's name, which begins its keys in the checkpoint store and its leases.
    pub name: &'static str,
    /// Its name in metrics, where a hyphen is not allowed.
    pub metric: &'static str,
    /// What it counts, for people.
    pub unit: &'static str,
    /// What it counts, in metrics: `midflight_<metric>_<counter>_total`.
    pub counter: &'static str,
    /// What `set` can change, and from when on it counts.
    pub tunables: &'static [(Tunable, Effect)],
}

impl Phase {
    /// Whether it reads and writes as fast as it may, so that it has a rate and stands still for
    /// the plan's gauges. The live path does not: what it leaves would only be older later.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.tunables.iter().any(|(tunable, _)| *tunable == Tunable::Rate)
    }
}

/// From when on a setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Within a second, in every process of the phase.
    AtOnce,
    /// In processes that start after it was set.
    NextStart,
}

/// Phase 1.
pub static DUAL_WRITE: Phase = Phase {
    name: "dual-write",
    metric: "dualwrite",
    unit: "changes",
    counter: "changes",
    tunables: &[],
};

/// Phase 2.
pub static BACKFILL: Phase = Phase {
    name: "backfill",
    metric: "backfill",
    unit: "records",
    counter: "rows",
    tunables: &[
        (Tunable::Rate, Effect::AtOnce),
        (Tunable::BatchRows, Effect::AtOnce),
        (Tunable::Workers, Effect::NextStart),
    ],
};

/// Phase 3.
pub static VERIFY: Phase = Phase {
    name: "verify",
    metric: "verify",
    unit: "records",
    counter: "rows_compared",
    tunables: &[(Tunable::Rate, Effect::AtOnce)],
};

/// Phase 4.
pub static CUTOVER: Phase =
    Phase { name: "cutover", metric: "cutover", unit: "reads", counter: "reads", tunables: &[] };

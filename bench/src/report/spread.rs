//! Figures of several runs, and what a run comes to.

use crate::side::Run;

/// Stands for a figure that there is not.
pub(super) const NONE: &str = "none";

/// The middle and the ends of several figures.
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Spread {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self { min: at(0), median: at(values.len() / 2), max: at(values.len().saturating_sub(1)) }
    }

    /// `0.93 (0.90-0.97)`.
    pub(super) fn text(&self) -> String {
        if self.median.is_nan() {
            return NONE.to_owned();
        }
        format!("{:.2} ({:.2}-{:.2})", self.median, self.min, self.max)
    }

    /// `0.9`.
    pub(super) fn middle(&self) -> String {
        if self.median.is_nan() { NONE.to_owned() } else { format!("{:.1}", self.median) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
impl Run {
    /// Thousand records a second.
    pub(super) fn thousands(&self) -> f64 {
        self.rows as f64 / self.cost.seconds / 1_000.0
    }

    /// CPU seconds that the program used for a million records.
    pub(super) fn cpu_per_million(&self) -> f64 {
        self.cost.cpu_seconds / self.rows as f64 * 1e6
    }

    /// CPU seconds that a server used for a million records.
    pub(super) fn server_per_million(&self, place: usize) -> f64 {
        self.servers.get(place).map_or(f64::NAN, |seconds| seconds / self.rows as f64 * 1e6)
    }
}

//! The metrics of the switch.

use crate::command::status::Status;
use crate::gate::Outcome;
use migration::metrics::Metrics;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::atomic::AtomicU64;

type Ratio = Gauge<f64, AtomicU64>;
type Labelled = Family<Vec<(&'static str, String)>, Gauge>;

/// What is shown, as of the last look.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    weight: Ratio,
    generation: Gauge,
    stage: Labelled,
    rolled_back: Gauge,
    gate: Labelled,
    lag: Ratio,
    mirrored: Labelled,
    readers: Gauge,
    readers_behind: Gauge,
    looked: Ratio,
}

impl Gauges {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let gauges = Self::default();
        let register = |name: &str, help: &str, gauge: &Gauge| {
            metrics.register(&format!("cutover_{name}"), help, gauge.clone());
        };
        register("generation", "Grows with every change of the stage", &gauges.generation);
        register("rolled_back", "Whether the big red switch is thrown", &gauges.rolled_back);
        register("readers", "Services that ask for the stage", &gauges.readers);
        register(
            "readers_behind",
            "Services that do not follow the current stage yet",
            &gauges.readers_behind,
        );
        let register = |name: &str, help: &str, gauge: &Ratio| {
            metrics.register(&format!("cutover_{name}"), help, gauge.clone());
        };
        register("weight_ratio", "Share of users that the target answers", &gauges.weight);
        register("lag_seconds", "How far the live path is behind", &gauges.lag);
        register("look_timestamp_seconds", "When these figures were taken", &gauges.looked);
        let register = |name: &str, help: &str, gauge: &Labelled| {
            metrics.register(&format!("cutover_{name}"), help, gauge.clone());
        };
        register("stage", "One for the current stage", &gauges.stage);
        register(
            "gate_condition",
            "Conditions of the next gate: 1 met, 0 unknown, -1 not met",
            &gauges.gate,
        );
        register("mirrored_reads", "Mirrored reads since the stage began", &gauges.mirrored);
        gauges
    }

    pub(super) fn show(&self, status: &Status) {
        self.weight.set(f64::from(status.basis_points) / 10_000.0);
        self.generation.set(i64::from(status.generation));
        self.rolled_back.set(i64::from(status.is_rolled_back()));
        // What a live path that is gone said last would look like a lag that stays small.
        let lag = status.lag.filter(|seen| seen.lives).and_then(|seen| seen.lag);
        self.lag.set(lag.map_or(f64::NAN, |lag| lag.as_secs_f64()));
        for step in &status.ladder {
            let labels = vec![("stage", step.stage.clone())];
            self.stage.get_or_create(&labels).set(i64::from(step.is_current));
        }
        // Above the last stage there are none.
        self.gate.clear();
        for finding in &status.gate.findings {
            let value = match finding.outcome {
                Outcome::Met => 1,
                Outcome::Unknown => 0,
                Outcome::NotMet => -1,
            };
            let labels = vec![("condition", finding.condition.to_owned())];
            self.gate.get_or_create(&labels).set(value);
        }
        if let Some(mirrored) = &status.mirrored {
            for (result, count) in [
                ("same", mirrored.same),
                ("different", mirrored.different),
                ("lag", mirrored.lag),
                ("failed", mirrored.failed),
            ] {
                let labels = vec![("result", result.to_owned())];
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.mirrored.get_or_create(&labels).set(count);
            }
        }
        let behind = status.readers.iter().filter(|r| r.generation != status.generation).count();
        self.readers.set(i64::try_from(status.readers.len()).unwrap_or(i64::MAX));
        self.readers_behind.set(i64::try_from(behind).unwrap_or(i64::MAX));
        #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit 2^52")]
        self.looked.set(status.now.0 as f64 / 1e6);
    }
}

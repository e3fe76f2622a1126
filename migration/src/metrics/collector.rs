//! What is read at each scrape instead of being written at each event.

use crate::checkpoint::progress::{Activity, Snapshot};
use crate::progress::Progress;
use crate::retry::Retry;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt::Result;

const ACTIVITIES: [Activity; 8] = [
    Activity::Starting,
    Activity::Running,
    Activity::Paused,
    Activity::Standby,
    Activity::Draining,
    Activity::Stopped,
    Activity::Done,
    Activity::Failed,
];

/// Exports a progress handle.
#[derive(Debug)]
pub(super) struct ProgressCollector {
    progress: Progress,
}

impl ProgressCollector {
    pub(super) fn new(progress: Progress) -> Self {
        Self { progress }
    }

    fn name(&self, of: &str) -> String {
        format!("{}_{of}", self.progress.phase().metric)
    }

    fn level(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, value: u64) -> Result {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let value = value as f64;
        let help = "As it is now";
        match name.strip_suffix("_ms") {
            Some(name) => gauge(encoder, &self.name(&format!("{name}_seconds")), help, value / 1e3),
            None => gauge(encoder, &self.name(name), help, value),
        }
    }

    fn gauges(&self, encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> Result {
        if let Some(ratio) = snapshot.ratio() {
            let name = self.name("progress_ratio");
            gauge(encoder, &name, "Share of the whole that is done", ratio)?;
        }
        if let Some(lag) = snapshot.lag_ms {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            let seconds = lag as f64 / 1_000.0;
            let name = self.name("lag_seconds");
            gauge(encoder, &name, "Age of the oldest change not yet applied", seconds)?;
        }
        let name = self.name("activity");
        let help = "What the process does: 1 for one of the activities";
        let mut metric = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
        for activity in ACTIVITIES {
            let is_it = i64::from(activity == snapshot.activity);
            labelled(&mut metric, ("activity", activity.word()), &ConstGauge::new(is_it))?;
        }
        Ok(())
    }
}

impl Collector for ProgressCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result {
        let snapshot = self.progress.snapshot();
        let name = self.name(self.progress.phase().counter);
        counter(&mut encoder, &name, "What was done, and by earlier runs", snapshot.done)?;
        let levels = self.progress.levels();
        for (count, value) in &snapshot.counts {
            if levels.contains(count.as_str()) {
                self.level(&mut encoder, count, *value)?;
            } else {
                counter(&mut encoder, &self.name(count), "Counted on the way", *value)?;
            }
        }
        self.gauges(&mut encoder, &snapshot)?;
        let Some(throttle) = self.progress.throttle() else { return Ok(()) };
        let (name, help) = (self.name("throttled_seconds"), "Time that workers stood still");
        let mut metric = encoder.encode_descriptor(&name, help, None, MetricType::Counter)?;
        for (reason, waited) in throttle.waits() {
            let waited = ConstCounter::new(waited.as_secs_f64());
            labelled(&mut metric, ("reason", reason), &waited)?;
        }
        Ok(())
    }
}

/// Exports how often calls were made again.
#[derive(Debug)]
pub(super) struct RetryCollector {
    retry: Retry,
}

impl RetryCollector {
    pub(super) fn new(retry: Retry) -> Self {
        Self { retry }
    }
}

impl Collector for RetryCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result {
        counter(&mut encoder, "retries", "Calls made again after an error", self.retry.retried())
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> Result {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

fn labelled(
    metric: &mut MetricEncoder<'_>,
    label: (&str, &str),
    value: &impl EncodeMetric,
) -> Result {
    value.encode(metric.encode_family(&[label])?)
}

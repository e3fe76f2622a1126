//! Metrics in the OpenMetrics text format, all beginning with `midflight_`.
//!
//! Base units, one-word prefix per phase, and no key, user or row in a label: the number of series
//! does not grow with the data.

mod calls;
mod collector;

pub use calls::Calls;

use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::retry::Retry;
use collector::{ProgressCollector, RetryCollector};
use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use std::sync::{Arc, Mutex, PoisonError};

/// What begins the name of every metric.
const PREFIX: &str = "midflight";

/// The media type of what [`Metrics::encode`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of a process. Clones are one.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// The metrics of a program, `midflight_build_info` to begin with.
    #[must_use]
    pub fn new(program: &str) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let labels = vec![
            ("program", program.to_owned()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        registry.register("build", "The program and its version", Info::new(labels));
        Self { registry: Arc::new(Mutex::new(registry)) }
    }

    /// Registers a metric as `midflight_<name>`; a counter gets `_total` by itself. `help` is a
    /// phrase without a full stop.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.change(|registry| registry.register(name, help, metric));
    }

    /// Exports the progress of a process: done, ratio, lag, activity, the other counts, and the
    /// time spent throttled.
    pub fn export_progress(&self, progress: &Progress) {
        let collector = Box::new(ProgressCollector::new(progress.clone()));
        self.change(|registry| registry.register_collector(collector));
    }

    /// Exports how often calls were made again.
    pub fn export_retries(&self, retry: &Retry) {
        let collector = Box::new(RetryCollector::new(retry.clone()));
        self.change(|registry| registry.register_collector(collector));
    }

    /// What a scrape gets.
    ///
    /// # Errors
    /// `Failed` if a metric cannot be written.
    pub fn encode(&self) -> Result<String> {
        let mut text = String::new();
        self.change(|registry| text::encode(&mut text, registry))
            .map_err(|error| Error::new(ErrorKind::Failed, "write metrics").because(error))?;
        Ok(text)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        change(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::{Calls, Metrics};
    use crate::checkpoint::desired::Rate;
    use crate::checkpoint::progress::Activity;
    use crate::error::{Error, ErrorKind, Result};
    use crate::phase;
    use crate::process::Process;
    use crate::progress::Progress;
    use crate::retry::Retry;
    use crate::shutdown::Shutdown;
    use crate::throttle::{PAUSED, Throttle};
    use std::num::NonZeroU32;
    use std::sync::Arc;
    use std::time::Duration;

    fn assert_line(text: &str, line: &str) {
        assert!(text.lines().any(|l| l == line), "no line `{line}` in\n{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn progress_is_exported_under_the_name_of_its_phase() {
        let metrics = Metrics::new("dual-write");
        let throttle = Arc::new(Throttle::new(Rate::PerSecond(NonZeroU32::MIN)));
        let process = Process::start("dual-write");
        let progress = Progress::new(&phase::DUAL_WRITE, &process, Some(throttle.clone()));
        metrics.export_progress(&progress);
        progress.set_activity(Activity::Running);
        progress.add(7);
        progress.count("dead_letters", 2);
        progress.set_level("lag_messages", 9);
        progress.set_level("lag_max_ms", 250);
        progress.set_lag(Some(Duration::from_millis(1_500)));
        let text = metrics.encode().unwrap();
        assert_line(&text, "midflight_dualwrite_changes_total 7");
        assert_line(&text, "midflight_dualwrite_dead_letters_total 2");
        assert_line(&text, "midflight_dualwrite_lag_seconds 1.5");
        assert_line(&text, "midflight_dualwrite_lag_messages 9.0");
        assert_line(&text, "midflight_dualwrite_lag_max_seconds 0.25");
        assert_line(&text, "midflight_dualwrite_activity{activity=\"running\"} 1");
        assert_line(&text, "midflight_dualwrite_activity{activity=\"paused\"} 0");
        assert!(!text.contains("progress_ratio"), "there is no end to be near to");
        assert!(text.ends_with("# EOF\n"));
        throttle.hold(PAUSED, "paused by alice");
        let shutdown = Shutdown::new();
        let waited = tokio::time::timeout(Duration::from_secs(3), throttle.ready(&shutdown)).await;
        assert!(waited.is_err());
        progress.set_total(Some(14));
        let text = metrics.encode().unwrap();
        assert_line(&text, "midflight_dualwrite_progress_ratio 0.5");
        let name = "midflight_dualwrite_throttled_seconds_total{reason=\"paused\"} ";
        let waited: f64 = text.lines().find_map(|l| l.strip_prefix(name)).unwrap().parse().unwrap();
        assert!((1.9..3.1).contains(&waited), "{waited}");
        assert!(!text.contains("alice"), "no person in a label");
    }

    #[tokio::test]
    async fn calls_are_counted_and_timed_and_failures_told_by_kind() {
        let (metrics, calls) = (Metrics::new("backfill"), Calls::new());
        calls.register(&metrics);
        let ok = async { Ok::<_, Error>(1) };
        assert_eq!(calls.time("target", "copy", ok).await.unwrap(), 1);
        let busy = async { Err::<(), _>(Error::new(ErrorKind::Busy, "copy")) };
        assert!(calls.time("target", "copy", busy).await.is_err());
        let text = metrics.encode().unwrap();
        let labels = "store=\"target\",operation=\"copy\"";
        assert_line(&text, &format!("midflight_store_call_duration_seconds_count{{{labels}}} 2"));
        assert_line(
            &text,
            &format!("midflight_store_call_errors_total{{{labels},kind=\"busy\"}} 1"),
        );
    }

    #[tokio::test]
    async fn retries_are_exported() {
        let metrics = Metrics::new("backfill");
        let retry = Retry::new(3, Duration::ZERO, Duration::ZERO);
        metrics.export_retries(&retry);
        let call = async || -> Result<()> { Err(Error::new(ErrorKind::Busy, "call")) };
        assert!(retry.run("call", &Shutdown::new(), call).await.is_err());
        assert_line(&metrics.encode().unwrap(), "midflight_retries_total 2");
    }
}

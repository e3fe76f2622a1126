//! The three numbers of every store: calls, their duration, their errors.

use super::Metrics;
use crate::error::{ErrorKind, Result};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use tokio::time::Instant;

/// Calls to stores. Clones are one.
#[derive(Debug, Clone)]
pub struct Calls {
    durations: Family<CallLabels, Histogram, Durations>,
    errors: Family<ErrorLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    store: String,
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    store: String,
    operation: &'static str,
    kind: &'static str,
}

/// Buckets from half a millisecond to 16 seconds.
#[derive(Debug, Clone, Copy)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self::new()
    }
}

impl Calls {
    /// No calls yet.
    #[must_use]
    pub fn new() -> Self {
        Self { durations: Family::new_with_constructor(Durations), errors: Family::default() }
    }

    /// Exports them.
    pub fn register(&self, metrics: &Metrics) {
        metrics.register(
            "store_call_duration_seconds",
            "Duration of calls to a store",
            self.durations.clone(),
        );
        metrics.register("store_call_errors", "Calls to a store that failed", self.errors.clone());
    }

    /// Times a call to `store`, such as `source` or `target/shard-0`: one of few names.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn time<T>(
        &self,
        store: &str,
        operation: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let began = Instant::now();
        let result = call.await;
        let labels = CallLabels { store: store.to_owned(), operation };
        self.durations.get_or_create(&labels).observe(began.elapsed().as_secs_f64());
        if let Err(error) = &result {
            let kind = word(error.kind());
            let labels = ErrorLabels { store: store.to_owned(), operation, kind };
            self.errors.get_or_create(&labels).inc();
        }
        result
    }
}

fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Plan => "plan",
        ErrorKind::Refused => "refused",
        ErrorKind::Fenced => "fenced",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Busy => "busy",
        ErrorKind::TimedOut => "timed_out",
        ErrorKind::Full => "full",
        ErrorKind::Unreadable => "unreadable",
        ErrorKind::Lost => "lost",
        ErrorKind::UnknownOutcome => "unknown_outcome",
        ErrorKind::Failed => "failed",
    }
}

//! Gauges: figures of other servers, beyond which a phase that reads and writes much stands still.
//!
//! A replica that lags hurts whoever reads it; a source under load hurts the service. A gauge that
//! gives no figure holds too: a replica that has stopped is worse than one that lags.

use crate::error::{Chain, Error, ErrorKind, Result};
use crate::plan::GaugePlan;
use crate::throttle::Throttle;
use async_trait::async_trait;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

/// The hold of a gauge that is too high.
pub const GAUGE: &str = "gauge";

/// Longest wait for a figure: what is older says nothing of now.
const READ_MAX: Duration = Duration::from_secs(5);

/// Between two looks at a gauge.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A server that gives figures.
#[async_trait]
pub(crate) trait Figures: Send + Sync + Debug {
    /// The figure that `query` gives; without one, how many seconds the server lags as a replica.
    /// `None` if there is none.
    ///
    /// # Errors
    /// Those of the server; `Unreadable` if the query gives no number.
    async fn read(&self, query: Option<&str>) -> Result<Option<f64>>;
}

/// What a server gave is no number.
pub(crate) fn no_number(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Unreadable, "read gauge: it gives no number").because(error)
}

/// One gauge of a plan. Connects when it is read.
#[derive(Debug)]
pub struct Gauge {
    plan: GaugePlan,
    figures: Box<dyn Figures>,
}

impl Gauge {
    /// A gauge that was never read.
    pub(crate) fn new(plan: &GaugePlan, figures: Box<dyn Figures>) -> Self {
        Self { plan: plan.clone(), figures }
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// The figure now; `None` if the server has none: it is no replica, or its replication stands.
    ///
    /// # Errors
    /// Those of the server; `Unreadable` if the query gives no number.
    pub async fn read(&self) -> Result<Option<f64>> {
        let read = timeout(READ_MAX, self.figures.read(self.plan.query.as_deref())).await;
        let read = read.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::TimedOut, "read gauge")
                .with("after", format!("{READ_MAX:?}")))
        });
        read.map_err(|error| error.with("gauge", &self.plan.name))
    }

    /// Why work must stand still now; `None` if it may go on.
    pub async fn obstacle(&self) -> Option<String> {
        let GaugePlan { name, max, query, .. } = &self.plan;
        let unit = if query.is_none() { " s" } else { "" };
        match self.read().await {
            Ok(Some(figure)) if figure <= *max => None,
            Ok(Some(figure)) => Some(format!("{name} is {figure:.1}{unit}, at most {max}{unit}")),
            Ok(None) if query.is_none() => Some(format!("{name} does not replicate")),
            Ok(None) => Some(format!("{name} gives no figure")),
            Err(error) => Some(format!("{name} cannot be read: {}", Chain(&error))),
        }
    }
}

/// Holds `throttle` while a gauge is too high, as long as the returned handle lives.
pub fn watch(gauges: Arc<[Gauge]>, throttle: Arc<Throttle>) -> AbortOnDropHandle<()> {
    if !gauges.is_empty() {
        // Else each restart would begin with a burst.
        throttle.hold(GAUGE, "gauges not read yet");
    }
    AbortOnDropHandle::new(tokio::spawn(async move {
        // None to wait for: the task would only turn around.
        while !gauges.is_empty() {
            let next = Instant::now() + LOOK_EVERY;
            let obstacles = futures::future::join_all(gauges.iter().map(Gauge::obstacle)).await;
            let obstacles: Vec<String> = obstacles.into_iter().flatten().collect();
            let reason = (!obstacles.is_empty()).then(|| obstacles.join("; "));
            throttle.hold_while(GAUGE, reason);
            sleep_until(next).await;
        }
    }))
}

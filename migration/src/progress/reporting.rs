//! Showing progress while a phase runs.

use super::Progress;
use super::display::{Display, Screen};
use crate::checkpoint::CheckpointStore;
use crate::checkpoint::progress::{Activity, Publisher, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

/// Between two snapshots in the checkpoint store.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Longest write of a snapshot: the next one is more recent anyway.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Shows the progress of a process until it is finished or dropped.
#[derive(Debug)]
pub struct Reporting {
    finish: oneshot::Sender<Activity>,
    task: AbortOnDropHandle<()>,
}

impl Reporting {
    /// Begins to show `progress`: to whoever started the process, and to `status` through the
    /// checkpoint store.
    ///
    /// # Errors
    /// Those of the store at the first write.
    pub async fn start(
        progress: &Progress,
        display: impl Into<Display>,
        store: Arc<dyn CheckpointStore>,
    ) -> Result<Self> {
        let (phase, process) = (progress.phase().name, progress.process());
        let mut publisher = Publisher::start(store, phase, process).await?;
        publisher.publish(&progress.snapshot()).await?;
        let (finish, finished) = oneshot::channel();
        let report = report(progress.clone(), Screen::new(display.into()), publisher, finished);
        Ok(Self { finish, task: AbortOnDropHandle::new(tokio::spawn(report)) })
    }

    /// Shows the end, once and for all.
    ///
    /// # Errors
    /// `Failed` if the showing itself broke down.
    pub async fn finish(self, activity: Activity) -> Result<()> {
        // The task listens until it is told.
        let _ = self.finish.send(activity);
        self.task
            .await
            .map_err(|error| Error::new(ErrorKind::Failed, "show progress").because(error))
    }
}

async fn report(
    progress: Progress,
    screen: Screen,
    publisher: Publisher,
    mut finished: oneshot::Receiver<Activity>,
) {
    let mut publishing = Publishing { publisher, is_away: false };
    let (mut show, mut publish) = (every(screen.every()), every(PUBLISH_EVERY));
    loop {
        tokio::select! {
            biased;
            activity = &mut finished => {
                if let Ok(activity) = activity {
                    progress.set_activity(activity);
                    let last = progress.snapshot();
                    publishing.publish(&last).await;
                    screen.close(&last);
                }
                return;
            }
            _ = show.tick() => screen.show(&progress.snapshot()),
            _ = publish.tick() => publishing.publish(&progress.snapshot()).await,
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

struct Publishing {
    publisher: Publisher,
    is_away: bool,
}

impl Publishing {
    /// Writes a snapshot. It is for display: a phase does not fail with it, but says so once.
    async fn publish(&mut self, snapshot: &Snapshot) {
        let published = self.publisher.publish(snapshot);
        let error = match tokio::time::timeout(PUBLISH_TIMEOUT, published).await {
            Ok(Ok(())) => {
                if std::mem::take(&mut self.is_away) {
                    tracing::info!("progress is published again");
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        if !std::mem::replace(&mut self.is_away, true) {
            tracing::warn!(error, "progress cannot be published: `status` shows the last");
        }
    }
}

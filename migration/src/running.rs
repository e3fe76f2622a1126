//! A phase that runs: what steers it, shows it and answers for it, started and ended in one place.

use crate::checkpoint::CheckpointStore;
use crate::checkpoint::desired::{self, DesiredWatch, Rate};
use crate::checkpoint::progress::Activity;
use crate::cli::{ListenArgs, SharedArgs};
use crate::error::{Error, ErrorKind, Result};
use crate::health::{Check, Health, Serving, serve};
use crate::metrics::Metrics;
use crate::phase::Phase;
use crate::process::Process;
use crate::progress::{Progress, Reporting};
use crate::shutdown::Shutdown;
use crate::throttle::Throttle;
use axum::Router;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// What goes with a phase while it runs.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub process: Process,
    /// Rate and pause, as operators change them.
    pub throttle: Arc<Throttle>,
    /// How far it is.
    pub progress: Progress,
    /// Its metrics.
    pub metrics: Metrics,
    /// Where it is told to drain: by a signal, or by an operator's abort.
    pub shutdown: Shutdown,
    store: Arc<dyn CheckpointStore>,
    reporting: Reporting,
    _following: AbortOnDropHandle<()>,
    _serving: Option<Serving>,
}

impl Running {
    /// Starts everything around a phase. `planned` is the plan's rate.
    ///
    /// # Errors
    /// `Refused` if an operator has aborted the phase, or the address cannot be listened on; those
    /// of the checkpoint store.
    pub async fn start(
        phase: &'static Phase,
        args: (&SharedArgs, &ListenArgs),
        store: &Arc<dyn CheckpointStore>,
        planned: Rate,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        let wanted = desired::read(&**store, phase.name).await?;
        if wanted.is_aborted() {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("run {}: it was aborted", phase.name),
            )
            .with("by", wanted.aborted.map(|set| set.who).unwrap_or_default())
            .hint(format!("take that back with `{} resume`", phase.name)));
        }
        let shutdown = shutdown.part();
        let process = Process::start(phase.name);
        let throttle = Arc::new(Throttle::new(planned));
        let watch = DesiredWatch::start(Arc::clone(store), phase.name).await?;
        let following = throttle.follow(watch, planned, &shutdown);
        let progress = Progress::new(phase, &process, Some(Arc::clone(&throttle)));
        let metrics = Metrics::new(phase.name);
        metrics.export_progress(&progress);
        let (shared, listen) = args;
        let serving = match listen.listen {
            Some(address) => {
                let health = Health {
                    metrics: metrics.clone(),
                    checks: vec![reaches(store)],
                    shutdown: shutdown.clone(),
                };
                Some(serve(address, health, Router::new()).await?)
            }
            None => None,
        };
        let reporting = Reporting::start(&progress, shared, Arc::clone(store)).await?;
        Ok(Self {
            process,
            throttle,
            progress,
            metrics,
            shutdown,
            store: Arc::clone(store),
            reporting,
            _following: following,
            _serving: serving,
        })
    }

    /// What operators want of the phase, for settings beside rate and pause.
    ///
    /// # Errors
    /// Those of the checkpoint store.
    pub async fn wanted(&self) -> Result<DesiredWatch> {
        DesiredWatch::start(Arc::clone(&self.store), self.progress.phase().name).await
    }

    /// Shows the end.
    ///
    /// # Errors
    /// `Failed` if the showing itself broke down.
    pub async fn finish(self, activity: Activity) -> Result<()> {
        self.reporting.finish(activity).await
    }
}

/// Ready means that the state which all phases share can be reached.
fn reaches(store: &Arc<dyn CheckpointStore>) -> Check {
    let store = Arc::clone(store);
    Check::new("checkpoint-store", move || {
        let store = Arc::clone(&store);
        async move { store.log_end("audit").await.map(drop) }
    })
}

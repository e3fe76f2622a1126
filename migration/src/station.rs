//! The station of a phase at work: what it shows of itself while it runs, the same for all four.
//!
//! Progress on the terminal and in the checkpoint store, and `/livez`, `/readyz` and `/metrics`
//! where the operator asked for them.

use crate::checkpoint::CheckpointStore;
use crate::checkpoint::progress::Activity;
use crate::cli::{ListenArgs, SharedArgs};
use crate::error::Result;
use crate::health::{Check, Health, Serving, serve};
use crate::metrics::Metrics;
use crate::phase::Phase;
use crate::process::Process;
use crate::progress::{Progress, Reporting};
use crate::servers::Servers;
use crate::shutdown::Shutdown;
use crate::throttle::Throttle;
use axum::Router;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// A phase at work.
///
/// Call order: `open` → feed [`Station::progress`] → `close`. One that is dropped without `close`
/// falls silent, and `status` says so.
#[derive(Debug)]
pub struct Station {
    /// Fed by the phase once a batch.
    pub progress: Progress,
    reporting: Reporting,
    /// Serves until it is dropped.
    _serving: Option<Serving>,
    /// Lets no wait for a store outlast the shutdown.
    _ending: AbortOnDropHandle<()>,
}

impl Station {
    /// Begins to show a phase. It is ready while the checkpoint store, the source and every
    /// instance of the target answer.
    ///
    /// # Errors
    /// `Refused` if the address is taken; those of the checkpoint store at the first write.
    pub async fn open(
        phase: &'static Phase,
        process: &Process,
        throttle: Option<Arc<Throttle>>,
        args: (&SharedArgs, &ListenArgs),
        servers: &Servers,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        let (shared, listen) = args;
        let progress = Progress::new(phase, process, throttle);
        let serving = match listen.listen {
            Some(address) => {
                let metrics = Metrics::new(phase.name);
                metrics.export_progress(&progress);
                servers.supervision.register(&metrics);
                let (checks, shutdown) = (checks(servers), shutdown.clone());
                let health = Health { metrics, checks, shutdown };
                Some(serve(address, health, Router::new()).await?)
            }
            None => None,
        };
        let store = Arc::clone(&servers.checkpoint);
        let reporting = Reporting::start(&progress, shared, store).await?;
        let ending = servers.supervision.end_with(shutdown);
        Ok(Self { progress, reporting, _serving: serving, _ending: ending })
    }

    /// Shows how it ended.
    ///
    /// # Errors
    /// `Failed` if the showing itself broke down.
    pub async fn close(self, activity: Activity) -> Result<()> {
        self.reporting.finish(activity).await
    }
}

fn checks(servers: &Servers) -> Vec<Check> {
    let checkpoint: Arc<dyn CheckpointStore> = Arc::clone(&servers.checkpoint);
    let mut checks = vec![Check::new("checkpoint", move || {
        let checkpoint = Arc::clone(&checkpoint);
        async move { checkpoint.get("plan").await.map(drop) }
    })];
    if let Some(table) = servers.layouts.first().map(|layout| layout.source().table.clone()) {
        let source = Arc::clone(&servers.source);
        checks.push(Check::new("source", move || {
            let (source, table) = (Arc::clone(&source), table.clone());
            async move { source.describe(&table).await.map(drop) }
        }));
    }
    for target in &servers.targets {
        let target = Arc::clone(target);
        checks.push(Check::new(target.name().to_owned(), move || {
            let target = Arc::clone(&target);
            async move { target.is_set_up().await.map(drop) }
        }));
    }
    checks
}

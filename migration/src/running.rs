//! A phase that operators steer while it runs: a [`Station`] with rate, pause and abort.

use crate::checkpoint::CheckpointStore;
use crate::checkpoint::desired::{self, DesiredWatch, Rate};
use crate::checkpoint::progress::Activity;
use crate::cli::{ListenArgs, SharedArgs};
use crate::error::Result;
use crate::gauge;
use crate::phase::Phase;
use crate::process::Process;
use crate::progress::Progress;
use crate::servers::Servers;
use crate::shutdown::Shutdown;
use crate::station::Station;
use crate::throttle::Throttle;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// Between two looks at what a phase has counted.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What goes with a phase while it runs.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub process: Process,
    /// Rate and pause, as operators change them.
    pub throttle: Arc<Throttle>,
    /// How far it is.
    pub progress: Progress,
    /// Where it is told to drain: by a signal, or by an operator's abort.
    pub shutdown: Shutdown,
    store: Arc<dyn CheckpointStore>,
    station: Station,
    _following: AbortOnDropHandle<()>,
    _watching: Option<AbortOnDropHandle<()>>,
}

impl Running {
    /// Starts everything around a phase. `planned` is the plan's rate.
    ///
    /// # Errors
    /// `Refused` if an operator has aborted the phase; those of [`Station::open`].
    pub async fn start(
        phase: &'static Phase,
        args: (&SharedArgs, &ListenArgs),
        servers: &Servers,
        planned: Rate,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        Self::start_as(Process::start(phase.name), phase, args, servers, planned, shutdown).await
    }

    /// As [`Self::start`], for a process that has named itself before: in a lease that it takes
    /// before it shows itself.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_as(
        process: Process,
        phase: &'static Phase,
        args: (&SharedArgs, &ListenArgs),
        servers: &Servers,
        planned: Rate,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        let store = &servers.checkpoint;
        desired::check_not_aborted(&**store, phase.name).await?;
        let shutdown = shutdown.part();
        let throttle = Arc::new(Throttle::new(planned));
        let watch = DesiredWatch::start(Arc::clone(store), phase.name).await?;
        let following = throttle.follow(watch, planned, &shutdown);
        let watching = phase
            .is_throttled()
            .then(|| gauge::watch(Arc::clone(&servers.gauges), Arc::clone(&throttle)));
        let throttled = Some(Arc::clone(&throttle));
        let station = Station::open(phase, &process, throttled, args, servers, &shutdown).await?;
        Ok(Self {
            process,
            throttle,
            progress: station.progress.clone(),
            shutdown,
            store: Arc::clone(store),
            station,
            _following: following,
            _watching: watching,
        })
    }

    /// What operators want of the phase, for settings beside rate and pause.
    ///
    /// # Errors
    /// Those of the checkpoint store.
    pub async fn wanted(&self) -> Result<DesiredWatch> {
        DesiredWatch::start(Arc::clone(&self.store), self.progress.phase().name).await
    }

    /// Lets `look` carry over what the phase counts into its progress, several times a second, as
    /// long as the returned handle lives.
    pub fn observe(
        &self,
        look: impl Fn(&Progress) + Send + Sync + 'static,
    ) -> AbortOnDropHandle<()> {
        let progress = self.progress.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                look(&progress);
            }
        }))
    }

    /// Shows the end.
    ///
    /// # Errors
    /// `Failed` if the showing itself broke down.
    pub async fn finish(self, activity: Activity) -> Result<()> {
        self.station.close(activity).await
    }
}

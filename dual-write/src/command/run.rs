//! `run`: applies live writes until it is stopped.

mod summary;

use crate::args::RunArgs;
use crate::counters::Counters;
use crate::gate::Steered;
use crate::hold::Hold;
use crate::lag;
use crate::live::{Ended, LiveParts, LivePath};
use crate::prepare::Preparer;
use migration::checkpoint::desired::Rate;
use migration::checkpoint::lease::{self, KeptLease};
use migration::checkpoint::progress::Activity;
use migration::cli::{Exit, SharedArgs, print};
use migration::error::{ErrorKind, Result};
use migration::phase;
use migration::plan::Plan;
use migration::progress::Progress;
use migration::queue::Assignment;
use migration::retry::Streak;
use migration::running::Running;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use summary::Summary;
use tokio_util::task::AbortOnDropHandle;

/// The lease of the one consumer of a queue that does not hand out its partitions itself.
pub(super) const LEASE: &str = "dual-write/consumer";

/// How long the lease outlives a process that nobody can see has died.
const LEASE_FOR: Duration = Duration::from_secs(10);

/// Between two looks of a consumer that stands by.
const STANDBY: Duration = Duration::from_millis(500);

/// Between two looks at whether everything is applied: short beside what starting took.
const DRAINED_EVERY: Duration = Duration::from_millis(50);

/// The same while batches are being applied: the queue and every instance are asked for each
/// partition, and most likely there is more.
const DRAINED_EVERY_BUSY: Duration = Duration::from_secs(1);

pub(super) async fn run(args: &SharedArgs, how: &RunArgs, shutdown: &Shutdown) -> Result<Exit> {
    let plan = args.load_plan()?;
    let servers = Servers::open(&plan).await?;
    servers.check_set_up(&plan).await?;
    let with = (args, &how.listen);
    let running =
        Running::start(&phase::DUAL_WRITE, with, &servers, Rate::Unlimited, shutdown).await?;
    let parts = parts(&plan, &servers, &running)?;
    let counted = Arc::clone(&parts.counters);
    let _observing = running.observe(move |progress| show(progress, &counted));
    let started = Instant::now();
    let _courses = parts.preparer.courses.keeping();
    let _lag = lag::follow(&servers, &running, &parts.counters);
    let drained = Arc::new(AtomicBool::new(false));
    let _draining = how
        .until_drained
        .then(|| end_when_drained(&servers, &running, (&parts.counters, &drained)));
    let ended = live(&servers, &running, &parts).await;
    parts.preparer.courses.keep_at_end().await;
    show(&running.progress, &parts.counters);
    let is_done = |(): &()| drained.load(Ordering::Relaxed);
    let activity = Activity::at_end(&ended, is_done);
    running.finish(activity).await?;
    ended?;
    print(args, &Summary::of(activity, &parts.counters, started.elapsed()))?;
    Ok(Exit::Done)
}

fn parts(plan: &Plan, servers: &Servers, running: &Running) -> Result<LiveParts> {
    let decoder = servers.decoder()?;
    let checkpoint = Arc::clone(&servers.checkpoint);
    let preparer = Preparer::with_decoder(decoder, servers.targets.len(), checkpoint);
    Ok(LiveParts {
        queue: Arc::clone(&servers.queue),
        targets: servers.targets.clone(),
        preparer: Arc::new(preparer.with_mailbox(servers.mailbox.clone())),
        hold: Hold { lock: Arc::clone(&servers.lock), wait: plan.lock.wait },
        owner: running.process.owner,
        batch_rows_max: plan.dual_write.batch_rows_max,
        poll: plan.dual_write.poll,
        counters: Arc::new(Counters::default()),
    })
}

/// Stands by, applies, and stands by again when another consumer has taken over.
async fn live(servers: &Servers, running: &Running, parts: &LiveParts) -> Result<()> {
    let mut streak = Streak::default();
    while !running.shutdown.has_begun() {
        let Some(lease) = stand_by(servers, running).await? else {
            return Ok(());
        };
        running.progress.set_activity(Activity::Running);
        let ended = apply(running, parts).await;
        if let Some(lease) = lease
            && let Err(error) = lease.release().await
        {
            tracing::warn!(error = %error, "lease not given back; it runs out");
        }
        match ended {
            Ok(Ended::Stopped) => return Ok(()),
            Ok(Ended::Fenced) => {
                tracing::warn!("another consumer has taken over; standing by");
                running.shutdown.sleep(STANDBY).await;
            }
            Err(error) if error.kind().may_pass() => {
                let Some(pause) = streak.failed(parts.counters.worked()) else { return Err(error) };
                tracing::warn!(error = %error, "live path interrupted; it goes on");
                running.shutdown.sleep(pause).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn apply(running: &Running, parts: &LiveParts) -> Result<Ended> {
    let gate = Steered { throttle: Arc::clone(&running.throttle), stop: running.shutdown.clone() };
    LivePath::new(parts.clone()).await?.run(&gate).await
}

/// Waits for the lease of the consumer, where the queue needs one; the inner `None` where it does
/// not. The outer `None` if the run is told to stop meanwhile.
///
/// The lease only keeps a second consumer from starting; what decides is the generation in the
/// target. So a checkpoint store that goes away later does not stop the live path.
async fn stand_by(servers: &Servers, running: &Running) -> Result<Option<Option<KeptLease>>> {
    if servers.queue.assignment() == Assignment::Group {
        return Ok(Some(None));
    }
    let mut is_told = false;
    while !running.shutdown.has_begun() {
        match lease::acquire(&servers.checkpoint, LEASE, &running.process, LEASE_FOR).await {
            Ok(lease) => return Ok(Some(Some(lease.keep(&Shutdown::new())))),
            Err(error) if error.kind() == ErrorKind::Fenced => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::info!(holder = %error, "standing by");
                    running.progress.set_activity(Activity::Standby);
                }
            }
            Err(error) if error.kind().is_retryable() => {
                tracing::warn!(error = %error, "checkpoint store not available");
            }
            Err(error) => return Err(error),
        }
        running.shutdown.sleep(STANDBY).await;
    }
    Ok(None)
}

/// Ends the run once nothing is left to apply.
fn end_when_drained(
    servers: &Servers,
    running: &Running,
    (counters, drained): (&Arc<Counters>, &Arc<AtomicBool>),
) -> AbortOnDropHandle<()> {
    let (servers, shutdown) = (servers.clone(), running.shutdown.clone());
    let progress = running.progress.clone();
    let (counters, drained) = (Arc::clone(counters), Arc::clone(drained));
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            match lag::lag(&servers).await {
                Ok(lag) if lag.messages == 0 => {
                    lag::show(&progress, lag);
                    drained.store(true, Ordering::Relaxed);
                    return shutdown.begin();
                }
                Ok(_) => {}
                // Nothing is drained that cannot be seen to be.
                Err(error) => tracing::debug!(error = %error, "lag not measured"),
            }
            quiet(&counters).await;
        }
    }))
}

/// Waits until no batch was applied for a moment, or for long enough.
async fn quiet(counters: &Counters) {
    let looked = Instant::now();
    loop {
        let before = counters.batches.load(Ordering::Relaxed);
        tokio::time::sleep(DRAINED_EVERY).await;
        let is_quiet = counters.batches.load(Ordering::Relaxed) == before;
        if is_quiet || looked.elapsed() >= DRAINED_EVERY_BUSY {
            return;
        }
    }
}

fn show(progress: &Progress, counters: &Counters) {
    let consumed = counters.consumed.load(Ordering::Relaxed);
    progress.add(consumed.saturating_sub(progress.snapshot().done));
    for (name, counter) in [
        ("applied", &counters.applied),
        ("stale", &counters.stale),
        ("duplicate", &counters.duplicate),
        ("compacted", &counters.compacted),
        ("dead_letters", &counters.dead),
        ("foreign", &counters.foreign),
        ("ignored", &counters.ignored),
        ("locks_revoked", &counters.locks_revoked),
        ("fenced", &counters.fenced),
        ("rewinds", &counters.rewinds),
    ] {
        progress.set_count(name, counter.load(Ordering::Relaxed));
    }
}

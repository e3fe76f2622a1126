//! `run`: one comparison, or the rest of one.

use super::verdicts::Shown;
use crate::args::RunArgs;
use crate::basis::Basis;
use crate::pass::walks;
use crate::record::{Records, RunRecord};
use crate::resume::{Wanted, obstacle};
use crate::run::{Ended, Observer, Parts, Run};
use crate::scope::Scope;
use crate::tally::Tally;
use migration::checkpoint::desired::Rate;
use migration::checkpoint::lease::{self, KeptLease};
use migration::checkpoint::progress::Activity;
use migration::checkpoint::verdict::{self, Verdict};
use migration::checkpoint::{CheckpointStore, Revision};
use migration::cli::{Exit, SharedArgs, print};
use migration::clock::Timestamp;
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::layout::Layout;
use migration::phase::VERIFY;
use migration::plan::Plan;
use migration::position::Owner;
use migration::process::Process;
use migration::progress::Progress;
use migration::running::Running;
use migration::sample::Sample;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// The lease of the one comparison at a time: there is one record of a run, and two that compare
/// would load the stores twice to say the same.
const LEASE: &str = "verify/run";

/// How long the lease outlives a process that nobody can see has died.
const LEASE_FOR: Duration = Duration::from_secs(10);

/// What a command has come to.
enum Compared {
    Judged(Box<Verdict>, Tally),
    Stopped,
}

/// Compares, or goes on with a run that was interrupted, and gives the verdict.
pub(super) async fn run(shared: &SharedArgs, how: &RunArgs, shutdown: &Shutdown) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let servers = Servers::open(&plan).await?;
    servers.check_set_up(&plan).await?;
    servers.check_keys().await?;
    let process = Process::start(VERIFY.name);
    let lease = lease::acquire(&servers.checkpoint, LEASE, &process, LEASE_FOR).await?;
    let lease = lease.keep(shutdown);
    let compared = alone(shared, how, &plan, &servers, (process, &lease)).await;
    if let Err(error) = lease.release().await {
        tracing::warn!(error = %error, "lease not given back; it runs out");
    }
    match compared? {
        Compared::Stopped => {
            tracing::info!("stopped; `verify run` goes on from here");
            // Nothing was judged: no script may take it for a pass.
            Ok(Exit::Inconclusive)
        }
        Compared::Judged(verdict, tally) => {
            let outcome = verdict.outcome;
            print(shared, &Shown::new(*verdict, Some(tally)))?;
            Ok(super::exit(outcome))
        }
    }
}

/// Compares under the lease, and with everything around it that shows a phase.
async fn alone(
    shared: &SharedArgs,
    how: &RunArgs,
    plan: &Plan,
    servers: &Servers,
    (process, lease): (Process, &KeptLease),
) -> Result<Compared> {
    let (with, rate) = ((shared, &how.listen), Rate::Unlimited);
    let running = Running::start_as(process, &VERIFY, with, servers, rate, lease.lost()).await?;
    let compared = Box::pin(compare(how, plan, servers, &running)).await;
    let is_done = |compared: &Compared| matches!(compared, Compared::Judged(..));
    running.finish(Activity::at_end(&compared, is_done)).await?;
    if matches!(compared, Ok(Compared::Stopped)) {
        // It may have been stopped because the lease is gone, which is not the operator's wish.
        lease.check()?;
    }
    compared
}

async fn compare(
    how: &RunArgs,
    plan: &Plan,
    servers: &Servers,
    running: &Running,
) -> Result<Compared> {
    let parts = Parts {
        source: servers.source.clone(),
        targets: servers.targets.clone(),
        queue: servers.queue.clone(),
        layouts: servers.layouts.clone(),
        settings: plan.verify.clone(),
        throttle: running.throttle.clone(),
        source_epoch: plan.source.epoch,
    };
    let records = Records::new(servers.checkpoint.clone());
    let scope = scope(how, servers).await?;
    let (record, revision) = match begin(&records, servers, &parts, (scope, plan, how)).await? {
        Begun::Judged(verdict, tally) => return Ok(Compared::Judged(verdict, tally)),
        Begun::Open(record, revision) => (record, revision),
    };
    records.forget_others(&record.id).await?;
    let mut watch = Watch::new(&running.progress, &record, walk(servers).await?);
    let run = Run::new(&parts, &records, *record, revision, &mut watch);
    match run.go(&running.shutdown).await? {
        Ended::Stopped => Ok(Compared::Stopped),
        Ended::Judged(record, verdict) => {
            fault::point("verify.judged");
            verdict::append(&*servers.checkpoint, &verdict).await?;
            Ok(Compared::Judged(Box::new(verdict), record.tally))
        }
    }
}

/// Records in the target when everything is copied, about.
async fn records(servers: &Servers) -> Result<u64> {
    times_each_table(servers, |layout| layout.targets().len()).await
}

/// Records that a run reads of the sides it walks, about.
async fn walk(servers: &Servers) -> Result<u64> {
    times_each_table(servers, |layout| layout.targets().iter().map(|t| walks(t)).sum()).await
}

async fn times_each_table(servers: &Servers, times: impl Fn(&Layout) -> usize) -> Result<u64> {
    let mut records = 0_u64;
    for layout in &servers.layouts {
        let times = u64::try_from(times(layout)).unwrap_or(u64::MAX);
        let rows = servers.source.estimate_rows(layout.source()).await?;
        records = records.saturating_add(rows.saturating_mul(times));
    }
    Ok(records)
}

/// Feeds the run's progress.
struct Watch {
    progress: Progress,
    seen: u64,
}

impl Watch {
    fn new(progress: &Progress, record: &RunRecord, total: u64) -> Self {
        progress.start_at(record.walked);
        progress.set_total(Some(total));
        progress.set_activity(Activity::Running);
        Self { progress: progress.clone(), seen: record.walked }
    }
}

impl Observer for Watch {
    fn seen(&mut self, record: &RunRecord) {
        let tally = &record.tally;
        self.progress.add(record.walked.saturating_sub(self.seen));
        self.seen = record.walked;
        self.progress.set_count("compared", tally.compared);
        self.progress.set_count("differing", tally.differing());
        self.progress.set_count("unsettled", tally.unsettled);
        self.progress.set_count("converged", tally.converged);
    }
}

/// What to compare.
async fn scope(how: &RunArgs, servers: &Servers) -> Result<Scope> {
    if how.sample_of_backfill {
        return match Sample::recorded(&*servers.checkpoint).await? {
            Some(sample) => Ok(Scope::Backfilled { sample }),
            None => {
                Err(Error::new(ErrorKind::Refused, "compare the backfill's sample: there is none")
                    .hint("copy one first: `backfill run --sample 1%`"))
            }
        };
    }
    let Some(wanted) = how.sample else {
        return Ok(Scope::Full);
    };
    let share = verdict::rate_of(wanted, records(servers).await?).min(1.0);
    // A draw that nobody could have known. It need not be repeated: the run's record keeps it.
    let seed = xxh3_64(&Owner::new().0.to_be_bytes());
    Sample::new(seed, share).map(|sample| Scope::Sampled { sample })
}

/// Where a command begins.
enum Begun {
    /// With a run that is not judged.
    Open(Box<RunRecord>, Revision),
    /// At the end: the verdict of the run that was interrupted had only to be recorded.
    Judged(Box<Verdict>, Tally),
}

/// The run to go on with, or a new one.
async fn begin(
    records: &Records,
    servers: &Servers,
    parts: &Parts,
    (scope, plan, how): (Scope, &Plan, &RunArgs),
) -> Result<Begun> {
    let found = match records.current().await {
        // What cannot be read can be replaced, if that is asked for.
        Err(error) if how.restart && error.kind() == ErrorKind::Unreadable => None,
        found => found?,
    };
    let now = Timestamp::now();
    if let Some((mut record, revision)) = found {
        let recorded = record_verdict(&*servers.checkpoint, &record).await?;
        let is_interrupted = record.verdict.is_none() || recorded;
        if is_interrupted && !how.restart {
            let basis = Basis::read(parts).await?;
            let wanted = Wanted { scope: &scope, plan, basis: &basis, now };
            match (obstacle(&record, &wanted), record.verdict.take()) {
                (None, Some(verdict)) => return Ok(Begun::Judged(Box::new(verdict), record.tally)),
                (None, None) => {
                    let compared = record.tally.compared;
                    tracing::info!(run = %record.id, compared, "going on with a run");
                    record.interruptions += 1;
                    record.resumed_at = Some(now);
                    let revision = records.save(&record, Some(revision)).await?;
                    return Ok(Begun::Open(Box::new(record), revision));
                }
                (Some(why), _) => {
                    tracing::info!(run = %record.id, because = %why, "not going on with a run");
                }
            }
        }
    }
    let record = RunRecord::new(scope, plan.edition(), now);
    let revision = records.save(&record, records.revision().await?).await?;
    Ok(Begun::Open(Box::new(record), revision))
}

/// Appends a run's verdict to the log, if it has one and the log has not: the run died in between.
/// Whether it did.
async fn record_verdict(checkpoint: &dyn CheckpointStore, record: &RunRecord) -> Result<bool> {
    let Some(verdict) = &record.verdict else {
        return Ok(false);
    };
    if verdict::last(checkpoint, |seen| seen.run == verdict.run).await?.is_some() {
        return Ok(false);
    }
    verdict::append(checkpoint, verdict).await?;
    tracing::info!(run = %verdict.run, "recorded the verdict of a run that was interrupted");
    Ok(true)
}

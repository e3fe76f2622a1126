//! `run`: one comparison, or the rest of one.

use super::verdicts::Shown;
use crate::args::RunArgs;
use crate::bound::upper_bound;
use crate::record::{Records, RunRecord};
use crate::run::{Ended, Observer, Parts, Run};
use crate::scope::Scope;
use crate::tally::exact_rate;
use migration::checkpoint::Revision;
use migration::checkpoint::desired::Rate;
use migration::checkpoint::progress::Activity;
use migration::checkpoint::verdict::{self, Dimension, Outcome, Verdict};
use migration::cli::{Exit, SharedArgs, print};
use migration::clock::Timestamp;
use migration::error::{Error, ErrorKind, Result};
use migration::phase::VERIFY;
use migration::plan::Plan;
use migration::position::Owner;
use migration::progress::Progress;
use migration::running::Running;
use migration::sample::Sample;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use xxhash_rust::xxh3::xxh3_64;

/// Compares, or goes on with a run that was interrupted, and gives the verdict.
pub(super) async fn run(shared: &SharedArgs, how: &RunArgs, shutdown: &Shutdown) -> Result<Exit> {
    let plan = shared.load_plan()?;
    let servers = Servers::open(&plan).await?;
    let records = Records::new(servers.checkpoint.clone());
    let scope = scope(how, &servers).await?;
    let (record, revision) = begin(&records, scope, &plan, how.restart).await?;
    records.forget_others(&record.id).await?;
    let with = (shared, &how.listen);
    let running = Running::start(&VERIFY, with, &servers, Rate::Unlimited, shutdown).await?;
    let parts = Parts {
        source: servers.source.clone(),
        targets: servers.targets.clone(),
        queue: servers.queue.clone(),
        layouts: servers.layouts.clone(),
        settings: plan.verify.clone(),
        throttle: running.throttle.clone(),
    };
    let mut watch = Watch::new(&running.progress, &record, total(&servers).await?);
    let run = Run::new(&parts, &records, record, revision, &mut watch);
    let ended = Box::pin(run.go(&running.shutdown)).await;
    let activity = match &ended {
        Ok(Ended::Judged(..)) => Activity::Done,
        Ok(Ended::Stopped) => Activity::Standby,
        Err(_) => Activity::Failed,
    };
    running.finish(activity).await?;
    match ended? {
        Ended::Stopped => {
            tracing::info!("stopped; `verify run` goes on from here");
            Ok(Exit::Done)
        }
        Ended::Judged(record, outcome) => {
            let verdict = verdict_of(&record, outcome, &plan);
            verdict::append(&*servers.checkpoint, &verdict).await?;
            print(shared, &Shown::new(verdict, Some(record.tally)))?;
            Ok(super::exit(outcome))
        }
    }
}

/// Records in the target when everything is copied, about.
async fn total(servers: &Servers) -> Result<u64> {
    let mut records = 0_u64;
    for layout in &servers.layouts {
        let copies = u64::try_from(layout.targets().len()).unwrap_or(u64::MAX);
        records += servers.source.estimate_rows(layout.source()).await? * copies;
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
        let total = match record.scope {
            Scope::Full => Some(total),
            // How many records the entities of a sample have is seen when they have been read.
            Scope::Backfilled { .. } | Scope::Sampled { .. } => None,
        };
        progress.start_at(record.tally.compared);
        progress.set_total(total);
        progress.set_activity(Activity::Running);
        Self { progress: progress.clone(), seen: record.tally.compared }
    }
}

impl Observer for Watch {
    fn seen(&mut self, record: &RunRecord) {
        let tally = &record.tally;
        self.progress.add(tally.compared.saturating_sub(self.seen));
        self.seen = tally.compared;
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
                    .hint("copy one first: backfill run --sample 1%"))
            }
        };
    }
    let Some(wanted) = how.sample else {
        return Ok(Scope::Full);
    };
    let share = exact_rate(wanted, total(servers).await?).min(1.0);
    // A draw that nobody could have known. It need not be repeated: the run's record keeps it.
    let seed = xxh3_64(&Owner::new().0.to_be_bytes());
    Sample::new(seed, share).map(|sample| Scope::Sampled { sample })
}

/// The run to go on with, or a new one.
async fn begin(
    records: &Records,
    scope: Scope,
    plan: &Plan,
    restart: bool,
) -> Result<(RunRecord, Revision)> {
    if !restart && let Some((record, revision)) = records.current().await? {
        let unfinished = record.finished_at.is_none() && record.plan_digest == plan.digest;
        if unfinished && record.scope.is_like(&scope) {
            tracing::info!(run = %record.id, compared = record.tally.compared, "going on with a run");
            return Ok((record, revision));
        }
    }
    let record = RunRecord::new(scope, plan.digest.clone(), Timestamp::now());
    let revision = records.save(&record, records.revision().await?).await?;
    Ok((record, revision))
}

fn verdict_of(record: &RunRecord, outcome: Outcome, plan: &Plan) -> Verdict {
    let tally = &record.tally;
    let differing = tally.differing();
    Verdict {
        run: record.id.clone(),
        scope: record.scope.words().to_owned(),
        whole: record.scope.is_everything(),
        dimension: Dimension::Storage,
        kind: record.scope.kind(),
        compared: tally.compared,
        differing,
        unsettled: tally.unsettled,
        rate: exact_rate(differing, tally.compared),
        bound95: upper_bound(differing, tally.compared, 0.95),
        bound99: upper_bound(differing, tally.compared, 0.99),
        rate_max: plan.verify.mismatch_rate_max,
        outcome,
        started: record.started_at,
        finished: record.finished_at.unwrap_or_else(Timestamp::now),
        plan: record.plan_digest.clone(),
    }
}

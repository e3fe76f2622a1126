//! `run`: copies until everything is copied.

use crate::args::RunArgs;
use crate::copier::{Copier, Counters};
use crate::known::known;
use crate::pace::{Pace as _, Steered};
use crate::pool::{Ended, Job, Pool};
use crate::split::split_table;
use migration::barrier::start_barrier;
use migration::checkpoint::desired::{Desired, UNLIMITED};
use migration::checkpoint::progress::Activity;
use migration::cli::{Exit, Report, SharedArgs, print};
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::layout::Layout;
use migration::phase;
use migration::plan::{BackfillPlan, Plan};
use migration::progress::Progress;
use migration::running::Running;
use migration::sample::Sample;
use migration::servers::Servers;
use migration::shutdown::Shutdown;
use migration::store::ReadLimit;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Longest wait for a source that lags behind its queue.
const BARRIER_MAX: Duration = Duration::from_secs(300);

/// What a run did.
#[derive(Debug, Serialize)]
struct Summary {
    /// `done`, `sampled` or `stopped`.
    ended: &'static str,
    read: u64,
    inserted: u64,
    existing: u64,
    refused: u64,
    batches: u64,
    later: u64,
    unlocked: u64,
    /// Batches refused because another worker has the range now.
    fenced: u64,
    restarts: u64,
    seconds: f64,
}

impl Report for Summary {
    fn text(&self) -> String {
        format!(
            "{}: {} records read in {:.1} s; of the target's records {} inserted, {} there before, \
             {} left to live data; {} batches, {} put off for their lock, {} without it{}",
            self.ended,
            self.read,
            self.seconds,
            self.inserted,
            self.existing,
            self.refused,
            self.batches,
            self.later,
            self.unlocked,
            match self.fenced {
                0 => String::new(),
                fenced => format!(", {fenced} refused: another worker has the range"),
            }
        )
    }
}

pub(super) async fn run(args: &SharedArgs, what: &RunArgs, shutdown: &Shutdown) -> Result<Exit> {
    let plan = args.load_plan()?;
    let servers = Servers::open(&plan).await?;
    let layouts = chosen(&servers, &what.table)?;
    servers.check_set_up(&plan).await?;
    servers.check_keys().await?;
    let (rate, with) = (plan.backfill.rate, (args, &what.listen));
    let running = Running::start(&phase::BACKFILL, with, &servers, rate, shutdown).await?;
    let started = Instant::now();
    let counters = Arc::new(Counters::default());
    let copied = copy(&plan, &servers, &layouts, what, &running, &counters).await;
    if copied.as_ref().is_ok_and(|ended| *ended == Ended::Done) {
        running.progress.complete();
    }
    running.finish(Activity::at_end(&copied, |ended| *ended == Ended::Done)).await?;
    let (ended, exit) = match copied? {
        Ended::Done if what.sample.is_some() => ("sampled", Exit::Done),
        Ended::Done => ("done", Exit::Done),
        // Whatever comes next in a script must not take half a copy for a whole one.
        Ended::Stopped => ("stopped", Exit::NotMet),
    };
    print(args, &summary(ended, &counters, started.elapsed()))?;
    Ok(exit)
}

/// The layouts of the tables that were asked for: all, unless some were named.
fn chosen(servers: &Servers, names: &[String]) -> Result<Vec<Arc<Layout>>> {
    let is_named =
        |layout: &&Arc<Layout>| names.is_empty() || names.contains(&layout.source().table);
    let known =
        |name: &&String| !servers.layouts.iter().any(|layout| layout.source().table == **name);
    if let Some(unknown) = names.iter().find(known) {
        let tables: Vec<&str> =
            servers.layouts.iter().map(|layout| layout.source().table.as_str()).collect();
        return Err(Error::new(ErrorKind::Plan, "copy: the plan has no such source table")
            .with("table", unknown)
            .hint(format!("it has {}", tables.join(", "))));
    }
    Ok(servers.layouts.iter().filter(is_named).cloned().collect())
}

async fn copy(
    plan: &Plan,
    servers: &Servers,
    layouts: &[Arc<Layout>],
    what: &RunArgs,
    running: &Running,
    counters: &Arc<Counters>,
) -> Result<Ended> {
    let barrier = start_barrier(&*servers.queue, &servers.targets, BARRIER_MAX);
    match running.shutdown.unless_begun(barrier).await {
        Some(passed) => passed?,
        None => return Ok(Ended::Stopped),
    }
    fault::point("backfill.barrier");
    let sample = what.sample.map(|share| Sample::new(what.seed, share)).transpose()?;
    if let Some(sample) = sample {
        // Recorded first: `verify` then judges what is about to be there, never less.
        sample.record(&*servers.checkpoint).await?;
    }
    let batch = &plan.backfill;
    let wanted = running.wanted().await?;
    say_default_rate(batch, &wanted.current());
    let workers = workers(what, &wanted.current()).unwrap_or(batch.workers);
    let pace = Arc::new(Steered {
        throttle: Arc::clone(&running.throttle),
        wanted,
        planned: ReadLimit { rows_max: batch.batch_rows_max, bytes_max: batch.batch_bytes_max },
        workers,
    });
    let mut jobs = Vec::new();
    let (mut records, mut before) = (0, 0);
    for layout in layouts {
        let ranges = split_table(
            &*servers.source,
            &servers.targets,
            &*servers.checkpoint,
            layout,
            batch.ranges,
        )
        .await?;
        let estimate = servers.source.estimate_rows(layout.source()).await?;
        records += estimate;
        before += known(&ranges, estimate, pace.batch().rows_max);
        let copier = Arc::new(Copier {
            source: Arc::clone(&servers.source),
            targets: servers.targets.clone(),
            lock: Arc::clone(&servers.lock),
            layout: Arc::clone(layout),
            owner: running.process.owner,
            lease: plan.lock.lease,
            sample,
            pace: Arc::<Steered>::clone(&pace),
            counters: Arc::clone(counters),
        });
        let open = ranges.into_iter().filter(|range| !range.done);
        jobs.extend(open.map(|range| Job { copier: Arc::clone(&copier), after: range.after }));
    }
    running.progress.set_total(Some(records));
    running.progress.start_at(before);
    running.progress.set_activity(Activity::Running);
    let counted = Arc::clone(counters);
    let observing = running.observe(move |progress| show(progress, &counted, before));
    let pool = Pool {
        checkpoint: Arc::clone(&servers.checkpoint),
        process: running.process.clone(),
        workers,
    };
    let ended = pool.run(jobs, &running.shutdown).await;
    drop(observing);
    show(&running.progress, counters, before);
    ended
}

/// Nobody may wonder why the copy is no faster: says what holds it, if nobody asked for it.
fn say_default_rate(plan: &BackfillPlan, wanted: &Desired) {
    if plan.is_rate_default && wanted.rate.is_none() {
        tracing::info!(
            "copies at most {}, the default rate of a process: for more `backfill set rate=20000`, \
             for as fast as it goes `backfill set rate={UNLIMITED}`",
            plan.rate,
        );
    }
}

/// Workers as the command line says, else as an operator set them for every process.
fn workers(what: &RunArgs, wanted: &Desired) -> Option<usize> {
    let set = wanted.workers.as_ref().and_then(|set| usize::try_from(set.value.get()).ok());
    let given = what.workers.map(usize::from);
    if let (Some(given), Some(set)) = (given, set)
        && given != set
    {
        tracing::info!(given, set, "--workers counts here, and not what `backfill set` says");
    }
    given.or(set)
}

/// Shows what the workers have counted. `before` was there when they began.
fn show(progress: &Progress, counters: &Counters, before: u64) {
    let now = before + counters.passed.load(Ordering::Relaxed);
    progress.add(now.saturating_sub(progress.snapshot().done));
    for (name, counter) in [
        ("inserted", &counters.inserted),
        ("existing", &counters.existing),
        ("guard_refused", &counters.refused),
        ("later", &counters.later),
        ("unlocked", &counters.unlocked),
        ("fenced", &counters.fenced),
        ("restarts", &counters.restarts),
    ] {
        progress.set_count(name, counter.load(Ordering::Relaxed));
    }
}

fn summary(ended: &'static str, counters: &Counters, time: Duration) -> Summary {
    let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    Summary {
        ended,
        read: get(&counters.read),
        inserted: get(&counters.inserted),
        existing: get(&counters.existing),
        refused: get(&counters.refused),
        batches: get(&counters.batches),
        later: get(&counters.later),
        unlocked: get(&counters.unlocked),
        fenced: get(&counters.fenced),
        restarts: get(&counters.restarts),
        seconds: time.as_secs_f64(),
    }
}

//! Several workers on the ranges of all tables, beside those of other processes.
//!
//! A range is worked on by whoever holds its lease in the checkpoint store; the epoch in the target
//! makes sure of it. A range that another live process holds is left alone and looked at again, so
//! that the work of a process that dies is taken over. What the workers of this process do they
//! tell each other.

mod board;

use crate::copier::Copier;
use crate::range::{Copied, copy_range};
use board::{Next, SharedBoard};
use migration::checkpoint::{CheckpointStore, lease};
use migration::error::{Error, ErrorKind, Result};
use migration::fault;
use migration::key::{Key, KeyColumn};
use migration::process::Process;
use migration::shutdown::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How long a claim outlives a process that nobody can see has died.
const LEASE: Duration = Duration::from_secs(15);

/// Between two looks at ranges that others hold.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How a run of workers ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every range is done, or its sample is copied.
    Done,
    /// It was told to stop; what is left is copied next time.
    Stopped,
}

/// One range to copy.
#[derive(Debug, Clone)]
pub struct Job {
    /// The table's copier.
    pub copier: Arc<Copier>,
    /// The range's lower bound, which names it.
    pub after: Option<Key>,
}

impl Job {
    /// The name of its lease.
    #[must_use]
    pub fn lease(&self) -> String {
        lease_name(&self.copier.layout.source().table, self.after.as_ref())
    }
}

/// The beginning of the names of all leases on ranges.
pub const LEASES: &str = "backfill/";

/// The name of the lease on a range.
fn lease_name(table: &str, after: Option<&Key>) -> String {
    match after {
        Some(key) => {
            format!("{LEASES}{table}/{}", KeyColumn::Bytes(key.as_bytes().to_vec()))
        }
        None => format!("{LEASES}{table}/first"),
    }
}

/// The workers of one process.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Where leases are kept.
    pub checkpoint: Arc<dyn CheckpointStore>,
    /// This process.
    pub process: Process,
    /// How many.
    pub workers: usize,
}

impl Pool {
    /// Copies all `jobs`, or as many as other processes leave, until they are done everywhere.
    ///
    /// # Errors
    /// `Fenced`, naming a holder, if other processes hold all that is left and this one never got
    /// any; the first failure of a range that does not pass. The other workers are drained first.
    pub async fn run(&self, jobs: Vec<Job>, shutdown: &Shutdown) -> Result<Ended> {
        let board = Arc::new(SharedBoard::new(jobs.len()));
        let jobs: Arc<[Job]> = jobs.into();
        let stop = shutdown.part();
        let mut workers = JoinSet::new();
        for _ in 0..self.workers.clamp(1, jobs.len().max(1)) {
            let worker = Worker {
                pool: self.clone(),
                jobs: Arc::clone(&jobs),
                board: Arc::clone(&board),
                stop: stop.clone(),
            };
            workers.spawn(async move { worker.run().await });
        }
        let mut result = Ok(());
        while let Some(joined) = workers.join_next().await {
            let ended = joined.unwrap_or_else(|error| {
                Err(Error::new(ErrorKind::Failed, "run worker").because(error))
            });
            if ended.is_err() {
                stop.begin();
            }
            // The first failure is the cause of what follows.
            result = result.and(ended);
        }
        result?;
        Ok(if board.is_done() { Ended::Done } else { Ended::Stopped })
    }
}

struct Worker {
    pool: Pool,
    jobs: Arc<[Job]>,
    board: Arc<SharedBoard>,
    stop: Shutdown,
}

impl Worker {
    async fn run(&self) -> Result<()> {
        let mut look_again = Instant::now() + LOOK_AGAIN;
        while !self.stop.has_begun() {
            let (next, changed) = self.board.next();
            let index = match next {
                Next::Take(index) => index,
                Next::Wait => {
                    tokio::select! {
                        biased;
                        () = self.stop.begun() => {}
                        () = sleep_until(look_again) => {
                            self.board.look_again();
                            look_again = Instant::now() + LOOK_AGAIN;
                        }
                        () = changed => {}
                    }
                    continue;
                }
                Next::AllHeld(error) => return Err(error),
                Next::Done => return Ok(()),
            };
            if let Some(pause) = self.turn(index).await? {
                self.stop.sleep(pause).await;
            }
        }
        Ok(())
    }

    /// Works on a range that was taken from the board. Returns how long to pause if that failed.
    async fn turn(&self, index: usize) -> Result<Option<Duration>> {
        match self.work(&self.jobs[index]).await {
            Ok(Turn::Done) => self.board.done(index),
            Ok(Turn::GivenUp) => self.board.left(index),
            Err(error) if error.kind() == ErrorKind::Fenced => self.board.held(index, error),
            Err(error) if error.kind().may_pass() => {
                let copied = self.jobs[index].copier.counters.passed.load(Ordering::Relaxed);
                let Some(pause) = self.board.failed(index, copied) else { return Err(error) };
                tracing::warn!(error = %error, "range failed; it is tried again");
                return Ok(Some(pause));
            }
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// Copies one range under its lease.
    async fn work(&self, job: &Job) -> Result<Turn> {
        let pool = &self.pool;
        let lease = lease::acquire(&pool.checkpoint, &job.lease(), &pool.process, LEASE).await?;
        fault::point("backfill.leased");
        let lease = lease.keep(&self.stop);
        let copied = copy_range(&job.copier, job.after.as_ref(), lease.lost()).await;
        if let Err(error) = lease.release().await {
            tracing::warn!(error = %error, "lease on a range not given back; it runs out");
        }
        Ok(match copied? {
            Copied::Done | Copied::Sampled => Turn::Done,
            Copied::Fenced | Copied::Stopped => Turn::GivenUp,
        })
    }
}

enum Turn {
    Done,
    /// Somebody else has it now, or the run was told to stop.
    GivenUp,
}

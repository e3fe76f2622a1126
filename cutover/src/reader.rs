//! The reader: what a service asks, for each read, which store answers.
//!
//! [`Reader::decide`] takes nanoseconds: it loads one word that holds the whole stage, compares a
//! coarse clock with a deadline, and hashes the key. It takes no lock, makes no system call and
//! allocates nothing, and it may be called from any thread and from async code. Two threads of the
//! reader's own keep the word and the deadline:
//!
//! - the *refresher* reads the checkpoint store five times a second, and beside that writes what was
//!   reported;
//! - the *watcher* looks at the rollback file ten times a second and never touches the store, so
//!   that no store, however stuck, can hold the big red switch up.
//!
//! Every doubt ends at the old store: before the first state was read, when the snapshot is older
//! than the plan's `staleness_max`, when the rollback file is there, and when nobody has looked for
//! it for [`WATCH_LAPSE`]: the deadline is checked in the call itself, so a process that was
//! stopped for an hour answers old from its first decision on.

mod hot;
mod presence;
mod refresh;
mod source;
mod tally;
mod watch;

pub use presence::{ReaderSeen, readers};
pub use tally::{Counts, MIRROR_PREFIX, MirrorOutcome, latency_bound, mirror_key, mirror_prefix};
pub use watch::WATCH_LAPSE;

use crate::bucket::FlagHash;
use crate::decide::Decision;
use crate::stage::Stage;
use hot::Hot;
use migration::checkpoint::CheckpointStore;
use migration::clock::Timestamp;
use migration::error::{Error, ErrorKind, Result};
use migration::plan::Plan;
use migration::process::Process;
use refresh::Refresher;
use source::Source;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tally::Tally;
use tokio_util::sync::CancellationToken;
use watch::Watcher;

/// The stage as this reader sees it, for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageView {
    /// The stage generation; zero before the first change, and before the first state was read.
    pub generation: u32,
    /// The stage; `None` before the first state was read.
    pub stage: Option<Stage>,
    /// Buckets, of 10,000, that the target answers.
    pub basis_points: u16,
    /// Whether reads are mirrored.
    pub mirror: bool,
    /// Whether a rollback holds, by the file or by the stage.
    pub rolled_back: bool,
    /// Whether the snapshot is too old, so that the old store answers.
    pub stale: bool,
    /// When the state was last read; `None` before the first time.
    pub read_at: Option<Timestamp>,
}

impl StageView {
    /// The stage's name, for people.
    #[must_use]
    pub fn name(&self) -> String {
        self.stage.map_or_else(|| "unknown".to_owned(), |stage| stage.to_string())
    }
}

/// Decides for each read which store answers it.
///
/// Call order: `connect` or `open` → any `decide`, `report`, `stage` from any thread → `shutdown`.
/// Dropping it stops its threads too, without waiting for what was reported last to be written.
pub struct Reader {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the reader's callers and its threads share.
#[derive(Debug)]
struct Shared {
    process: Process,
    flag: FlagHash,
    hot: Hot,
    tally: Tally,
    stopping: CancellationToken,
}

impl Reader {
    /// Starts a reader of the migration's stage.
    ///
    /// Returns at once, also when the store cannot be reached: until a state has been read, the
    /// old store answers. See [`Reader::wait_until_loaded`].
    ///
    /// # Errors
    /// `Refused` if the directory of the rollback file is not there: the big red switch would have
    /// no effect on this reader. `Failed` if a thread cannot be started.
    pub fn open(plan: &Plan, checkpoint: Arc<dyn CheckpointStore>) -> Result<Self> {
        Self::start(plan, Source::Given(checkpoint), Timing::of(plan))
    }

    /// As [`Reader::open`], with the plan's checkpoint store, which need not be there yet: it is
    /// opened in the background, and again whenever it was lost. What a service should use.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn connect(plan: &Plan) -> Result<Self> {
        Self::start(plan, Source::of(plan), Timing::of(plan))
    }

    fn start(plan: &Plan, source: Source, timing: Timing) -> Result<Self> {
        let watcher = Watcher::new(&plan.cutover, timing)?;
        let process = Process::start(&program());
        let shared = Arc::new(Shared {
            flag: FlagHash::new(plan.cutover.flag.as_bytes()),
            hot: Hot::default(),
            tally: Tally::new(process.owner),
            process,
            stopping: CancellationToken::new(),
        });
        watcher.look(&shared.hot);
        let refresher = Refresher::new(source, plan, timing);
        let reader = Self { shared: shared.clone(), threads: Mutex::default() };
        let watched = shared.clone();
        reader.spawn("cutover-watch", move || watcher.run(&watched))?;
        reader.spawn("cutover-refresh", move || refresher.run(&shared))?;
        Ok(reader)
    }

    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        let thread = thread.map_err(|error| {
            Error::new(ErrorKind::Failed, "start reader").with("thread", name).because(error)
        })?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Says which store answers a read of `key`, the value that identifies the user: the same bytes
    /// that a whitelist and `cutover evaluate` are given.
    #[inline]
    pub fn decide(&self, key: impl AsRef<[u8]>) -> Decision {
        self.shared.hot.decide(self.shared.flag, key.as_ref())
    }

    /// Counts the outcome of a mirrored read: what became of it, and how long the read that was
    /// repeated took. Costs a short lock; what was counted is written to the checkpoint store twice
    /// a second, so a crash loses at most that.
    pub fn report(&self, decision: &Decision, outcome: MirrorOutcome, latency: Duration) {
        self.shared.tally.count(decision.generation, outcome, latency);
    }

    /// The stage as this reader sees it.
    #[must_use]
    pub fn stage(&self) -> StageView {
        self.shared.hot.view()
    }

    /// Waits, at most `limit`, until a state has been read. Returns whether one has.
    pub async fn wait_until_loaded(&self, limit: Duration) -> bool {
        let loaded = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            while self.stage().read_at.is_none() {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(limit, loaded).await.is_ok()
    }

    /// Stops the reader's threads, after what was reported is written if the store takes it within
    /// a second. From here on the old store answers. Blocks; may be called again.
    pub fn shutdown(&self) {
        self.stop();
        let threads = {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *threads)
        };
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the reader panicked");
            }
        }
    }

    fn stop(&self) {
        self.shared.stopping.cancel();
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.iter() {
            thread.thread().unpark();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("stage", &self.stage()).finish_non_exhaustive()
    }
}

/// The name of the service, for people.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let name = path.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
    name.map_or_else(|| "reader".to_owned(), std::borrow::Cow::into_owned)
}

/// How often the reader's threads look. Not the plan's business: the bounds that matter to an
/// operator (`staleness_max`, a second for the switch) hold at any of these.
#[derive(Debug, Clone, Copy)]
struct Timing {
    /// Between two reads of the checkpoint store.
    refresh: Duration,
    /// Between two writes of what was reported.
    flush: Duration,
    /// Bound of one read or write of the store.
    call_max: Duration,
    /// Between two looks at the rollback file.
    watch: Duration,
}

impl Timing {
    fn of(plan: &Plan) -> Self {
        Self {
            // A few reads in a row may fail before the snapshot is stale.
            refresh: Duration::from_millis(200).min(plan.cutover.staleness_max / 4),
            flush: Duration::from_millis(500),
            call_max: Duration::from_secs(1),
            watch: Duration::from_millis(100),
        }
    }
}

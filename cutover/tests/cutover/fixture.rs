//! A plan in a directory of its own.

use cutover::{Action, Record, Signed, Stage};
use migration::checkpoint::{CheckpointStore, document};
use migration::clock::Timestamp;
use migration::plan::{Plan, StagePlan};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A migration in a temporary directory.
pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) plan: Plan,
}

/// A plan that is all defaults but for what must be said. Its last section is `[cutover]`.
const PLAN: &str = include_str!("../migration.toml");

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with("staleness_max_ms = 60_000\n[cutover.gate]\nsoak_s = 0\n")
    }

    /// The plan with these lines at the end of `[cutover]`.
    pub(crate) fn with(settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("migration.toml");
        std::fs::write(&file, format!("{PLAN}{settings}")).unwrap();
        let plan = Plan::load(&file).unwrap();
        Self { directory, plan }
    }

    pub(crate) fn rollback_file(&self) -> PathBuf {
        self.plan.cutover.rollback_file.clone()
    }

    /// The state of this plan at a stage, with nobody on the whitelist.
    pub(crate) fn at(&self, stage: Stage) -> Record {
        let signed = Signed { who: "t".to_owned(), when: Timestamp::now(), why: "t".to_owned() };
        Record::initial(&self.plan, Timestamp::now()).changed(Action::Promote, stage, signed)
    }
}

pub(crate) const MIRROR: Stage = Stage::At(StagePlan::Mirror);

pub(crate) fn share(basis_points: u32) -> Stage {
    Stage::At(StagePlan::Share { basis_points })
}

/// Puts the stage entry, whatever it was.
pub(crate) async fn put(store: &dyn CheckpointStore, record: &Record) {
    let found = store.get(cutover::STAGE_KEY).await.unwrap().map(|entry| entry.revision);
    let value = document::encode(record).unwrap();
    store.put(cutover::STAGE_KEY, &value, found).await.unwrap().unwrap();
}

/// Waits until something becomes true that another thread is about to do; fails after `limit`.
/// Returns how long it took.
pub(crate) fn wait_until(limit: Duration, mut is_true: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < limit, "not within {limit:?}");
        // Polls rather than spins: the thread that it waits for may need this core.
        std::thread::park_timeout(Duration::from_millis(1));
    }
    began.elapsed()
}

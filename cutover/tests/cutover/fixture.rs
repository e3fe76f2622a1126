//! A plan in a directory of its own.

use cutover::{Action, Counts, Record, Signed, Stage};
use migration::checkpoint::progress::{Activity, Snapshot};
use migration::checkpoint::verdict::{self, Dimension, Kind, Outcome, Verdict};
use migration::checkpoint::{CheckpointStore, SqliteCheckpoint, document, plan_record};
use migration::clock::Timestamp;
use migration::plan::{Plan, StagePlan};
use migration::process::Process;
use migration::queue::outbox_ddl;
use sqlx::Connection as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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

    pub(crate) fn plan_file(&self) -> PathBuf {
        self.directory.path().join("migration.toml")
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.directory.path().join("checkpoint.db")
    }

    /// The checkpoint store, with the migration begun.
    pub(crate) async fn store(&self) -> SqliteCheckpoint {
        let store = SqliteCheckpoint::open(&self.checkpoint(), "flight").await.unwrap();
        plan_record::bind(&store, &self.plan, "alice@db1").await.unwrap();
        store
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

impl Fixture {
    /// A verdict about everything, given now, with this many differences.
    pub(crate) async fn verdict(&self, store: &dyn CheckpointStore, differing: u64) {
        self.verdict_about(store, ("run-1", "every record", true), differing).await;
    }

    async fn verdict_about(
        &self,
        store: &dyn CheckpointStore,
        (run, scope, whole): (&str, &str, bool),
        differing: u64,
    ) {
        let now = Timestamp::now();
        let verdict = Verdict {
            run: run.to_owned(),
            scope: scope.to_owned(),
            whole,
            dimension: Dimension::Storage,
            kind: Kind::Census,
            compared: 1_000,
            differing,
            unsettled: 0,
            rate: 0.0,
            bound95: 0.0,
            bound99: 0.0,
            rate_max: 1e-6,
            outcome: if differing == 0 { Outcome::Pass } else { Outcome::Fail },
            started: now,
            interruptions: 0,
            resumed: None,
            finished: now,
            edition: self.plan.edition(),
        };
        verdict::append(store, &verdict).await.unwrap();
    }

    /// The verdict of another run, about a sample, given now.
    pub(crate) async fn sample_verdict(&self, store: &dyn CheckpointStore, differing: u64) {
        self.verdict_about(store, ("run-2", "a sample", false), differing).await;
    }

    /// A live path, this process, that says how far it is behind.
    pub(crate) async fn lag(&self, store: &dyn CheckpointStore, lag_ms: u64) {
        self.reported(store, lag_ms, Timestamp::now()).await;
    }

    /// A live path that said so then.
    pub(crate) async fn reported(&self, store: &dyn CheckpointStore, lag_ms: u64, at: Timestamp) {
        let snapshot = Snapshot {
            phase: "dual-write".to_owned(),
            process: Process::start("dual-write"),
            updated: at,
            activity: Activity::Running,
            unit: "changes".to_owned(),
            done: 0,
            total: None,
            rate: 0.0,
            eta_s: None,
            lag_ms: Some(lag_ms),
            throttle: None,
            counts: BTreeMap::new(),
        };
        let key = "progress/dual-write/1";
        let found = store.get(key).await.unwrap().map(|entry| entry.revision);
        document::put(store, key, &snapshot, found).await.unwrap().unwrap();
    }

    /// Mirrored reads that agree, at a generation.
    pub(crate) async fn mirrored(&self, store: &dyn CheckpointStore, generation: u32, same: u64) {
        let counts = Counts { same, ..Counts::default() };
        let key = cutover::mirror_key(generation, "r");
        document::put(store, &key, &counts, None).await.unwrap().unwrap();
    }
}

impl Fixture {
    /// Makes the databases of the plan, empty.
    pub(crate) async fn databases(&self) {
        let table = |name, one, other| {
            format!(
                "CREATE TABLE {name} ({one} TEXT NOT NULL, {other} TEXT NOT NULL, \
                 PRIMARY KEY ({one}, {other}))"
            )
        };
        let tables = [
            ("source.db", table("followers", "package", "dependent")),
            ("source.db", outbox_ddl("outbox")),
            ("target.db", table("follower_of", "followed", "follower")),
        ];
        for (file, statement) in tables {
            let path = self.directory.path().join(file);
            let url = format!("sqlite://{}?mode=rwc", path.display());
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

/// The stage entry.
pub(crate) async fn stage(store: &dyn CheckpointStore) -> Record {
    document::read(store, cutover::STAGE_KEY).await.unwrap().unwrap().0
}

/// Locks a SQLite file against every other writer until it is dropped.
pub(crate) async fn lock(path: &Path) -> sqlx::SqliteConnection {
    let mut connection =
        sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await.unwrap();
    connection
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

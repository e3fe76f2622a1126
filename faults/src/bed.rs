//! A small migration in a folder of its own.

use crate::program::{Running, program};
use crate::ran::Ran;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteLockingMode};
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Entities in the source: some lists long, most short.
const PACKAGES: u64 = 60;

/// Longest that a consumer may take to apply what a test writes: a transaction that stands still in
/// its way is ended by its server after half a minute.
const APPLIED_MAX: Duration = Duration::from_secs(120);

const SOURCE: &str = r#"
    CREATE TABLE followers (
        package TEXT NOT NULL, dependent TEXT NOT NULL, "constraint" TEXT, section TEXT NOT NULL,
        installed_kib INTEGER NOT NULL, changed_at INTEGER NOT NULL,
        PRIMARY KEY (package, dependent));
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, op TEXT NOT NULL,
        payload TEXT, made_at INTEGER NOT NULL);"#;

const SHARD: &str = "
    CREATE TABLE follower_of (
        followed TEXT NOT NULL, follower TEXT NOT NULL, requirement TEXT, category TEXT NOT NULL,
        size_kib TEXT NOT NULL, changed_at TIMESTAMP NOT NULL,
        PRIMARY KEY (followed, follower));
    CREATE TABLE follows (
        follower TEXT NOT NULL, followed TEXT NOT NULL, requirement TEXT, category TEXT NOT NULL,
        size_kib TEXT NOT NULL, changed_at TIMESTAMP NOT NULL,
        PRIMARY KEY (follower, followed));";

/// A migration of one table into two shards, every edge stored twice.
#[derive(Debug)]
pub struct Bed {
    dir: tempfile::TempDir,
    random: StdRng,
    clock: i64,
}

impl Bed {
    /// A source of `rows` edges, empty shards, and a plan in which batches are small, so that every
    /// boundary is hit. Nothing is set up.
    pub async fn new(rows: u64, seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut bed =
            Self { dir, random: StdRng::seed_from_u64(seed), clock: 1_760_000_000_000_000 };
        let mut source = bed.open("source.db").await;
        source.execute(SOURCE).await.unwrap();
        source.execute("BEGIN").await.unwrap();
        for row in 0..rows {
            let package = package(row % PACKAGES * (row % 3) % PACKAGES);
            bed.put(&mut source, &package, &dependent(row)).await;
        }
        source.execute("COMMIT").await.unwrap();
        source.close().await.unwrap();
        for shard in ["shard-0.db", "shard-1.db"] {
            let mut target = bed.open(shard).await;
            target.execute(SHARD).await.unwrap();
            target.close().await.unwrap();
        }
        std::fs::write(bed.path("migration.toml"), include_str!("plan.toml")).unwrap();
        bed
    }

    /// A file of the migration.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Changes a part of the plan, which has to be there.
    #[track_caller]
    pub fn edit(&self, from: &str, to: &str) {
        let plan = std::fs::read_to_string(self.path("migration.toml")).unwrap();
        assert!(plan.contains(from), "the plan has no {from:?}: {plan}");
        std::fs::write(self.path("migration.toml"), plan.replace(from, to)).unwrap();
    }

    /// Opens one of the migration's databases as an application does.
    pub async fn open(&self, name: &str) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.path(name))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// Opens one of the databases so that nobody else can even read it.
    pub async fn open_alone(&self, name: &str) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.path(name))
            .locking_mode(SqliteLockingMode::Exclusive)
            .journal_mode(SqliteJournalMode::Wal);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        // The lock is taken by the first transaction, and kept.
        connection.execute("BEGIN IMMEDIATE; COMMIT").await.unwrap();
        connection
    }

    /// Runs statements on one of the databases, past everything: for planting faults.
    pub async fn execute(&self, database: &str, statements: &str) {
        let mut connection = self.open(database).await;
        connection.execute(AssertSqlSafe(statements)).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Makes `count` live changes as a service does: each in one transaction with its outbox row.
    pub async fn change(&mut self, count: u64) {
        let mut source = self.open("source.db").await;
        for _ in 0..count {
            let package = package(self.random.random_range(0..PACKAGES));
            let dependent = dependent(self.random.random_range(0..PACKAGES * 40));
            source.execute("BEGIN IMMEDIATE").await.unwrap();
            if self.random.random_range(0..100) < 35 {
                self.delete(&mut source, &package, &dependent).await;
            } else {
                let payload = self.put(&mut source, &package, &dependent).await;
                self.emit(&mut source, "upsert", &payload).await;
            }
            source.execute("COMMIT").await.unwrap();
        }
        source.close().await.unwrap();
    }

    /// Makes a change that deletes one edge, if it is there.
    pub async fn delete_edge(&mut self, package: &str, dependent: &str) {
        let mut source = self.open("source.db").await;
        source.execute("BEGIN IMMEDIATE").await.unwrap();
        self.delete(&mut source, package, dependent).await;
        source.execute("COMMIT").await.unwrap();
        source.close().await.unwrap();
    }

    /// Makes a change that puts one edge.
    pub async fn put_edge(&mut self, package: &str, dependent: &str) {
        let mut source = self.open("source.db").await;
        source.execute("BEGIN IMMEDIATE").await.unwrap();
        let payload = self.put(&mut source, package, dependent).await;
        self.emit(&mut source, "upsert", &payload).await;
        source.execute("COMMIT").await.unwrap();
        source.close().await.unwrap();
    }

    /// As [`Self::put_edge`], with a message whose record cannot be decoded though its key can.
    pub async fn poison(&mut self, package: &str, dependent: &str) {
        let mut source = self.open("source.db").await;
        source.execute("BEGIN IMMEDIATE").await.unwrap();
        let payload = self.put(&mut source, package, dependent).await;
        let mut payload: serde_json::Value = serde_json::from_str(&payload).unwrap();
        payload["installed_kib"] = "many".into();
        self.emit(&mut source, "upsert", &payload.to_string()).await;
        source.execute("COMMIT").await.unwrap();
        source.close().await.unwrap();
    }

    /// As [`Self::poison`], and the source holds the same: SQLite keeps any value in any column.
    pub async fn poison_source(&mut self, package: &str, dependent: &str) {
        self.poison(package, dependent).await;
        let spoil = format!(
            "UPDATE followers SET installed_kib = 'many'
             WHERE package = '{package}' AND dependent = '{dependent}'"
        );
        self.execute("source.db", &spoil).await;
    }

    /// Writes a row into the outbox and nowhere else: a message that may be anything.
    pub async fn emit_raw(&mut self, op: &str, payload: &str) {
        let mut source = self.open("source.db").await;
        self.emit(&mut source, op, payload).await;
        source.close().await.unwrap();
    }

    async fn put(
        &mut self,
        source: &mut SqliteConnection,
        package: &str,
        dependent: &str,
    ) -> String {
        self.clock += 1;
        let constraint = match self.random.random_range(0..4) {
            0 => None,
            1 => Some(String::new()),
            n => Some(format!(">= {n}.{}", self.random.random_range(0..10))),
        };
        let kib: i64 = self.random.random_range(0..1_000_000);
        sqlx::query("INSERT OR REPLACE INTO followers VALUES (?, ?, ?, 'libs', ?, ?)")
            .bind(package)
            .bind(dependent)
            .bind(&constraint)
            .bind(kib)
            .bind(self.clock)
            .execute(source)
            .await
            .unwrap();
        serde_json::json!({
            "package": package, "dependent": dependent, "constraint": constraint,
            "section": "libs", "installed_kib": kib, "changed_at": self.clock,
        })
        .to_string()
    }

    async fn delete(&mut self, source: &mut SqliteConnection, package: &str, dependent: &str) {
        let gone = sqlx::query("DELETE FROM followers WHERE package = ? AND dependent = ?")
            .bind(package)
            .bind(dependent)
            .execute(&mut *source)
            .await
            .unwrap();
        if gone.rows_affected() > 0 {
            let key = serde_json::json!({ "package": package, "dependent": dependent });
            self.emit(source, "delete", &key.to_string()).await;
        }
    }

    async fn emit(&mut self, source: &mut SqliteConnection, op: &str, payload: &str) {
        self.clock += 1;
        sqlx::query(
            "INSERT INTO outbox (table_name, op, payload, made_at) VALUES ('followers', ?, ?, ?)",
        )
        .bind(op)
        .bind(payload)
        .bind(self.clock)
        .execute(source)
        .await
        .unwrap();
    }

    fn command(&self, name: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program(name));
        self.prepare(&mut command, args);
        command
    }

    fn prepare(&self, command: &mut Command, args: &[&str]) {
        command.args(args).args(["--config", "migration.toml", "--progress", "none"]);
        command.current_dir(self.dir.path()).env_remove("MIDFLIGHT_FAULT");
    }

    /// Starts a program.
    #[must_use]
    pub fn start(&self, name: &str, args: &[&str]) -> Running {
        Running::start(&mut self.command(name, args))
    }

    /// Starts a program with a fault, such as `abort@3`.
    #[must_use]
    pub fn start_with(&self, fault: &str, name: &str, args: &[&str]) -> Running {
        Running::start(self.command(name, args).env("MIDFLIGHT_FAULT", fault))
    }

    /// Runs a program to its end on a disk that takes no file of more than `kib` KiB.
    #[must_use]
    pub fn run_on_full_disk(&self, kib: u64, name: &str, args: &[&str]) -> Ran {
        // Beyond the limit a write fails, as it does on a full disk; the signal that comes with it
        // is the program's to deal with.
        let mut command = Command::new("bash");
        command.args(["-c", r#"ulimit -f "$1"; shift; exec "$@""#, "bash"]);
        command.arg(kib.to_string()).arg(program(name));
        self.prepare(&mut command, args);
        Running::start(&mut command).wait()
    }

    /// Runs a program to its end.
    #[must_use]
    pub fn run(&self, name: &str, args: &[&str]) -> Ran {
        self.start(name, args).wait()
    }

    /// The fault points that a run hits, in order. It has to end with `code`.
    #[must_use]
    pub fn hits(&self, name: &str, args: &[&str], code: i32) -> Vec<String> {
        let file = self.path("hits");
        let fault = format!("count:{}", file.display());
        let ran = self.start_with(&fault, name, args).wait();
        assert_eq!(ran.code, Some(code), "{name} {args:?}: {ran:?}");
        let hits = std::fs::read_to_string(file).unwrap();
        hits.lines().map(str::to_owned).collect()
    }

    /// Waits until a consumer that runs has applied everything on every instance.
    pub fn wait_until_applied(&self) {
        let begun = Instant::now();
        loop {
            let status = self.run("dual-write", &["status", "--output", "json"]).json();
            let positions = status["positions"].as_array().unwrap();
            if positions.iter().all(|instance| instance["lag_messages"] == 0) {
                return;
            }
            assert!(begun.elapsed() < APPLIED_MAX, "it is not applied: {status}");
        }
    }

    /// Brings both phases to rest: everything copied, the queue drained.
    pub fn finish(&self) {
        drop(self.run("backfill", &["run"]).ok());
        drop(self.run("dual-write", &["run", "--until-drained"]).ok());
    }
}

fn package(n: u64) -> String {
    format!("lib{n:03}")
}

fn dependent(n: u64) -> String {
    format!("package-{n:05}")
}

//! A service under load, and what it was told is done.

use crate::engine::{Edge, Engine, Session};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Edges that may be there.
const EDGES: u32 = 3_000;

/// Sessions that write at once.
const SESSIONS: u64 = 4;

/// Longest that a server may be away.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// What the service was told is done: every edge that must be there, by its key.
type Acknowledged = BTreeMap<(String, String), String>;

/// A service whose sessions write transactions that overlap, each with its outbox rows.
///
/// Two transactions of one edge follow each other, so that it is known which of them is the last;
/// those of different edges overlap as they like. What is acknowledged is kept here, apart from any
/// server: that is what both sides have to hold in the end.
#[derive(Debug)]
pub struct Application {
    engine: Engine,
    url: String,
    edges: Vec<tokio::sync::Mutex<()>>,
    acknowledged: Mutex<Acknowledged>,
    operations: AtomicU64,
    seed: AtomicU64,
    is_over: AtomicBool,
}

/// One change of a transaction.
enum Change {
    Put(Edge),
    Delete(Edge),
}

impl Change {
    fn edge(&self) -> &Edge {
        match self {
            Self::Put(edge) | Self::Delete(edge) => edge,
        }
    }

    fn key(&self) -> (String, String) {
        let edge = self.edge();
        (edge.package.clone(), edge.dependent.clone())
    }
}

/// What became of a transaction.
enum Outcome {
    Committed,
    RolledBack,
    /// The server went away under its commit.
    Unknown,
}

impl Application {
    /// A service on a source that has its tables.
    pub async fn new(engine: Engine, url: &str, seed: u64) -> Arc<Self> {
        let application = Arc::new(Self {
            engine,
            url: url.to_owned(),
            edges: (0..EDGES).map(|_| tokio::sync::Mutex::default()).collect(),
            acknowledged: Mutex::default(),
            operations: AtomicU64::new(1),
            seed: AtomicU64::new(seed),
            is_over: AtomicBool::new(false),
        });
        application.adopt().await;
        application
    }

    /// Takes what the source holds now for what was acknowledged: after an operator wrote to it.
    pub async fn adopt(&self) {
        let lines = self.open().await.lines(self.engine.source_edges()).await.unwrap();
        let key = |line: &str| {
            let mut parts = line.split('|').map(str::to_owned);
            (parts.next().unwrap(), parts.next().unwrap())
        };
        let found = lines.into_iter().map(|line| (key(&line), line)).collect();
        *self.acknowledged.lock().unwrap() = found;
    }

    /// How many changes were made so far.
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// Waits until it has made so many more changes.
    pub async fn made(&self, changes: u64) {
        let (begun, until) = (Instant::now(), self.operations() + changes);
        while self.operations() < until {
            assert!(begun.elapsed() < AWAY_MAX, "the load stands still");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What must be there, as lines.
    pub fn acknowledged(&self) -> BTreeSet<String> {
        self.acknowledged.lock().unwrap().values().cloned().collect()
    }

    /// Writes one edge, in a transaction of its own.
    pub async fn put(&self, package: &str, dependent: &str, constraint: Option<&str>) {
        let edge = self.edge(package, dependent, constraint, 1);
        self.make_one(Change::Put(edge)).await;
    }

    /// Deletes one edge, in a transaction of its own.
    pub async fn delete(&self, package: &str, dependent: &str) {
        let edge = self.edge(package, dependent, None, 0);
        self.make_one(Change::Delete(edge)).await;
    }

    /// Removes every edge at once, as an operator does: while nothing else writes.
    pub async fn empty(&self) {
        self.open().await.run("TRUNCATE TABLE followers").await.unwrap();
        self.acknowledged.lock().unwrap().clear();
    }

    fn edge(&self, package: &str, dependent: &str, constraint: Option<&str>, kib: u64) -> Edge {
        Edge {
            package: package.to_owned(),
            dependent: dependent.to_owned(),
            constraint: constraint.map(str::to_owned),
            kib,
            operation: self.operations.fetch_add(1, Ordering::Relaxed),
        }
    }

    async fn make_one(&self, change: Change) {
        let changes = [change];
        let outcome = self.attempt(&mut None, &changes, Duration::ZERO, true).await;
        assert!(matches!(outcome, Outcome::Committed), "{:?} is not made", changes[0].key());
        self.acknowledge(&changes);
    }

    /// Several sessions write so many transactions each.
    pub async fn change(self: &Arc<Self>, transactions: u64) {
        self.sessions(transactions).join_all().await;
    }

    /// Writes until it is told to stop.
    #[must_use]
    pub fn load(self: &Arc<Self>) -> Load {
        self.is_over.store(false, Ordering::Relaxed);
        Load { application: Arc::clone(self), sessions: self.sessions(u64::MAX) }
    }

    fn sessions(self: &Arc<Self>, transactions: u64) -> JoinSet<()> {
        let mut sessions = JoinSet::new();
        for _ in 0..SESSIONS {
            let seed = self.seed.fetch_add(1, Ordering::Relaxed);
            let this = Arc::clone(self);
            sessions.spawn(async move { this.write(seed, transactions).await });
        }
        sessions
    }

    async fn write(&self, seed: u64, transactions: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut session = None;
        for _ in 0..transactions {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let count = random.random_range(1..4);
            let edges: BTreeSet<u32> = (0..count).map(|_| random.random_range(0..EDGES)).collect();
            // In order, so that two sessions do not wait for each other.
            let mut held = Vec::new();
            for edge in &edges {
                held.push(self.edges[*edge as usize].lock().await);
            }
            let changes: Vec<_> = edges.iter().map(|edge| self.draw(&mut random, *edge)).collect();
            let pause = Duration::from_millis(random.random_range(0..9));
            let is_kept = random.random_range(0..5) > 0;
            match self.attempt(&mut session, &changes, pause, is_kept).await {
                Outcome::Committed => self.acknowledge(&changes),
                Outcome::RolledBack => {}
                Outcome::Unknown => {
                    session = Some(self.resolve(&changes).await);
                }
            }
            drop(held);
            tokio::time::sleep(pause).await;
        }
    }

    /// What becomes of an edge next.
    fn draw(&self, random: &mut StdRng, number: u32) -> Change {
        let package = format!("{}{}", if number % 2 == 1 { "lib" } else { "Lib" }, number % 61);
        let constraint = (random.random_range(0..4) > 0).then(|| format!("< {number} Ä \u{1f680}"));
        let dependent = format!("package-{number}");
        let edge = self.edge(&package, &dependent, constraint.as_deref(), random.random());
        let is_there = self.acknowledged.lock().unwrap().contains_key(&(package, dependent));
        if is_there && random.random_range(0..3) == 0 {
            Change::Delete(edge)
        } else {
            Change::Put(edge)
        }
    }

    fn acknowledge(&self, changes: &[Change]) {
        let mut acknowledged = self.acknowledged.lock().unwrap();
        for change in changes {
            match change {
                Change::Put(edge) => drop(acknowledged.insert(change.key(), edge.line())),
                Change::Delete(_) => drop(acknowledged.remove(&change.key())),
            }
        }
    }

    async fn attempt(
        &self,
        session: &mut Option<Session>,
        changes: &[Change],
        pause: Duration,
        is_kept: bool,
    ) -> Outcome {
        let mut opened = match session.take() {
            Some(session) => session,
            None => self.open().await,
        };
        let made = self.make(&mut opened, changes, pause).await;
        let end = if made.is_ok() && is_kept { "COMMIT" } else { "ROLLBACK" };
        match opened.run(end).await {
            Ok(()) => *session = Some(opened),
            // Without its commit a transaction is nothing.
            Err(_) if end == "ROLLBACK" => {}
            Err(_) => return Outcome::Unknown,
        }
        if end == "COMMIT" { Outcome::Committed } else { Outcome::RolledBack }
    }

    async fn make(
        &self,
        session: &mut Session,
        changes: &[Change],
        pause: Duration,
    ) -> sqlx::Result<()> {
        session.run("BEGIN").await?;
        for change in changes {
            let statements = match change {
                Change::Put(edge) => self.engine.put(edge),
                Change::Delete(edge) => self.engine.delete(edge),
            };
            for statement in &statements {
                session.run(statement).await?;
            }
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Waits for a server that is away.
    async fn open(&self) -> Session {
        let begun = Instant::now();
        loop {
            match Session::open(self.engine, &self.url).await {
                Ok(session) => return session,
                Err(error) => assert!(begun.elapsed() < AWAY_MAX, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks the server, once it is there again, whether a commit that nobody answered was made.
    async fn resolve(&self, changes: &[Change]) -> Session {
        let begun = Instant::now();
        let (session, lines) = loop {
            let mut session = self.open().await;
            match session.lines(self.engine.source_edges()).await {
                Ok(lines) => break (session, lines),
                // It went away again.
                Err(error) => assert!(begun.elapsed() < AWAY_MAX, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let was_made = changes.iter().any(|change| match change {
            Change::Put(edge) => lines.contains(&edge.line()),
            Change::Delete(edge) => {
                let key = format!("{}|{}|", edge.package, edge.dependent);
                !lines.iter().any(|line| line.starts_with(&key))
            }
        });
        if was_made {
            self.acknowledge(changes);
        }
        session
    }
}

/// A service that writes until it is told to stop.
#[derive(Debug)]
pub struct Load {
    application: Arc<Application>,
    sessions: JoinSet<()>,
}

impl Load {
    /// Ends it. A session that failed fails the test.
    pub async fn stop(self) {
        self.application.is_over.store(true, Ordering::Relaxed);
        self.sessions.join_all().await;
    }
}

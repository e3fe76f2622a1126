//! One command, killed and run again.

use faults::{Bed, Running, differences};
use sqlx::{Connection, Row};
use std::fmt;

/// Edges in the source: enough for several batches of every range.
const ROWS: u64 = 700;

/// Something that is done to a migration.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Runs a command, which has to end with 0.
    Run(&'static str, &'static [&'static str]),
    /// Runs a command that has to end with 3: it found differences.
    Finds(&'static str, &'static [&'static str]),
    /// Starts a command that goes on until the case is over.
    Beside(&'static str, &'static [&'static str]),
    /// Makes so many live changes.
    Change(u64),
    /// Copies and applies everything.
    Finish,
    /// Makes records of the target differ, past everything.
    Plant,
    /// Makes live changes whose messages cannot be decoded, and one that cannot be written.
    Poison,
    /// Starts a copy that stands still with a lock in its hands until the case is over, and changes
    /// what it has locked.
    HoldLock,
    /// Puts the source back to an earlier state, and raises its epoch in the plan.
    RestoreSource,
}

/// What is true in the end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// Once everything is copied and applied the sides agree, and `verify` says so.
    Agrees,
    /// As `Agrees`, once `verify repair` has mended what differs.
    AgreesOnceRepaired,
    /// As `Agrees`, and no dead letter is open.
    NoLetter,
    /// The program's own clean-up finds nothing left, and the data is as it was.
    Removed,
    /// Nothing of the migration is left in source and target, and the data is as it was.
    RemovedEverywhere,
}

/// One command on a migration that is ready for it.
pub(crate) struct Case {
    pub(crate) program: &'static str,
    pub(crate) args: &'static [&'static str],
    /// What comes before it.
    pub(crate) before: &'static [Step],
    /// What comes between the kill and the second run.
    pub(crate) between: &'static [Step],
    pub(crate) end: End,
    /// What it ends with when nothing kills it.
    pub(crate) code: i32,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {}`", self.program, self.args.join(" "))
    }
}

/// A migration, and the processes that stand still in it.
struct World {
    bed: Bed,
    frozen: Vec<Running>,
    beside: Vec<Running>,
}

impl World {
    async fn new(steps: &[Step], seed: u64) -> Self {
        let mut world =
            Self { bed: Bed::new(ROWS, seed).await, frozen: Vec::new(), beside: Vec::new() };
        world.walk(steps).await;
        world
    }

    async fn walk(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(*step).await;
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Run(program, args) => drop(self.bed.run(program, args).ok()),
            Step::Finds(program, args) => drop(self.bed.run(program, args).refused(3)),
            Step::Beside(program, args) => self.beside.push(self.bed.start(program, args)),
            Step::Change(count) => self.bed.change(count).await,
            Step::Finish => self.bed.finish(),
            Step::Plant => plant(&self.bed).await,
            Step::Poison => {
                for number in 0..3 {
                    self.bed.poison("lib001", &format!("poisoned-{number}")).await;
                }
                // Decoded, but no target takes it: its year has five digits.
                let payload = r#"{"package":"lib001","dependent":"far","constraint":null,
                    "section":"libs","installed_kib":1,"changed_at":900000000000000000}"#;
                self.bed.emit_raw("upsert", payload).await;
            }
            Step::HoldLock => {
                // Its first batch, of the first packages, before it has written anything: nothing
                // else of it stands still with a transaction in its hands.
                let args = ["run", "--workers", "1"];
                let mut copy = self.bed.start_with("stop:backfill.locked@1", "backfill", &args);
                copy.frozen();
                self.frozen.push(copy);
                self.bed.put_edge("lib000", "held-up").await;
            }
            Step::RestoreSource => restore(&mut self.bed).await,
        }
    }

    /// Wakes whatever stands still, which then does what it still can, and drains what runs.
    fn end(&mut self) {
        for mut frozen in self.frozen.drain(..) {
            frozen.signal("CONT");
            drop(frozen.wait().ok());
        }
        for beside in self.beside.drain(..) {
            drop(beside.drain().ok());
        }
    }
}

impl Case {
    /// The points that it hits, in order: the same run, counted.
    pub(crate) async fn hits(&self, seed: u64) -> Vec<String> {
        let mut world = World::new(self.before, seed).await;
        let hits = world.bed.hits(self.program, self.args, self.code);
        world.end();
        hits
    }

    /// Kills it at a hit of a point, runs it again, and looks whether all is well. Returns whether
    /// it died.
    pub(crate) async fn survives_a_kill(&self, point: &str, number: usize, seed: u64) -> bool {
        let mut world = World::new(self.before, seed).await;
        let fault = format!("abort:{point}@{number}");
        let ran = world.bed.start_with(&fault, self.program, self.args).wait();
        let place = format!("{self} killed by {fault}, seed {seed}");
        assert!(ran.code.is_none() || ran.code == Some(self.code), "{place}: {ran:?}");
        world.walk(self.between).await;
        let again = world.bed.run(self.program, self.args);
        assert_eq!(again.code, Some(self.code), "{place}, and run again: {again:?}");
        world.end();
        self.check(&world.bed, &place).await;
        ran.code.is_none()
    }

    async fn check(&self, bed: &Bed, place: &str) {
        match self.end {
            End::Agrees | End::NoLetter => bed.finish(),
            End::AgreesOnceRepaired => {
                bed.finish();
                // It may find nothing, where it was killed before it changed anything.
                drop(bed.run("verify", &["run"]));
                drop(bed.run("verify", &["repair", "--execute"]).ok());
            }
            End::Removed | End::RemovedEverywhere => {
                let left = bed.run(self.program, &["cleanup", "-o", "json"]).json();
                let is_left = |item: &&serde_json::Value| item["count"] != 0;
                let left: Vec<_> =
                    left["items"].as_array().unwrap().iter().filter(is_left).collect();
                assert!(left.is_empty(), "{place}: {left:?}");
            }
        }
        if let End::NoLetter = self.end {
            assert_eq!(bed.run("dual-write", &["dlq", "list", "-o", "ndjson"]).ok(), "", "{place}");
        }
        if let End::RemovedEverywhere = self.end {
            assert_eq!(tables(bed, "source.db").await, ["followers", "outbox"], "{place}");
            for shard in ["shard-0.db", "shard-1.db"] {
                assert_eq!(tables(bed, shard).await, ["follower_of", "follows"], "{place}");
            }
        }
        assert_eq!(differences(bed).await, [], "{place}");
        if !matches!(self.end, End::Removed | End::RemovedEverywhere) {
            drop(bed.run("verify", &["run"]).ok());
        }
    }
}

/// One record that is missing, one that is another, and one that should not be there.
async fn plant(bed: &Bed) {
    for statement in [
        "DELETE FROM follower_of WHERE rowid = (SELECT min(rowid) FROM follower_of)",
        "UPDATE follows SET category = 'planted' WHERE rowid = (SELECT max(rowid) FROM follows)",
    ] {
        for shard in ["shard-0.db", "shard-1.db"] {
            bed.execute(shard, statement).await;
        }
    }
    bed.execute(
        "shard-0.db",
        "INSERT INTO follower_of SELECT followed, 'planted', requirement, category, size_kib,
             changed_at FROM follower_of LIMIT 1",
    )
    .await;
}

/// Puts the source back to where it was some changes ago, as the hints then say.
async fn restore(bed: &mut Bed) {
    bed.execute("source.db", "PRAGMA wal_checkpoint(TRUNCATE)").await;
    std::fs::copy(bed.path("source.db"), bed.path("backup.db")).unwrap();
    bed.change(60).await;
    drop(bed.run("dual-write", &["run", "--until-drained"]).ok());
    for suffix in ["-wal", "-shm"] {
        let path = bed.path(&format!("source.db{suffix}"));
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        }
    }
    std::fs::copy(bed.path("backup.db"), bed.path("source.db")).unwrap();
    let plan = std::fs::read_to_string(bed.path("migration.toml")).unwrap();
    let raised = plan.replacen("[source]", "[source]\nepoch = 1", 1);
    std::fs::write(bed.path("migration.toml"), raised).unwrap();
}

/// The tables of a database.
async fn tables(bed: &Bed, database: &str) -> Vec<String> {
    let mut connection = bed.open(database).await;
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
                 ORDER BY name";
    let rows = sqlx::query(names).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

//! What `check` says about servers that are as they should be, and about each that is not.

use migration::batch::{Batch, Column, Schema};
use migration::check::{Findings, Outcome, inspect};
use migration::checkpoint::{CheckpointStore, MemoryCheckpoint, plan_record};
use migration::cli::{Exit, Report as _};
use migration::error::{Error, ErrorKind};
use migration::plan::Plan;
use migration::queue::MemoryQueue;
use migration::servers::Reached;
use migration::store::{
    MemoryDatabase, MemoryStore, StartPosition, Store, TableDescription, Target,
};
use migration::value::{ColumnType, Value};
use std::path::Path;
use std::sync::Arc;

const GOOD: &str = include_str!("../plan/good.toml");

/// The servers of the good plan, in memory.
struct World {
    plan: Plan,
    source: MemoryDatabase,
    targets: Vec<MemoryDatabase>,
    queue: MemoryQueue,
    checkpoint: Arc<MemoryCheckpoint>,
}

impl World {
    async fn new() -> Self {
        use ColumnType::{Decimal, Int, Text};
        let source = MemoryDatabase::new();
        let columns = [
            ("package", Text, false),
            ("dependent", Text, false),
            ("constraint", Text, true),
            ("installed_kib", Int, true),
        ];
        source.create_table(described("followers", &columns)).await;
        let mut targets = Vec::new();
        for _ in 0..2 {
            let database = MemoryDatabase::new();
            let columns = [
                ("followed", Text, false),
                ("follower", Text, false),
                ("requirement", Text, true),
                ("size_kib", Decimal, true),
            ];
            database.create_table(described("follower_of", &columns)).await;
            database.create_table(following_of(Text)).await;
            targets.push(database);
        }
        Self {
            plan: Plan::parse(GOOD, Path::new("/")).unwrap(),
            source,
            targets,
            queue: MemoryQueue::new(&["outbox"], 0),
            checkpoint: Arc::new(MemoryCheckpoint::new("first-flight")),
        }
    }

    fn target(&self, index: usize) -> MemoryStore {
        MemoryStore::new(format!("shard-{index}"), self.targets[index].clone(), "first-flight")
    }

    fn reached(&self) -> Reached {
        let target = |index| Ok(Arc::new(self.target(index)) as Arc<dyn Target>);
        let source = MemoryStore::new("source", self.source.clone(), "first-flight");
        Reached {
            source: Ok(Arc::new(source) as Arc<dyn Store>),
            targets: vec![target(0), target(1)],
            queue: Ok(Arc::new(self.queue.clone())),
            lock: Ok(None),
            checkpoint: Ok(Some(Arc::clone(&self.checkpoint) as Arc<dyn CheckpointStore>)),
        }
    }

    async fn check(&self) -> Findings {
        inspect(&self.plan, &self.reached()).await
    }

    async fn set_up(&self, index: usize) {
        use migration::queue::Queue as _;
        let position = self.queue.end("outbox").await.unwrap();
        let start = StartPosition { partition: "outbox".into(), position };
        self.target(index).set_up(&["followers"], &[start]).await.unwrap();
    }

    async fn put_edge(&self, index: usize) {
        let schema = Arc::new(following_of(ColumnType::Text).schema);
        let mut records = Batch::new(schema);
        for text in ["a", "b"] {
            records.push(Value::Text(text)).unwrap();
        }
        self.targets[index].put(&records).await.unwrap();
    }
}

fn described(table: &str, columns: &[(&str, ColumnType, bool)]) -> TableDescription {
    let columns: Vec<Column> = columns
        .iter()
        .map(|&(name, column_type, nullable)| Column { name: name.into(), column_type, nullable })
        .collect();
    TableDescription {
        lengths_max: vec![None; columns.len()],
        schema: Schema { table: table.into(), columns, key: vec![0, 1] },
        other_unique_keys: Vec::new(),
        key_never_reused: false,
        unknown_types: Vec::new(),
    }
}

fn following_of(column_type: ColumnType) -> TableDescription {
    let columns = [("follower", ColumnType::Text, false), ("followed", column_type, false)];
    described("following_of", &columns)
}

/// What did not come out well, as `name: message | hint`.
fn complaints(findings: &Findings, outcome: Outcome) -> Vec<String> {
    findings
        .all()
        .iter()
        .filter(|finding| finding.outcome == outcome)
        .map(|finding| {
            let hint = finding.hint.as_deref().unwrap_or("no hint");
            format!("{}: {} | {hint}", finding.name, finding.message)
        })
        .collect()
}

#[tokio::test]
async fn servers_that_fit_the_plan_are_ready() {
    let findings = World::new().await.check().await;
    assert!(findings.is_ready());
    assert_eq!(findings.exit(), Exit::Done);
    let names: Vec<&str> = findings.all().iter().map(|finding| finding.name).collect();
    assert_eq!(
        names,
        [
            "checkpoint",
            "layout",
            "lock",
            "plan-unchanged",
            "queue",
            "source",
            "source-keys",
            "target",
            "target-alike",
            "target-empty",
            "target-set-up"
        ]
    );
    assert!(findings.text().ends_with("ready: 11 checks, 0 failed, 0 with a warning"));
}

#[tokio::test]
async fn checking_changes_nothing() {
    let world = World::new().await;
    world.check().await;
    assert!(!world.target(0).is_set_up().await.unwrap());
    assert!(world.checkpoint.list("", None, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_target_that_holds_records_is_refused_unless_the_plan_names_it() {
    let mut world = World::new().await;
    world.put_edge(1).await;
    let findings = world.check().await;
    assert_eq!(findings.exit(), Exit::NotMet);
    assert_eq!(
        complaints(&findings, Outcome::Failed),
        ["target-empty: following_of on shard-1 holds records already | empty it, or allow it \
             in the plan: target_may_hold_rows = [\"following_of\"]"]
    );

    world.plan.target_may_hold_rows = vec!["following_of".into()];
    let findings = world.check().await;
    assert!(findings.is_ready());
    assert_eq!(complaints(&findings, Outcome::Warning).len(), 1);

    // Once the migration has begun, the records are its own.
    world.plan.target_may_hold_rows.clear();
    world.set_up(0).await;
    world.set_up(1).await;
    assert!(world.check().await.is_ready());
}

#[tokio::test]
async fn an_instance_that_is_not_like_the_others_is_named_with_the_difference() {
    let world = World::new().await;
    world.targets[1].create_table(following_of(ColumnType::Bytes)).await;
    assert_eq!(
        complaints(&world.check().await, Outcome::Failed),
        ["target-alike: following_of of shard-1 is not that of shard-0: column followed is \
             bytes not null instead of text not null | create the table in the same way on every \
             instance"]
    );
}

#[tokio::test]
async fn a_table_that_does_not_fit_the_plan_is_refused() {
    let world = World::new().await;
    let columns = [("package", ColumnType::Text, false), ("dependent", ColumnType::Text, false)];
    world.source.create_table(described("followers", &columns)).await;
    assert_eq!(
        complaints(&world.check().await, Outcome::Failed),
        ["layout: resolve layout: the plan states a type for a column that is not there: table \
             followers, column installed_kib | it has package, dependent"]
    );
}

#[tokio::test]
async fn a_plan_that_changed_under_way_is_refused() {
    let mut world = World::new().await;
    plan_record::bind(&*world.checkpoint, &world.plan, "alice@db1").await.unwrap();
    assert!(world.check().await.is_ready());

    world.plan = Plan::parse(&GOOD.replace("followers.read", "other"), Path::new("/")).unwrap();
    let failed = complaints(&world.check().await, Outcome::Failed);
    assert_eq!(failed.len(), 1);
    assert!(failed[0].starts_with("plan-unchanged: "), "{failed:?}");
    assert!(
        failed[0].contains("cutover.flag was \"followers.read\" and is \"other\""),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_checkpoint_store_that_forgot_the_migration_is_noticed() {
    let world = World::new().await;
    world.set_up(0).await;
    world.set_up(1).await;
    let findings = world.check().await;
    assert!(findings.is_ready());
    let warnings = complaints(&findings, Outcome::Warning);
    assert!(warnings[0].starts_with("plan-unchanged: shard-0 was set up by"), "{warnings:?}");
}

#[tokio::test]
async fn an_instance_that_is_not_set_up_beside_one_that_is_is_named() {
    let world = World::new().await;
    plan_record::bind(&*world.checkpoint, &world.plan, "alice@db1").await.unwrap();
    world.set_up(1).await;
    assert_eq!(
        complaints(&world.check().await, Outcome::Warning),
        ["target-set-up: done on shard-1, not on shard-0 | the next run completes it; an \
             instance that was replaced is copied again as a whole"]
    );
}

#[tokio::test]
async fn every_server_that_is_away_is_named_and_the_rest_is_checked() {
    let world = World::new().await;
    world.put_edge(1).await;
    let away = |server: &str| {
        Error::new(ErrorKind::Unavailable, "open").with("server", server).hint("start it")
    };
    let mut reached = world.reached();
    reached.targets[0] = Err(away("shard-0"));
    reached.queue = Err(away("queue"));
    reached.lock = Err(away("lock"));
    reached.checkpoint = Err(away("checkpoint"));
    assert_eq!(
        complaints(&inspect(&world.plan, &reached).await, Outcome::Failed),
        [
            "checkpoint: open: server checkpoint | start it",
            "lock: open: server lock | start it",
            "queue: open: server queue | start it",
            "target: open: server shard-0 | start it",
            "target-empty: following_of on shard-1 holds records already | empty it, or allow it \
             in the plan: target_may_hold_rows = [\"following_of\"]",
        ]
    );

    reached.source = Err(away("source"));
    let failed = complaints(&inspect(&world.plan, &reached).await, Outcome::Failed);
    assert!(failed.contains(&"source: open: server source | start it".to_owned()), "{failed:?}");
}

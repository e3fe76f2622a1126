//! A plan against real files: what opens, and what is said about what does not.

use migration::check::{self, Outcome};
use migration::error::ErrorKind;
use migration::plan::Plan;
use migration::servers::Servers;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use std::collections::BTreeSet;
use std::path::Path;
use tempfile::TempDir;

const PLAN: &str = include_str!("../plan/good.toml");

const SOURCE: &str = "
    CREATE TABLE followers (
        package TEXT NOT NULL, dependent TEXT NOT NULL, \"constraint\" TEXT NOT NULL,
        installed_kib INTEGER, PRIMARY KEY (package, dependent)
    ) WITHOUT ROWID;
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, op TEXT NOT NULL,
        payload TEXT NOT NULL, made_at INTEGER NOT NULL
    );";

const TARGET: &str = "
    CREATE TABLE follower_of (
        followed TEXT NOT NULL, follower TEXT NOT NULL, requirement TEXT NOT NULL,
        size_kib TEXT, PRIMARY KEY (followed, follower)
    ) WITHOUT ROWID;
    CREATE TABLE following_of (
        follower TEXT NOT NULL, followed TEXT NOT NULL, PRIMARY KEY (follower, followed)
    ) WITHOUT ROWID;";

/// The files of the good plan in a directory of their own.
struct World {
    dir: TempDir,
}

impl World {
    async fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        world.sql("service.db", SOURCE).await;
        world.sql("shard-0.db", TARGET).await;
        world.sql("shard-1.db", TARGET).await;
        world
    }

    /// Runs statements on one of the files, which is made if it is not there.
    async fn sql(&self, file: &str, sql: &str) {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(self.dir.path().join(file))
            .create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
        connection.close().await.unwrap();
    }

    fn plan_with(&self, from: &str, to: &str) -> Plan {
        let text = PLAN.replace("/var/lib/checkpoint.db", "checkpoint.db").replace(from, to);
        Plan::parse(&text, self.dir.path()).unwrap()
    }

    fn plan(&self) -> Plan {
        self.plan_with("", "")
    }

    fn files(&self) -> BTreeSet<String> {
        std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// What `check` finds to be wrong, with hints, and that nothing opens with it.
    async fn failures(&self, plan: &Plan) -> Vec<String> {
        let findings = check::run(plan).await;
        assert!(Servers::open(plan).await.is_err(), "check refuses, but it opens");
        findings
            .all()
            .iter()
            .filter(|finding| finding.outcome == Outcome::Failed)
            .map(|finding| {
                let hint = finding.hint.as_deref().unwrap_or("no hint");
                let text = format!("{}: {} | {hint}", finding.name, finding.message);
                text.replace(&self.path(), "DIR")
            })
            .collect()
    }

    fn path(&self) -> String {
        self.dir.path().to_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_plan_that_fits_is_ready_and_checking_it_makes_no_file() {
    let world = World::new().await;
    let files = world.files();
    let findings = check::run(&world.plan()).await;
    assert!(findings.is_ready(), "{findings:?}");
    assert_eq!(world.files(), files);

    let servers = Servers::open(&world.plan()).await.unwrap();
    assert_eq!(servers.targets.len(), 2);
    assert_eq!(servers.targets[1].name(), "shard-1");
    assert_eq!(servers.layouts[0].targets().len(), 2);
    assert!(check::run(&world.plan()).await.is_ready());
}

#[tokio::test]
async fn a_command_that_only_looks_does_not_begin_a_migration() {
    let world = World::new().await;
    let error = Servers::open_existing(&world.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(!world.files().contains("checkpoint.db"));

    drop(Servers::open(&world.plan()).await.unwrap());
    assert!(Servers::open_existing(&world.plan()).await.is_ok());
}

#[tokio::test]
async fn a_plan_changed_under_way_opens_nothing() {
    let world = World::new().await;
    let servers = Servers::open(&world.plan()).await.unwrap();
    servers.set_up(&world.plan()).await.unwrap();

    let faster = world.plan_with("[cutover]", "[backfill]\nworkers = 7\n[cutover]");
    assert!(Servers::open(&faster).await.is_ok());

    let other = world.plan_with("by = \"follower\"", "by = \"followed\"");
    for error in [
        Servers::open(&other).await.unwrap_err(),
        Servers::open_existing(&other).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("table[0].into[1].shard.by"), "{error}");
    }
    let failures = world.failures(&other).await;
    assert!(failures[0].starts_with("plan-unchanged: "), "{failures:?}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named_and_not_made() {
    let world = World::new().await;
    let plan = world.plan_with("\"shard-0.db\"", "\"shards/0.db\"");
    assert_eq!(
        world.failures(&plan).await,
        ["target: open database: there is no such file: file DIR/shards/0.db, instance shard-0 | \
             check the path in the plan; the tools never create a database"]
    );
    assert!(!world.files().contains("shards"));
    // The path may still be put right: nothing was begun with the wrong one.
    assert!(Servers::open(&world.plan()).await.is_ok());
}

#[tokio::test]
async fn an_outbox_whose_ids_may_come_again_is_refused() {
    let world = World::new().await;
    let without = SOURCE.replace("AUTOINCREMENT", "");
    world.sql("service.db", &format!("DROP TABLE outbox; DROP TABLE followers; {without}")).await;
    let failures = world.failures(&world.plan()).await;
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(
        failures[0].starts_with("queue: read outbox: `id` is not AUTOINCREMENT")
            && failures[0].contains("| create it as: CREATE TABLE"),
        "{failures:?}"
    );
}

/// A change to the tables, and what comes of it.
type Misfit = (&'static str, &'static str, &'static str);

#[tokio::test]
async fn a_target_that_does_not_fit_is_refused() {
    let misfits: [Misfit; 4] = [
        (
            "requirement TEXT NOT NULL",
            "note TEXT",
            "layout: resolve layout: the target table lacks a column: table follower_of, column \
             requirement | it has followed, follower, note, size_kib",
        ),
        (
            "requirement TEXT NOT NULL",
            "requirement VARCHAR(10) NOT NULL",
            "layout: resolve layout: the target column is narrower than the source column: table \
             follower_of, column requirement, from constraint (at most: no bound), to at most: 10 \
             | widen the target column",
        ),
        (
            "requirement TEXT",
            "requirement INTEGER",
            "layout: resolve layout: no conversion between these types loses nothing: table \
             follower_of, column requirement, from constraint (text), to int | change the target \
             column's type; where a database does not tell the real type, state it in the plan, \
             in `types` or as { from, type }",
        ),
        (
            "PRIMARY KEY (followed, follower)",
            "PRIMARY KEY (followed)",
            "layout: resolve layout: the plan's key is not unique in the target: table \
             follower_of, key (followed, follower) | make (followed, follower) the target's \
             primary key, so that one record is one row",
        ),
    ];
    for (from, to, message) in misfits {
        let world = World::new().await;
        for file in ["shard-0.db", "shard-1.db"] {
            let target = TARGET.replace(from, to);
            world
                .sql(file, &format!("DROP TABLE follower_of; DROP TABLE following_of; {target}"))
                .await;
        }
        assert_eq!(world.failures(&world.plan()).await, [message]);
    }
}

#[tokio::test]
async fn a_source_without_the_key_is_refused() {
    let world = World::new().await;
    world.sql("service.db", "ALTER TABLE followers RENAME COLUMN dependent TO dependant").await;
    assert_eq!(
        world.failures(&world.plan()).await,
        ["layout: resolve layout: the source table lacks a key column: table followers, column \
             dependent | did you mean \"dependant\"?"]
    );
}

#[tokio::test]
async fn instances_that_differ_are_refused() {
    let world = World::new().await;
    world.sql("shard-1.db", "ALTER TABLE following_of ADD COLUMN since INTEGER").await;
    assert_eq!(
        world.failures(&world.plan()).await,
        ["target-alike: following_of of shard-1 is not that of shard-0: column since is there | \
             create the table in the same way on every instance"]
    );
}

#[tokio::test]
async fn two_instances_that_are_one_file_under_two_names_are_refused() {
    let world = World::new().await;
    std::fs::remove_file(world.dir.path().join("shard-1.db")).unwrap();
    std::os::unix::fs::symlink("shard-0.db", world.dir.path().join("shard-1.db")).unwrap();
    assert_eq!(
        world.failures(&world.plan()).await,
        ["target-alike: open target: two instances are one database: instance shard-1, \
          is shard-0 | give each [[target]] a database of its own"]
    );
}

#[tokio::test]
async fn a_checkpoint_file_that_is_something_else_is_refused_and_left_alone() {
    let world = World::new().await;
    let garbage = "this is a diary, not a database. ".repeat(40);
    std::fs::write(world.dir.path().join("checkpoint.db"), &garbage).unwrap();
    let failures = world.failures(&world.plan()).await;
    assert!(failures[0].starts_with("checkpoint: "), "{failures:?}");
    let kept = std::fs::read_to_string(world.dir.path().join("checkpoint.db")).unwrap();
    assert_eq!(kept, garbage);

    let world = World::new().await;
    world.sql("checkpoint.db", "CREATE TABLE diary (page TEXT)").await;
    let failures = world.failures(&world.plan()).await;
    assert!(failures[0].starts_with("checkpoint: "), "{failures:?}");
}

#[tokio::test]
async fn every_instance_is_set_up_once_and_keeps_where_it_began() {
    let world = World::new().await;
    let servers = Servers::open(&world.plan()).await.unwrap();
    servers.set_up(&world.plan()).await.unwrap();
    let mut starts = Vec::new();
    for target in &servers.targets {
        starts.push(target.partition("outbox").await.unwrap().unwrap().start);
        assert_eq!(target.ranges("followers", None, 10).await.unwrap().len(), 1);
    }

    let change =
        "INSERT INTO outbox (table_name, op, payload, made_at) VALUES ('t', 'delete', '{}', 0)";
    world.sql("service.db", change).await;
    servers.set_up(&world.plan()).await.unwrap();
    for (target, start) in servers.targets.iter().zip(starts) {
        let partition = target.partition("outbox").await.unwrap().unwrap();
        assert_eq!((partition.start, partition.next), (start, start));
    }
}

/// As after a kill between two instances.
#[tokio::test]
async fn a_set_up_that_was_cut_short_is_completed() {
    let world = World::new().await;
    let servers = Servers::open(&world.plan()).await.unwrap();
    let mut first = servers.clone();
    first.targets.truncate(1);
    first.set_up(&world.plan()).await.unwrap();

    let change =
        "INSERT INTO outbox (table_name, op, payload, made_at) VALUES ('t', 'delete', '{}', 0)";
    world.sql("service.db", change).await;
    servers.set_up(&world.plan()).await.unwrap();
    let start = |index: usize| {
        let target = servers.targets[index].clone();
        async move { target.partition("outbox").await.unwrap().unwrap().start }
    };
    assert!(start(0).await < start(1).await);
    assert!(check::run(&world.plan()).await.is_ready());
}

#[tokio::test]
async fn records_that_the_plan_does_not_name_keep_a_target_from_being_set_up() {
    let world = World::new().await;
    world.sql("shard-1.db", "INSERT INTO following_of VALUES ('a', 'b')").await;
    let servers = Servers::open(&world.plan()).await.unwrap();
    let error = servers.set_up(&world.plan()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(servers.checkpoint.list("", None, 9).await.unwrap(), [], "no plan is recorded");
    let unbegun = servers.check_set_up(&world.plan()).await.unwrap_err();
    assert_eq!(unbegun.next_step(), Some("`dual-write set-up` begins it"));
    assert_eq!(
        error.to_string(),
        "set up target: it holds records already: table following_of, instance shard-1"
    );
    for target in &servers.targets {
        assert!(
            !target.is_set_up().await.unwrap(),
            "all are looked at before the first is touched"
        );
    }

    let allowed = world.plan_with("id = ", "target_may_hold_rows = [\"following_of\"]\nid = ");
    servers.set_up(&allowed).await.unwrap();
    // From now on they are the migration's own.
    servers.set_up(&world.plan()).await.unwrap();
}

/// The plan that a person runs first is one that the tools accept.
#[test]
fn the_plan_of_the_first_flight_is_valid() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/first-flight/migration.toml");
    let plan = Plan::load(&file).unwrap();
    assert_eq!(plan.targets.len(), 4);
    assert_eq!(plan.tables[0].into.len(), 2);
}

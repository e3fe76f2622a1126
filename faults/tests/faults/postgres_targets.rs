//! The first flight onto two PostgreSQL databases, its progress in a third: the real programs, live
//! writes, a kill, a server that restarts, the switch and the clean-up.

use faults::{Bed, Engine, OwnServer};
use serde_json::Value;
use servers::shared::{Database, postgres_database};
use sqlx::{Connection as _, Row as _};
use std::collections::BTreeSet;

const ROWS: u64 = 2_500;

const SHARD: &str = "
    CREATE TABLE follower_of (
        followed text COLLATE \"C\", follower text COLLATE \"C\", requirement text,
        category varchar NOT NULL, size_kib numeric(20,0) NOT NULL, changed_at timestamptz NOT NULL,
        PRIMARY KEY (followed, follower));
    CREATE TABLE follows (
        follower text COLLATE \"C\", followed text COLLATE \"C\", requirement text,
        category varchar NOT NULL, size_kib bigint NOT NULL, changed_at timestamp NOT NULL,
        PRIMARY KEY (follower, followed));";

/// The tables of an application, and nobody else's.
const TABLES: &str = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables \
     WHERE schemaname = 'public'";

/// One edge as JSON, the same text from either side.
const SOURCE_EDGES: &str = r#"SELECT json_array(package, dependent, "constraint", section,
     CAST(installed_kib AS TEXT), CAST(changed_at AS TEXT)) FROM followers"#;

fn target_edges(table: &str) -> String {
    // Microseconds since 1970, out of a moment with a zone or without.
    let micros = "CAST(EXTRACT(EPOCH FROM changed_at) * 1000000 AS bigint)";
    format!(
        "SELECT json_build_array(followed, follower, requirement, category, \
         CAST(size_kib AS text), CAST({micros} AS text)) FROM {table}"
    )
}

/// Puts the bed's targets and its checkpoints behind these URLs, each in a file beside the plan.
fn move_to(bed: &Bed, urls: [(&str, String); 3]) {
    let mut plan = std::fs::read_to_string(bed.path("migration.toml")).unwrap();
    for (name, url) in urls {
        std::fs::write(bed.path(&format!("{name}.url")), url).unwrap();
        let file = format!("engine = \"sqlite\"\npath = \"{name}.db\"");
        assert!(plan.contains(&file), "{name}");
        plan = plan.replace(&file, &format!("engine = \"postgres\"\nurl = \"file:{name}.url\""));
    }
    std::fs::write(bed.path("migration.toml"), plan).unwrap();
}

fn edges(lines: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in lines {
        let edge: Value = serde_json::from_str(&line).unwrap();
        assert!(found.insert(edge.to_string()), "twice: {edge}");
    }
    found
}

/// Source and both copies hold the same, and no edge lies on two shards.
async fn is_the_same(bed: &Bed, run: impl Fn(usize, &str) -> String) {
    let mut source = bed.open("source.db").await;
    let rows = sqlx::query(SOURCE_EDGES).fetch_all(&mut source).await.unwrap();
    source.close().await.unwrap();
    let expected = edges(rows.iter().map(|row| row.get(0)));
    for table in ["follower_of", "follows"] {
        let lines = (0..2).flat_map(|shard| {
            let lines = run(shard, &target_edges(table));
            lines.lines().map(str::to_owned).collect::<Vec<_>>()
        });
        let found = edges(lines);
        let (missing, extra) =
            (expected.difference(&found).next(), found.difference(&expected).next());
        assert_eq!((missing, extra), (None, None), "{table}");
    }
}

struct Flight {
    bed: Bed,
    shards: [Database; 2],
    checkpoint: Database,
}

impl Flight {
    async fn new(seed: u64) -> Self {
        let bed = Bed::new(ROWS, seed).await;
        let shards = [0, 1].map(|_| postgres_database("shard").unwrap());
        shards.iter().for_each(|shard| drop(shard.run(SHARD).unwrap()));
        let checkpoint = postgres_database("checkpoint").unwrap();
        move_to(
            &bed,
            [
                ("shard-0", shards[0].url()),
                ("shard-1", shards[1].url()),
                ("checkpoint", checkpoint.url()),
            ],
        );
        Self { bed, shards, checkpoint }
    }

    async fn is_the_same(&self) {
        is_the_same(&self.bed, |shard, sql| self.shards[shard].run(sql).unwrap()).await;
    }
}

#[tokio::test]
async fn all_four_phases_carry_a_service_to_postgresql_and_leave_nothing_behind() {
    let mut flight = Flight::new(71).await;
    for program in ["dual-write", "backfill", "verify", "cutover"] {
        drop(flight.bed.run(program, &["check"]).ok());
    }
    drop(flight.bed.run("dual-write", &["set-up"]).ok());
    let live = flight.bed.start("dual-write", &["run"]);
    flight.bed.change(300).await;
    drop(flight.bed.run("backfill", &["run", "--sample", "20%"]).ok());
    drop(flight.bed.run("verify", &["run", "--sample-of-backfill"]).ok());
    let copy = flight.bed.start("backfill", &["run"]);
    flight.bed.change(300).await;
    // Killed wherever they are; what they hold is let go, and others go on.
    drop(copy.kill());
    drop(live.kill());
    let live = flight.bed.start("dual-write", &["run"]);
    drop(flight.bed.run("backfill", &["run"]).ok());
    flight.bed.change(200).await;
    drop(flight.bed.run("verify", &["run"]).ok());
    flight.bed.wait_until_applied();
    flight.is_the_same().await;

    for _ in 0..6 {
        drop(flight.bed.run("cutover", &["promote", "--override", "a test"]).ok());
    }
    let status = flight.bed.run("cutover", &["status", "--output", "json"]).json();
    assert_eq!(status["stage"], "100%", "{status}");
    // The big red switch needs no server and no secret.
    let url = flight.bed.path("checkpoint.url");
    std::fs::rename(&url, flight.bed.path("away")).unwrap();
    drop(flight.bed.run("cutover", &["rollback", "--why", "the server is gone"]).ok());
    assert!(flight.bed.path("rollback").exists());
    std::fs::rename(flight.bed.path("away"), &url).unwrap();

    drop(live.drain().ok());
    drop(flight.bed.run("cutover", &["abort", "--yes"]).ok());
    drop(flight.bed.run("cutover", &["cleanup", "--confirm", "bed"]).ok());
    for shard in &flight.shards {
        assert_eq!(shard.run(TABLES).unwrap(), "follower_of follows\n");
    }
    for table in ["midflight_checkpoint", "midflight_checkpoint_log"] {
        let left = flight.checkpoint.run(&format!("SELECT count(*) FROM {table}")).unwrap();
        assert_eq!(left, "0\n", "{table}");
    }
}

#[tokio::test]
async fn a_password_is_in_nothing_that_is_said_or_kept() {
    let flight = Flight::new(72).await;
    drop(flight.bed.run("dual-write", &["set-up"]).ok());
    let mut said = Vec::new();
    for (program, args) in [
        ("dual-write", &["explain-config"][..]),
        ("dual-write", &["status", "--output", "json"]),
        ("backfill", &["check", "--output", "json"]),
        ("cutover", &["status"]),
    ] {
        said.push(flight.bed.run(program, args));
    }
    let wrong = flight.checkpoint.url().replace(servers::PASSWORD, "hunter2");
    std::fs::write(flight.bed.path("checkpoint.url"), wrong).unwrap();
    let refused = flight.bed.run("backfill", &["run"]);
    refused.complains(7).names(&["server", "password", "pg_hba.conf"]);
    said.push(refused);
    for ran in said {
        let text = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!text.contains(servers::PASSWORD) && !text.contains("hunter2"), "{text}");
    }
    let kept = flight
        .checkpoint
        .run("SELECT string_agg(convert_from(value, 'UTF8'), ' ') FROM midflight_checkpoint");
    assert!(!kept.unwrap().contains(servers::PASSWORD));
}

/// Runs statements in a database of a server of its own.
fn run(server: &OwnServer, database: &str, statements: &str) -> String {
    let OwnServer::Postgres(server) = server else { unreachable!("{server:?}") };
    server.sql(&format!("\\connect {database}\n{statements}")).unwrap()
}

#[tokio::test]
async fn a_server_killed_under_both_phases_costs_a_wait_and_no_record() {
    let mut bed = Bed::new(ROWS, 73).await;
    let mut server = OwnServer::start(Engine::Postgres);
    let databases = ["shard_0", "shard_1", "checkpoint"];
    let urls = databases.map(|name| server.database(name).url().to_owned());
    for shard in &databases[..2] {
        run(&server, shard, SHARD);
    }
    let [first, second, checkpoint] = urls;
    move_to(&bed, [("shard-0", first), ("shard-1", second), ("checkpoint", checkpoint)]);
    drop(bed.run("dual-write", &["set-up"]).ok());
    let live = bed.start("dual-write", &["run"]);
    let copy = bed.start("backfill", &["run"]);
    for _ in 0..3 {
        bed.change(100).await;
        server.kill();
        server.start_again();
    }
    drop(copy.wait());
    drop(live.kill());
    bed.finish();
    drop(bed.run("verify", &["run"]).ok());
    is_the_same(&bed, |shard, sql| run(&server, databases[shard], sql)).await;
}

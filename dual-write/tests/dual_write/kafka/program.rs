//! The program itself, with a plan that names a topic.

use super::topic::{LIMIT, Topic};
use crate::plan::Flown;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _, Row as _};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

const TABLE: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)";

const PLAIN: &str = "format = \"plain\"\nversions = \"queue\"\ntable = \"items\"\n\
    options = { op = { header = \"op\", upsert = [\"upsert\"], delete = [\"delete\"] } }";

/// A plan from one file to another.
fn of<'a>(topic: &'a Topic, format: &'a str) -> Flown<'a> {
    Flown {
        source: "engine = \"sqlite\"\npath = \"service.db\"",
        brokers: &topic.brokers,
        topic: &topic.name,
        format,
        key: "key = [\"id\"]",
        columns: "id = \"id\", name = \"name\"",
    }
}

async fn database(path: &Path) -> sqlx::SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    options.connect().await.unwrap()
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dual-write"));
    command.args(["--config", "plan.toml", "--progress", "none"]).args(arguments);
    command.current_dir(folder).output().unwrap()
}

fn expect(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = run(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{printed}\n{said}");
    printed + &said
}

/// A folder with databases and a plan.
async fn set_up(topic: &Topic) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("plan.toml"), of(topic, PLAIN).plan()).unwrap();
    for name in ["service.db", "new.db"] {
        database(&path.join(name)).await.execute(TABLE).await.unwrap();
    }
    folder
}

#[tokio::test]
async fn the_way_out_that_the_errors_name_leads_out() {
    let topic = Topic::new(1).await;
    let folder = set_up(&topic).await;
    let path = folder.path();
    expect(path, &["set-up"], 0);
    for id in 1..=5 {
        let row = format!(r#"{{"id":{id},"name":"n"}}"#);
        topic.send(&id.to_string(), "upsert", &row).await;
    }
    topic.forget_below(3).await;
    let lost = expect(path, &["run", "--until-drained"], 1);
    assert!(lost.contains("retention") && lost.contains("source.epoch"), "{lost}");
    let anew = ["set-up", "--set", "source.epoch=1", "--yes"];
    assert!(expect(path, &anew, 0).contains("began anew"));
    let run = ["run", "--until-drained", "--set", "source.epoch=1"];
    expect(path, &run, 0);

    topic.grow(3).await;
    let changed = expect(path, &run, 1);
    assert!(changed.contains("was 1, is 3"), "{changed}");
    let anew = ["set-up", "--set", "source.epoch=2", "--yes"];
    assert!(expect(path, &anew, 0).contains("began anew"));
    for id in 10..20 {
        let row = format!(r#"{{"id":{id},"name":"n"}}"#);
        topic.send(&id.to_string(), "upsert", &row).await;
    }
    expect(path, &["run", "--until-drained", "--set", "source.epoch=2"], 0);
    let mut new = database(&path.join("new.db")).await;
    let rows = new.fetch_all("SELECT id FROM items WHERE id >= 10").await.unwrap();
    assert_eq!(rows.len(), 10);
}

/// Writes these records, and deletes every other.
async fn change(topic: &Topic, ids: std::ops::RangeInclusive<i64>) {
    for id in ids {
        let row = format!(r#"{{"id":{id},"name":"n{id}"}}"#);
        topic.send(&id.to_string(), "upsert", &row).await;
        if id % 2 == 0 {
            topic.send(&id.to_string(), "delete", &format!(r#"{{"id":{id}}}"#)).await;
        }
    }
}

#[tokio::test]
async fn a_process_that_is_killed_loses_nothing_and_the_next_takes_its_partitions_over() {
    let topic = Topic::new(2).await;
    let folder = set_up(&topic).await;
    let path = folder.path();
    expect(path, &["set-up"], 0);
    let mut killed = Command::new(env!("CARGO_BIN_EXE_dual-write"))
        .args(["--config", "plan.toml", "--progress", "none", "run"])
        .current_dir(path)
        .spawn()
        .unwrap();
    let mut new = database(&path.join("new.db")).await;
    let began = Instant::now();
    change(&topic, 1..=200).await;
    // Somewhere in the middle of its work.
    while new.fetch_all("SELECT id FROM items").await.unwrap().is_empty() {
        assert!(began.elapsed() < LIMIT, "nothing was applied");
    }
    change(&topic, 201..=210).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    change(&topic, 211..=400).await;
    expect(path, &["run", "--until-drained"], 0);
    let rows = new.fetch_all("SELECT id, name FROM items ORDER BY id").await.unwrap();
    let found: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(found, (1..=400).step_by(2).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_plan_with_a_topic_is_checked_set_up_drained_and_explained() {
    let topic = Topic::new(2).await;
    let folder = set_up(&topic).await;
    let path = folder.path();
    let mut new = database(&path.join("new.db")).await;

    let checked = expect(path, &["check"], 0);
    assert!(checked.contains("queue-formats") && checked.contains("-0 0"), "{checked}");
    topic.send("1", "upsert", r#"{"id":1,"name":"before"}"#).await;
    expect(path, &["set-up"], 0);
    for (key, op, payload) in [
        ("1", "upsert", r#"{"id":1,"name":"one"}"#),
        ("2", "upsert", r#"{"id":2,"name":"two"}"#),
        ("1", "delete", r#"{"id":1}"#),
        ("3", "upsert", r#"{"id":"three"}"#),
    ] {
        topic.send(key, op, payload).await;
    }
    let explained = expect(path, &["explain", "--topic", &topic.name], 3);
    for part in ["looks like plain", "upsert new.items", "delete new.items", "a dead letter"] {
        assert!(explained.contains(part), "no {part:?} in {explained}");
    }
    // Nothing was written by that.
    let rows = new.fetch_all("SELECT id FROM items").await.unwrap();
    assert!(rows.is_empty());
    expect(path, &["run", "--until-drained"], 0);
    let rows = new.fetch_all("SELECT id, name FROM items").await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].get::<i64, _>(0), rows[0].get::<&str, _>(1)), (2, "two"));
    let letters = expect(path, &["dlq", "list"], 0);
    assert!(letters.contains(&topic.name), "{letters}");

    std::fs::write(path.join("message.json"), "{\"id\":9,\"name\":\"nine\"}\n").unwrap();
    let explained = expect(path, &["explain", "--file", "message.json"], 3);
    // Without its header nobody knows what it does.
    assert!(explained.contains("a dead letter"), "{explained}");
    let file = ["explain", "--file", "message.json", "--header", "op=upsert"];
    let explained = expect(path, &file, 0);
    assert!(explained.contains("upsert new.items: id = Int(9)"), "{explained}");
    let trimmed = expect(path, &["outbox", "trim", "--yes"], 7);
    assert!(trimmed.contains("retention"), "{trimmed}");
}

/// Debezium keys a message by the table's primary key unless it is told otherwise.
#[tokio::test]
async fn a_key_that_spreads_a_list_over_partitions_is_warned_of_with_the_setting() {
    let topic = Topic::new(2).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut flown = of(&topic, "format = \"debezium\"\nversions = \"queue\"");
    flown.key = "key = [\"list\", \"id\"]\nentity = [\"list\"]";
    flown.columns = "list = \"list\", id = \"id\", name = \"name\"";
    let lists = flown.plan().replace("key = [\"id\"]", "key = [\"list\", \"id\"]");
    std::fs::write(path.join("plan.toml"), lists).unwrap();
    let table = "CREATE TABLE items (list TEXT NOT NULL, id INTEGER NOT NULL, name TEXT, \
                 PRIMARY KEY (list, id))";
    for name in ["service.db", "new.db"] {
        database(&path.join(name)).await.execute(table).await.unwrap();
    }
    // Before the first message nothing tells.
    assert!(!expect(path, &["check"], 0).contains("queue-keys"));
    let change = r#"{"op":"c","after":{"list":"a","id":1,"name":"n"},"source":{"table":"items"}}"#;
    let schema = r#"{"schema":{"type":"struct"},"payload":{"list":"a","id":1}}"#;
    for key in [r#"{"list":"a","id":1}"#, schema] {
        topic.send(key, "", change).await;
        let warned = expect(path, &["check"], 0);
        let setting = "message.key.columns=DATABASE.items:list";
        assert!(warned.contains("queue-keys") && warned.contains(setting), "{warned}");
    }
    // The last messages are those of a connector that was told.
    for list in 0..40 {
        topic.send(&format!("{{\"list\":\"{list}\"}}"), "", change).await;
    }
    assert!(!expect(path, &["check"], 0).contains("queue-keys"));
}

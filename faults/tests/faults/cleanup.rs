//! Clean-ups and aborts: what is listed is what there is, what is needed stays, and in the end
//! nothing of the migration is left.

use faults::{Bed, Ran};
use sqlx::{AssertSqlSafe, Connection, Row};
use std::time::{Duration, Instant};

const ROWS: u64 = 800;

/// Longest wait for a phase to begin.
const WAIT_MAX: Duration = Duration::from_secs(30);

const PHASES: [&str; 3] = ["verify", "backfill", "dual-write"];

/// A migration that has left something of every kind: a dead letter, differences, a sample, desired
/// state, a lag peak.
async fn flown() -> Bed {
    let mut bed = Bed::new(ROWS, 41).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed.emit_raw("explode", "{}").await;
    bed.change(50).await;
    drop(bed.run("backfill", &["set", "rate=unlimited"]).ok());
    drop(bed.run("verify", &["set", "rate=unlimited"]).ok());
    drop(bed.run("dual-write", &["resume"]).ok());
    drop(bed.run("backfill", &["run", "--sample", "10%"]).ok());
    bed.finish();
    bed.execute("shard-0.db", "DELETE FROM follows").await;
    drop(bed.run("verify", &["run"]).refused(3));
    bed
}

/// Every table of a database, with its number of rows.
async fn tables(bed: &Bed, database: &str) -> Vec<(String, i64)> {
    let mut connection = bed.open(database).await;
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
                 ORDER BY name";
    let mut found = Vec::new();
    for row in sqlx::query(names).fetch_all(&mut connection).await.unwrap() {
        let name: String = row.get(0);
        let count = format!("SELECT count(*) FROM \"{name}\"");
        let rows = sqlx::query(AssertSqlSafe(count)).fetch_one(&mut connection).await.unwrap();
        found.push((name, rows.get(0)));
    }
    connection.close().await.unwrap();
    found
}

fn names(tables: &[(String, i64)]) -> Vec<&str> {
    tables.iter().map(|(name, _)| name.as_str()).collect()
}

/// What a clean-up lists, by place and name.
fn listed(ran: Ran) -> Vec<(String, String, u64)> {
    let list = ran.json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let item = |item: &serde_json::Value| {
        (text(&item["place"]), text(&item["what"]), item["count"].as_u64().unwrap())
    };
    list["items"].as_array().unwrap().iter().map(item).collect()
}

async fn keys(bed: &Bed) -> Vec<String> {
    let mut connection = bed.open("checkpoint.db").await;
    let select = "SELECT key FROM entry ORDER BY key";
    let rows = sqlx::query(select).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Source and target hold the application's tables and no others.
async fn only_data_is_left(bed: &Bed) {
    assert_eq!(names(&tables(bed, "source.db").await), ["followers", "outbox"]);
    for shard in ["shard-0.db", "shard-1.db"] {
        assert_eq!(names(&tables(bed, shard).await), ["follower_of", "follows"]);
    }
}

/// The migration's own files hold nothing but their format.
async fn nothing_is_left(bed: &Bed) {
    for database in ["checkpoint.db", "locks.db"] {
        let mut tables = tables(bed, database).await;
        assert!(!tables.is_empty(), "{database}");
        tables.retain(|(name, rows)| name != "format" && *rows > 0);
        assert_eq!(tables, [], "{database}");
    }
}

#[tokio::test]
async fn after_the_clean_ups_nothing_of_the_migration_is_left_anywhere() {
    let bed = flown().await;
    drop(bed.run("cutover", &["cleanup"]).ok());
    for phase in PHASES {
        let before = keys(&bed).await;
        assert!(!listed(bed.run(phase, &["cleanup", "-o", "json"])).is_empty(), "{phase}");
        assert_eq!(keys(&bed).await, before, "{phase} cleanup without --yes only lists");
        let removed = bed.run(phase, &["cleanup", "--yes", "-o", "json"]).json();
        assert_eq!(removed["removed"], true, "{phase}");
        assert_eq!(listed(bed.run(phase, &["cleanup", "-o", "json"])), [], "{phase}");
    }
    assert_eq!(keys(&bed).await, ["plan"], "the rest is the whole migration's");
    only_data_is_left(&bed).await;
    drop(bed.run("cutover", &["cleanup", "--confirm", "bed"]).ok());
    nothing_is_left(&bed).await;
}

#[tokio::test]
async fn the_last_clean_up_lists_everything_there_is_and_leaves_none_of_it() {
    let bed = flown().await;
    drop(bed.run("cutover", &["promote", "--override", "a test"]).ok());
    drop(bed.run("cutover", &["abort", "--yes"]).ok());
    let listed = listed(bed.run("cutover", &["cleanup", "-o", "json"]));
    let count = |what: &str| {
        let found = listed.iter().find(|(_, found, _)| found == what);
        found.unwrap_or_else(|| unreachable!("{what} is not in {listed:?}")).2
    };
    for log in ["log audit", "log cutover/history", "log verdict"] {
        assert!(count(log) > 0, "{listed:?}");
    }
    let total: u64 = listed
        .iter()
        .filter(|(place, what, _)| place == "checkpoint store" && !what.starts_with("log "))
        .map(|(_, _, count)| count)
        .sum();
    assert_eq!(total, u64::try_from(keys(&bed).await.len()).unwrap());
    drop(bed.run("cutover", &["cleanup", "--confirm", "bed"]).ok());
    only_data_is_left(&bed).await;
    nothing_is_left(&bed).await;
}

#[tokio::test]
async fn a_migration_that_was_given_up_begins_anew_with_another_plan() {
    let bed = flown().await;
    let plan = std::fs::read_to_string(bed.path("migration.toml")).unwrap();
    let other = plan.replace(r#"requirement = "constraint""#, r#"requirement = "section""#);
    std::fs::write(bed.path("migration.toml"), &other).unwrap();
    let said = bed.run("backfill", &["run"]).refused(7);
    assert!(said.contains("`cutover cleanup`") && said.contains("as it was"), "{said}");
    std::fs::write(bed.path("migration.toml"), &plan).unwrap();
    drop(bed.run("cutover", &["cleanup", "--confirm", "bed"]).ok());
    for shard in ["shard-0.db", "shard-1.db"] {
        bed.execute(shard, "DELETE FROM follows; DELETE FROM follower_of").await;
    }
    std::fs::write(bed.path("migration.toml"), &other).unwrap();
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed.finish();
    drop(bed.run("verify", &["run"]).ok());
}

#[tokio::test]
async fn the_live_path_is_not_cleaned_up_once_reads_have_been_switched() {
    let bed = flown().await;
    drop(bed.run("cutover", &["promote", "--override", "a test"]).ok());
    let before = tables(&bed, "shard-1.db").await;
    let said = bed.run("dual-write", &["cleanup", "--yes"]).refused(7);
    assert!(said.contains("cutover cleanup"), "{said}");
    assert_eq!(tables(&bed, "shard-1.db").await, before);
    drop(bed.run("dual-write", &["cleanup"]).ok());
}

/// Starts `run` of a phase and waits until it is seen.
fn start(bed: &Bed, phase: &str) -> faults::Running {
    let running = bed.start(phase, &["run"]);
    let begun = Instant::now();
    loop {
        let status = bed.run(phase, &["status", "-o", "json"]).json();
        let activity = &status["processes"][0]["activity"];
        if activity == "running" || activity == "paused" {
            return running;
        }
        assert!(begun.elapsed() < WAIT_MAX, "{phase}: {status}");
    }
}

async fn slow() -> Bed {
    let bed = Bed::new(ROWS, 42).await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    drop(bed.run("backfill", &["pause"]).ok());
    drop(bed.run("verify", &["pause"]).ok());
    bed
}

#[tokio::test]
async fn a_phase_at_work_is_not_cleaned_up_under_its_feet() {
    let bed = slow().await;
    for phase in PHASES {
        let running = start(&bed, phase);
        for cleaner in [phase, "dual-write"] {
            let said = bed.run(cleaner, &["cleanup", "--yes"]).refused(7);
            assert!(said.contains(&format!("`{phase} abort`")), "{cleaner}: {said}");
        }
        let said = bed.run("cutover", &["cleanup", "--confirm", "bed"]).refused(7);
        assert!(said.contains(&format!("`{phase} abort`")), "{said}");
        drop(running.drain());
    }
    for phase in PHASES {
        drop(bed.run(phase, &["cleanup", "--yes"]).ok());
    }
}

#[tokio::test]
async fn an_abort_stops_a_phase_for_good_until_it_is_taken_back() {
    let bed = slow().await;
    let runs: [(&str, &[&str]); 3] =
        [("backfill", &["run"]), ("dual-write", &["run", "--until-drained"]), ("verify", &["run"])];
    for (phase, run) in runs {
        let running = start(&bed, phase);
        drop(bed.run(phase, &["abort", "--reason", "wrong plan"]).ok());
        drop(running.wait());
        let said = bed.run(phase, run).refused(7);
        assert!(said.contains("wrong plan") && said.contains(&format!("{phase} resume")), "{said}");
        drop(bed.run(phase, &["resume"]).ok());
        drop(bed.run(phase, run).ok());
    }
}

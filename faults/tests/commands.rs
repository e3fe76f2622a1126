//! Every command of the real programs that looks or prints, and what a script may rely on in it.
#![expect(clippy::unwrap_used, reason = "tests")]

use faults::Bed;

use sqlx::{Connection, Row};

const ROWS: u64 = 500;

const PROGRAMS: [&str; 4] = ["dual-write", "backfill", "verify", "cutover"];

/// The tables of a database of the bed.
async fn tables(bed: &Bed, database: &str) -> Vec<String> {
    let mut connection = bed.open(database).await;
    let select = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let rows = sqlx::query(select).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn the_statements_that_check_prints_are_all_that_the_set_up_creates() {
    let bed = Bed::new(ROWS, 21).await;
    let printed = bed.run("dual-write", &["check", "--print-ddl", "-o", "json"]).json();
    for program in PROGRAMS {
        let text = bed.run(program, &["check", "--print-ddl"]).ok();
        assert!(text.contains("-- on source\n") && text.contains("-- on target shard-1\n"));
        assert!(text.contains("midflight_outbox_mark"), "{program}: {text}");
    }
    for place in printed["places"].as_array().unwrap() {
        let name = place["place"].as_str().unwrap();
        let database = format!("{}.db", name.trim_start_matches("target "));
        for statement in place["statements"].as_array().unwrap() {
            bed.execute(&database, statement.as_str().unwrap()).await;
        }
    }
    let databases = ["source.db", "shard-0.db", "shard-1.db"];
    let mut before = Vec::new();
    for database in databases {
        before.push(tables(&bed, database).await);
    }
    drop(bed.run("dual-write", &["set-up"]).ok());
    for (database, before) in databases.iter().zip(before) {
        assert_eq!(tables(&bed, database).await, before, "{database}");
    }
    bed.finish();
    assert_eq!(faults::differences(&bed).await, []);
}

//! What the server makes of our statements.

use super::statement::side::Lock;
use super::statement::{self, Bounds};
use super::{MysqlStore, OpenMode, Store as _};
use crate::batch::{Batch, Schema};
use crate::driver::mysql::CONNECTIONS_MAX;
use crate::plan::ServerUrl;
use crate::store::{Access, ReadLimit, Target as _, Transactional as _};
use crate::value::Value;
use servers::shared::{Database, mariadb_database};
use std::sync::Arc;

async fn open() -> (Database, MysqlStore) {
    let database = mariadb_database("statements").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), database.url()).unwrap();
    let url = ServerUrl::parse("file:url", folder.path()).unwrap();
    let store = MysqlStore::open("t", &url, "m", OpenMode::ReadWrite).await.unwrap();
    (database, store)
}

/// A table of 20,000 records whose secondary index is as attractive as it can be.
fn fill(database: &Database) {
    database
        .run(
            "CREATE TABLE t (a INT NOT NULL, b VARCHAR(20) CHARACTER SET utf8mb4 \
             COLLATE utf8mb4_nopad_bin NOT NULL, c BIGINT NOT NULL, n INT, \
             PRIMARY KEY (a, b, c), KEY covering (n, a, b, c)); \
             INSERT INTO t SELECT seq DIV 100, concat('k', seq MOD 100 DIV 10), seq MOD 10, 1 \
             FROM seq_0_to_19999; ANALYZE TABLE t",
        )
        .unwrap();
}

/// Access type, key, and notes of the only table in a plan. `literals` stand for the parameters.
fn explain(database: &Database, sql: &str, literals: &[&str]) -> (String, String, String) {
    let mut parts = sql.split('?');
    let mut text = format!("EXPLAIN {}", parts.next().unwrap());
    for (part, literal) in parts.zip(literals.iter().cycle()) {
        text += literal;
        text += part;
    }
    let answer = database.run(&text).unwrap();
    // The last field, notes, may be empty.
    let fields: Vec<&str> = answer.trim_end_matches('\n').split('\t').collect();
    (fields[3].to_owned(), fields[5].to_owned(), fields[9].to_owned())
}

async fn schema(store: &MysqlStore) -> Schema {
    store.describe("t").await.unwrap().schema
}

#[tokio::test]
async fn a_scan_walks_along_the_key_and_sorts_nothing() {
    let (database, store) = open().await;
    fill(&database);
    let schema = schema(&store).await;
    let literals = ["100", "'k5'", "5"];
    // As bound: the first column, then the first two, then all three.
    let from = ["100", "100", "'k5'", "100", "'k5'", "5"];
    let to = ["150", "150", "'k5'", "150", "'k5'", "5"];
    for lower in [None, Some(1), Some(2), Some(3)] {
        for upper in [None, Some(1), Some(2), Some(3)] {
            let mut values: Vec<&str> = Vec::new();
            for (columns, chain) in [(lower, from), (upper, to)] {
                let columns: usize = columns.unwrap_or(0);
                values.extend(&chain[..columns * (columns + 1) / 2]);
            }
            values.push("500");
            let sql = statement::scan(&schema, Some("PRIMARY"), Bounds { lower, upper });
            let (access, key, notes) = explain(&database, &sql, &values);
            let expected = if lower.or(upper).is_some() { "range" } else { "index" };
            assert_eq!((access.as_str(), key.as_str()), (expected, "PRIMARY"), "{sql}");
            assert!(!notes.contains("filesort") && !notes.contains("temporary"), "{notes}: {sql}");
            let bounds = Bounds { lower, upper };
            for sql in [
                statement::key_after(&schema, Some("PRIMARY"), bounds),
                statement::key_before(&schema, Some("PRIMARY"), bounds),
            ] {
                let (walked, key, notes) = explain(&database, &sql, &values);
                assert_eq!((walked, key.as_str()), (access.clone(), "PRIMARY"), "{sql}");
                assert!(notes.contains("index") && !notes.contains("filesort"), "{notes}: {sql}");
            }
        }
    }
    // The form that looks the same would read the whole index for every batch.
    let row = "SELECT a, b, c, n FROM t WHERE (a, b, c) > (?, ?, ?) ORDER BY a, b, c LIMIT 500";
    let (access, _, _) = explain(&database, row, &literals);
    assert_eq!(access, "index");
}

#[tokio::test]
async fn a_table_that_is_smaller_than_its_statistics_say_is_cut_where_the_walks_meet() {
    let (database, store) = open().await;
    fill(&database);
    // More than are counted, and left as they are. A new name makes the server read them.
    database
        .run(
            "ALTER TABLE t STATS_PERSISTENT = 1, STATS_AUTO_RECALC = 0; \
             UPDATE mysql.innodb_table_stats SET n_rows = 1200000 \
             WHERE database_name = DATABASE() AND table_name = 't'; \
             RENAME TABLE t TO u; RENAME TABLE u TO t",
        )
        .unwrap();
    let schema = Arc::new(schema(&store).await);
    assert_eq!(store.estimate_rows(&schema).await.unwrap(), 1_200_000);
    for (count, part, parts) in [(400, 3_000, 7), (100, 12_000, 2), (50, 24_000, 1)] {
        let points = store.split_points(&schema, count).await.unwrap();
        let ends = points.iter().map(Some).chain([None]);
        let mut sizes = Vec::new();
        let mut after = None;
        for until in ends {
            let limit = ReadLimit { rows_max: 30_000, bytes_max: usize::MAX };
            sizes.push(store.scan(&schema, after, until, limit).await.unwrap().len());
            after = until;
        }
        let odd = 20_000 % part;
        assert_eq!((sizes.len(), sizes.iter().sum()), (parts, 20_000), "{sizes:?}");
        assert!(sizes.iter().all(|&size| size == part || size == odd), "{sizes:?}");
    }
}

#[tokio::test]
async fn records_are_found_by_their_keys_however_many() {
    let (database, store) = open().await;
    fill(&database);
    let schema = schema(&store).await;
    let keys: Vec<[String; 3]> = (0..1000)
        .map(|n| [(n % 200).to_string(), "'k5'".to_owned(), (n % 7).to_string()])
        .collect();
    let literals: Vec<&str> = keys.iter().flatten().map(String::as_str).collect();
    for size in [1, 10, 100, 1000] {
        for sql in [
            statement::read(&schema, size),
            statement::keys(&schema, size),
            statement::delete(&schema, size),
        ] {
            let (access, key, _) = explain(&database, &sql, &literals);
            assert!(["const", "range"].contains(&access.as_str()), "{access}: {sql}");
            assert_eq!(key, "PRIMARY", "{sql}");
        }
    }
}

#[tokio::test]
async fn side_tables_are_read_and_locked_by_their_keys() {
    let (database, store) = open().await;
    store.set_up(&["s"], &[]).await.unwrap();
    database
        .run(
            "INSERT INTO midflight_range SELECT 'm', 's', concat('a', seq), 'x', 1, '', 'open', \
             'start', NULL, 0 FROM seq_1_to_2000; \
             INSERT INTO midflight_guard SELECT 'm', 's', concat('a', seq), 't', '', 1, NULL \
             FROM seq_1_to_5000; ANALYZE TABLE midflight_range, midflight_guard",
        )
        .unwrap();
    let keys: Vec<String> = (1..=100).map(|key| format!("'a{key}'")).collect();
    let with_keys = |first: &[&'static str]| {
        first.iter().copied().chain(keys.iter().map(String::as_str)).collect::<Vec<_>>()
    };
    for (sql, values) in [
        (statement::side::ranges(100, Lock::Shared), with_keys(&["'m'", "'s'"])),
        (statement::side::guards(100, Lock::Exclusive), with_keys(&["'m'", "'s'", "'t'"])),
        (statement::side::GUARDS_BETWEEN.to_owned(), vec!["'m'", "'s'", "'a1'", "'a2'", "100"]),
        (statement::side::delete_guards(true), vec!["'m'", "'s'", "'a1'", "'a2'", "''", "100"]),
        (statement::side::count_dirty(true), vec!["'m'", "'s'", "'a1'", "'a2'"]),
    ] {
        let (access, key, _) = explain(&database, &sql, &values);
        assert_eq!((access.as_str(), key.as_str()), ("range", "PRIMARY"), "{sql}");
    }
}

/// As many transactions as there are connections look at the table at once: none waits for a
/// connection that only another of them could give back.
#[tokio::test]
async fn transactions_on_every_connection_look_up_a_table_and_none_is_busy() {
    let (database, store) = open().await;
    database.run("CREATE TABLE t (id INT PRIMARY KEY)").unwrap();
    store.set_up(&["t"], &[]).await.unwrap();
    let schema = Arc::new(schema(&store).await);
    let mut transactions = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        transactions.push(store.begin(Access::Write).await.unwrap());
    }
    // All of them stay open to the end: none gives its connection back.
    for (id, transaction) in (0..).zip(&mut transactions) {
        // What was known has expired.
        store.shapes.lock().unwrap().clear();
        let mut batch = Batch::new(Arc::clone(&schema));
        batch.push(Value::Int(id)).unwrap();
        let rows: Vec<_> = batch.rows().collect();
        if id % 2 == 0 {
            transaction.upsert(&schema, &rows).await.unwrap();
        } else {
            assert_eq!(transaction.insert_absent(&schema, &rows).await.unwrap(), 1);
        }
    }
}

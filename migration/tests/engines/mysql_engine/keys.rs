//! Keys: their order, other unique keys, and what cannot be one.

use crate::databases::MysqlDatabase;
use crate::mysql_engine::table::NO_LIMIT;
use migration::batch::{Batch, Schema};
use migration::error::ErrorKind;
use migration::key::Key;
use migration::store::{Access, MysqlStore, OpenMode, Store as _, Transactional as _};
use migration::value::Value;
use std::sync::Arc;

async fn open(database: &MysqlDatabase) -> MysqlStore {
    MysqlStore::open("t", &database.url(), "m", OpenMode::ReadWrite).await.unwrap()
}

async fn schema(store: &MysqlStore) -> Arc<Schema> {
    Arc::new(store.describe("t").await.unwrap().schema)
}

fn batch(schema: &Arc<Schema>, rows: &[&[Value<'_>]]) -> Batch {
    let mut batch = Batch::new(Arc::clone(schema));
    for value in rows.iter().copied().flatten() {
        batch.push(*value).unwrap();
    }
    batch
}

#[tokio::test]
async fn a_key_that_does_not_sort_by_its_bytes_is_refused_with_the_way_out() {
    for (declaration, way_out) in [
        ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "utf8mb4_nopad_bin"),
        ("VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci", "utf8mb4_nopad_bin"),
        ("VARCHAR(20) CHARACTER SET utf16 COLLATE utf16_bin", "utf8mb4_nopad_bin"),
        ("ENUM('b','a')", "another unique key"),
        ("UUID", "another unique key"),
    ] {
        let database = MysqlDatabase::create();
        database.run(&format!("CREATE TABLE t (v {declaration} PRIMARY KEY)"));
        let store = open(&database).await;
        let error = store.scan(&schema(&store).await, None, None, NO_LIMIT).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{declaration}");
        assert!(error.next_step().unwrap().contains(way_out), "{declaration}: {error:?}");
    }
}

#[tokio::test]
async fn a_binary_collation_that_pads_serves_as_long_as_its_keys_sort_by_their_bytes() {
    let database = MysqlDatabase::create();
    database.run(
        "SET NAMES utf8mb4; CREATE TABLE t (v VARCHAR(20) CHARACTER SET utf8mb4 \
         COLLATE utf8mb4_bin PRIMARY KEY); INSERT INTO t VALUES ('a'), ('A'), ('ab'), ('é'), ('😀')",
    );
    let store = open(&database).await;
    let schema = schema(&store).await;
    let found = store.scan(&schema, None, None, NO_LIMIT).await.unwrap();
    let keys: Vec<Key> = found.rows().map(|row| row.key().unwrap()).collect();
    assert!(keys.len() == 5 && keys.is_sorted());

    // It takes "b" and "b " for one key, so the second cannot be told from the first.
    for blank in ["b ", "  "] {
        let record = batch(&schema, &[&[Value::Text(blank)]]);
        let mut transaction = store.begin(Access::SetUp).await.unwrap();
        let error = transaction.upsert(&schema, &[record.row(0)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable);
        let key = Key::new([Value::Text(blank)]).unwrap();
        assert!(store.read(&schema, &[key]).await.is_err());
    }
    // It sorts "a\x01" before "a".
    database.run("INSERT INTO t VALUES ('a\\Z')");
    database.run("INSERT INTO t VALUES (concat('a', char(1)))");
    let error = store.scan(&schema, None, None, NO_LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    assert!(error.next_step().unwrap().contains("utf8mb4_nopad_bin"), "{error:?}");
    let after = Key::new([Value::Text("a")]).unwrap();
    let until = Some(&after);
    assert!(store.scan(&schema, None, until, NO_LIMIT).await.is_err(), "it is passed over nowhere");
    database.run("DELETE FROM t; INSERT INTO t VALUES ('c ')");
    let error = store.scan(&schema, None, None, NO_LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable, "stored by somebody else");
}

#[tokio::test]
async fn keys_of_every_kind_are_scanned_and_found() {
    let text = "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin";
    for (declaration, literals) in [
        ("BIGINT UNSIGNED", "18446744073709551615 | 0 | 9223372036854775808 | 1"),
        ("BIGINT", "-9223372036854775808 | 0 | -1 | 9223372036854775807"),
        ("BIT(9)", "256 | 0 | 1 | 511"),
        ("YEAR", "2024 | 1901 | '0000' | 2155"),
        ("DATE", "'2024-02-29' | '1000-01-01' | '1969-12-31' | '9999-12-31'"),
        (
            "DATETIME(6)",
            "'2024-02-29 00:00:00.000001' | '1969-12-31 23:59:59' | '2024-02-29' | '1000-01-01'",
        ),
        (
            "TIMESTAMP(3)",
            "'2024-02-29 00:00:00.001' | '1970-01-01 00:00:01' | '2038-01-19 03:14:07' | '2024-02-29'",
        ),
        ("TIME(6)", "'-838:59:59' | '00:00:00' | '838:59:59.000001' | '-00:00:00.000001'"),
        ("BINARY(3)", "X'00' | X'FF0000' | X'7F' | X'010203'"),
        ("VARBINARY(9)", "X'' | X'00' | X'0000' | X'FF'"),
        (text, "'' | 'a' | 'a ' | 'é'"),
    ] {
        let database = MysqlDatabase::create();
        let values = literals.split(" | ").map(|literal| format!("({literal}, 1)"));
        database.run(&format!(
            "SET NAMES utf8mb4; SET time_zone = '+00:00'; \
             CREATE TABLE t (k {declaration}, w INT, PRIMARY KEY (k, w)); \
             INSERT INTO t VALUES {}",
            values.collect::<Vec<_>>().join(", ")
        ));
        let store = open(&database).await;
        let schema = schema(&store).await;
        let all = store.scan(&schema, None, None, NO_LIMIT).await.unwrap();
        let keys: Vec<Key> = all.rows().map(|row| row.key().unwrap()).collect();
        assert!(keys.len() == 4 && keys.is_sorted(), "{declaration}: {keys:?}");
        for (place, key) in keys.iter().enumerate() {
            let after = store.scan(&schema, Some(key), None, NO_LIMIT).await.unwrap();
            assert_eq!(after.len(), 3 - place, "{declaration}: after {key}");
            let until = store.scan(&schema, None, Some(key), NO_LIMIT).await.unwrap();
            assert_eq!(until.len(), place + 1, "{declaration}: until {key}");
        }
        assert_eq!(store.read(&schema, &keys).await.unwrap().len(), 4, "{declaration}");
    }
}

#[tokio::test]
async fn another_unique_key_swallows_no_record_and_changes_no_other() {
    let database = MysqlDatabase::create();
    database.run(
        "CREATE TABLE t (id INT PRIMARY KEY, mail VARCHAR(20) UNIQUE, n INT); \
         INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)",
    );
    let store = open(&database).await;
    let schema = schema(&store).await;
    let [id, mail, n] = [Value::Int(3), Value::Text("a"), Value::Int(9)];
    let twin = batch(&schema, &[&[id, mail, n]]);
    let fresh = batch(&schema, &[&[Value::Int(4), Value::Text("c"), n], &[id, mail, n]]);
    for rows in [&twin, &fresh] {
        let rows: Vec<_> = rows.rows().collect();
        let mut transaction = store.begin(Access::SetUp).await.unwrap();
        let error = transaction.insert_absent(&schema, &rows).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(format!("{error:?}").contains("mail"), "{error:?}");
        drop(transaction);
        let mut transaction = store.begin(Access::SetUp).await.unwrap();
        assert!(transaction.upsert(&schema, &rows).await.is_err());
    }
    // Where nothing collides, records are written as in any other table.
    let moved = batch(&schema, &[&[Value::Int(2), Value::Text("d"), n], &[id, Value::Null, n]]);
    let mut transaction = store.begin(Access::SetUp).await.unwrap();
    transaction.upsert(&schema, &moved.rows().collect::<Vec<_>>()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(
        database.run("SELECT id, mail, n FROM t ORDER BY id"),
        "1\ta\t1\n2\td\t9\n3\tNULL\t9\n"
    );
}

#[tokio::test]
async fn a_target_keyed_by_another_key_than_its_primary_one_is_written_by_that_key() {
    let database = MysqlDatabase::create();
    database.run(
        "CREATE TABLE t (no INT AUTO_INCREMENT PRIMARY KEY, code INT NOT NULL, tag INT, \
         UNIQUE KEY a_tag (tag), UNIQUE KEY code (code)); \
         INSERT INTO t (code, tag) VALUES (10, 1), (20, 2)",
    );
    let store = open(&database).await;
    let mut schema = (*schema(&store).await).clone();
    schema.columns.remove(0);
    schema.key = vec![0];
    let schema = Arc::new(schema);
    // The server looks for duplicates in the order of the indexes: by `tag` it would find 20.
    let collides = batch(&schema, &[&[Value::Int(10), Value::Int(2)]]);
    let mut transaction = store.begin(Access::SetUp).await.unwrap();
    assert!(transaction.upsert(&schema, &[collides.row(0)]).await.is_err());
    drop(transaction);
    let fits =
        batch(&schema, &[&[Value::Int(10), Value::Int(3)], &[Value::Int(30), Value::Int(4)]]);
    let mut transaction = store.begin(Access::SetUp).await.unwrap();
    transaction.upsert(&schema, &fits.rows().collect::<Vec<_>>()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(database.run("SELECT code, tag FROM t ORDER BY code"), "10\t3\n20\t2\n30\t4\n");
}

#[tokio::test]
async fn copied_records_that_are_there_are_counted_and_left_alone() {
    let database = MysqlDatabase::create();
    database.run("CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t SELECT seq, 1 FROM seq_0_to_2500 WHERE seq MOD 7 = 0");
    let store = open(&database).await;
    let schema = schema(&store).await;
    let mut records = Batch::new(Arc::clone(&schema));
    for id in 0..2345 {
        records.push(Value::Int(id)).unwrap();
        records.push(Value::Int(2)).unwrap();
    }
    let mut transaction = store.begin(Access::SetUp).await.unwrap();
    let rows: Vec<_> = records.rows().collect();
    assert_eq!(transaction.insert_absent(&schema, &rows).await.unwrap(), 2345 - 335);
    transaction.commit().await.unwrap();
    let sql = "SELECT count(*), sum(n = 1) FROM t WHERE id < 2345";
    assert_eq!(database.run(sql).trim(), "2345\t335");
}

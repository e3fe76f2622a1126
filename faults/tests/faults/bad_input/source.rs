//! Source tables without a key that holds.

use super::{new, ready};
use faults::{Bed, differences};

/// Makes the source table again, with another key.
async fn keyed(bed: &Bed, package: &str, key: &str) {
    bed.execute(
        "source.db",
        &format!(
            r#"CREATE TABLE other (
                   package TEXT {package}, dependent TEXT NOT NULL, "constraint" TEXT,
                   section TEXT NOT NULL, installed_kib INTEGER NOT NULL,
                   changed_at INTEGER NOT NULL {key});
               INSERT INTO other SELECT * FROM followers;
               DROP TABLE followers;
               ALTER TABLE other RENAME TO followers"#
        ),
    )
    .await;
}

const NULL_KEY: &str = "INSERT INTO followers VALUES (NULL, 'x', NULL, 'libs', 1, 1)";

#[tokio::test]
async fn a_source_without_a_unique_key_is_found_by_check() {
    let bed = new().await;
    keyed(&bed, "NOT NULL", "").await;
    bed.run("dual-write", &["check", "-o", "json"]).finds().names(&["followers", "primary key"]);
    bed.run("dual-write", &["set-up"]).complains(7).names(&["followers", "CREATE UNIQUE INDEX"]);
}

#[tokio::test]
async fn an_entity_key_that_is_there_twice_is_found_by_check_as_a_key_that_is_not_unique() {
    let bed = new().await;
    keyed(&bed, "NOT NULL", ", PRIMARY KEY (package, dependent, changed_at)").await;
    let twice = "INSERT INTO followers SELECT package, dependent, NULL, 'libs', 1, 1 FROM followers
                 LIMIT 1";
    bed.execute("source.db", twice).await;
    let check = bed.run("dual-write", &["check", "-o", "json"]);
    check.finds().names(&["(package, dependent)", "(package, dependent, changed_at)"]);
    bed.run("dual-write", &["set-up"]).complains(7).names(&["not a unique key"]);
}

#[tokio::test]
async fn a_null_in_the_key_is_found_by_check_and_by_whatever_reads_all_of_the_source() {
    let mut bed = new().await;
    keyed(&bed, "", ", PRIMARY KEY (package, dependent)").await;
    drop(bed.run("dual-write", &["set-up"]).ok());
    bed.execute("source.db", NULL_KEY).await;
    for program in ["dual-write", "backfill"] {
        let check = bed.run(program, &["check", "-o", "json"]);
        check.finds().names(&["source-keys", "package", "null"]);
    }
    for program in ["backfill", "verify"] {
        bed.run(program, &["run"]).complains(7).names(&["package", "null", "NOT NULL"]);
    }
    bed.execute("source.db", "DELETE FROM followers WHERE package IS NULL").await;
    bed.change(30).await;
    bed.finish();
    assert_eq!(differences(&bed).await, []);
    drop(bed.run("verify", &["run"]).ok());
}

#[tokio::test]
async fn a_null_in_the_key_of_a_message_is_a_dead_letter() {
    let mut bed = ready().await;
    bed.emit_raw("upsert", r#"{"package":null,"dependent":"x"}"#).await;
    bed.emit_raw("delete", r#"{"package":null,"dependent":"x"}"#).await;
    bed.change(10).await;
    bed.finish();
    let list = bed.run("dual-write", &["dlq", "list", "--output", "ndjson"]).ok();
    assert_eq!(list.lines().count(), 2, "{list}");
    assert_eq!(differences(&bed).await, []);
}

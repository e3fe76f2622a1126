//! Checkpoint stores that are not ours, or not readable.

use super::new;

#[tokio::test]
async fn a_foreign_checkpoint_is_refused_and_left_as_it_is() {
    let bed = new().await;
    bed.execute("checkpoint.db", "CREATE TABLE precious (id INTEGER); PRAGMA user_version = 3")
        .await;
    let before = std::fs::read(bed.path("checkpoint.db")).unwrap();
    for (program, args) in [("dual-write", ["set-up"]), ("backfill", ["run"])] {
        bed.run(program, &args).complains(7).names(&["checkpoint.db", "`checkpoint.path`"]);
    }
    bed.run("dual-write", &["check", "-o", "json"]).finds().names(&["checkpoint.db"]);
    assert_eq!(std::fs::read(bed.path("checkpoint.db")).unwrap(), before);
}

#[tokio::test]
async fn a_checkpoint_that_is_no_database_is_unreadable_not_absent() {
    let bed = new().await;
    std::fs::write(bed.path("checkpoint.db"), vec![b'x'; 8_192]).unwrap();
    for (program, args) in [("dual-write", ["set-up"]), ("backfill", ["run"])] {
        bed.run(program, &args).complains(1).names(&["checkpoint.db", "check the plan's path"]);
    }
    bed.run("dual-write", &["check", "-o", "json"]).finds().names(&["checkpoint.db"]);
    assert_eq!(std::fs::read(bed.path("checkpoint.db")).unwrap(), vec![b'x'; 8_192]);
}

#[tokio::test]
async fn a_checkpoint_that_is_not_there_yet_is_no_migration_to_look_at() {
    let bed = new().await;
    bed.run("backfill", &["status"]).complains(7).names(&["checkpoint.db", "`dual-write set-up`"]);
    assert!(!bed.path("checkpoint.db").exists());
}

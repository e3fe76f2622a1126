//! What can go wrong with the tables of a checkpoint store on MariaDB.

use crate::databases::MysqlDatabase;
use migration::checkpoint::{CheckpointStore as _, MysqlCheckpoint};
use migration::error::ErrorKind;

#[tokio::test]
async fn a_store_that_was_not_made_is_none_and_is_not_made_by_looking() {
    let database = MysqlDatabase::create();
    assert!(MysqlCheckpoint::open_if_made(&database.url(), "m").await.unwrap().is_none());
    assert_eq!(database.run("SHOW TABLES"), "");
    drop(MysqlCheckpoint::open(&database.url(), "m").await.unwrap());
    assert!(MysqlCheckpoint::open_if_made(&database.url(), "m").await.unwrap().is_some());
}

#[tokio::test]
async fn tables_that_were_half_made_are_completed() {
    let database = MysqlDatabase::create();
    drop(MysqlCheckpoint::open(&database.url(), "m").await.unwrap());
    database
        .run("DELETE FROM midflight_checkpoint_format; DROP TABLE midflight_checkpoint_log_end");
    assert!(MysqlCheckpoint::open_if_made(&database.url(), "m").await.unwrap().is_none());
    let store = MysqlCheckpoint::open(&database.url(), "m").await.unwrap();
    assert_eq!(store.append("l", &[b"x".to_vec()], None).await.unwrap(), Some(1));
}

#[tokio::test]
async fn of_many_that_make_the_tables_all_succeed() {
    let database = MysqlDatabase::create();
    let url = database.url();
    let opening = (0..8).map(|_| MysqlCheckpoint::open(&url, "m"));
    for opened in futures::future::join_all(opening).await {
        opened.unwrap();
    }
}

#[tokio::test]
async fn a_later_format_is_refused_with_the_version_that_reads_it() {
    let database = MysqlDatabase::create();
    drop(MysqlCheckpoint::open(&database.url(), "m").await.unwrap());
    database.run("UPDATE midflight_checkpoint_format SET version = 99, made_by = '7.0.0'");
    let error = MysqlCheckpoint::open(&database.url(), "m").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.next_step().unwrap().contains("7.0.0"), "{error:?}");
}

#[tokio::test]
async fn a_value_that_the_server_does_not_take_is_refused_and_not_tried_again() {
    let database = MysqlDatabase::create();
    let store = MysqlCheckpoint::open(&database.url(), "m").await.unwrap();
    let most: usize = database.run("SELECT @@max_allowed_packet").trim().parse().unwrap();
    let error = store.put("a", &vec![7; most], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.next_step().unwrap().contains("max_allowed_packet"), "{error:?}");
    let error = store.append("l", &[vec![7; most]], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let large = vec![7; most - 8192];
    store.put("a", &large, None).await.unwrap().unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap().value, large);
    let lines = vec![vec![1; 600_000]; 3];
    assert_eq!(store.append("l", &lines, Some(0)).await.unwrap(), Some(3));
}

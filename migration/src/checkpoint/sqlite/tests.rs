//! What can go wrong with the file.

use super::{BUSY_TIMEOUT, SqliteCheckpoint};
use crate::checkpoint::CheckpointStore as _;
use crate::error::{Error, ErrorKind};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, SqliteConnection};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.db");
    (folder, path)
}

async fn bare(path: &Path) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    options.connect().await.unwrap()
}

async fn refusal(path: &Path) -> (ErrorKind, String) {
    let error = SqliteCheckpoint::open(path, "m").await.unwrap_err();
    (error.kind(), describe(&error))
}

fn describe(error: &Error) -> String {
    format!("{error} | {}", error.next_step().expect("a next step"))
}

#[tokio::test]
async fn what_was_written_is_there_when_the_file_is_opened_again() {
    let (_folder, path) = file();
    let store = SqliteCheckpoint::open(&path, "m").await.unwrap();
    let revision = store.put("a", b"1", None).await.unwrap();
    store.append("l", &[b"x".to_vec()], None).await.unwrap();
    drop(store);
    let store = SqliteCheckpoint::open_existing(&path, "m").await.unwrap();
    let entry = store.get("a").await.unwrap().unwrap();
    assert_eq!((entry.value, Some(entry.revision)), (b"1".to_vec(), revision));
    assert_eq!(store.log_end("l").await.unwrap(), 1);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_refused_where_nothing_is_to_begin() {
    let (_folder, path) = file();
    let error = SqliteCheckpoint::open_existing(&path, "m").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(describe(&error).contains("checkpoint.path"));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_database_of_somebody_else_is_refused_and_left_as_it_is() {
    let (_folder, path) = file();
    let mut connection = bare(&path).await;
    connection.execute("CREATE TABLE followers (a INTEGER)").await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let (kind, text) = refusal(&path).await;
    assert_eq!(kind, ErrorKind::Refused);
    assert!(text.contains("file of its own"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_newer_format_is_refused_and_names_the_version_that_made_it() {
    let (_folder, path) = file();
    drop(SqliteCheckpoint::open(&path, "m").await.unwrap());
    let mut connection = bare(&path).await;
    connection.execute("UPDATE format SET version = 2, made_by = '9.9.9'").await.unwrap();
    connection.close().await.unwrap();
    let (kind, text) = refusal(&path).await;
    assert_eq!(kind, ErrorKind::Refused);
    assert!(text.contains("9.9.9"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_unreadable_and_not_made_anew() {
    let (_folder, path) = file();
    let text = "this is a text file, long enough to be looked at as a header. ".repeat(20);
    std::fs::write(&path, &text).unwrap();
    let (kind, _) = refusal(&path).await;
    assert_eq!(kind, ErrorKind::Unreadable);
    assert_eq!(std::fs::read(&path).unwrap(), text.as_bytes());
}

#[tokio::test]
async fn a_truncated_file_is_unreadable() {
    let (_folder, path) = file();
    let store = SqliteCheckpoint::open(&path, "m").await.unwrap();
    store.put("a", &[7; 20_000], None).await.unwrap();
    drop(store);
    let mut connection = bare(&path).await;
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    connection.close().await.unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    let result = match SqliteCheckpoint::open(&path, "m").await {
        Ok(store) => store.get("a").await.map(drop),
        Err(error) => Err(error),
    };
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Unreadable);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let (kind, text) = refusal(Path::new("/nowhere/at/all/checkpoint.db")).await;
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(text.contains("/nowhere/at/all"), "{text}");
}

#[tokio::test]
async fn a_lock_that_is_never_given_back_ends_the_wait_and_names_the_holder() {
    let (_folder, path) = file();
    let store = SqliteCheckpoint::open(&path, "m").await.unwrap();
    execute(&store, "PRAGMA busy_timeout = 50").await;
    let mut other = bare(&path).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let error = store.put("a", b"1", None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    // The holder is this very process, which POSIX locks cannot tell from the waiter.
    assert!(describe(&error).contains(&std::process::id().to_string()), "{}", describe(&error));
    assert_eq!(store.get("a").await.unwrap(), None, "a reader is not held up by a writer");
    other.execute("ROLLBACK").await.unwrap();
    store.put("a", b"1", None).await.unwrap().unwrap();
}

async fn execute(store: &SqliteCheckpoint, statement: &'static str) {
    let mut writer = store.writer().await.unwrap();
    writer.connection.execute(statement).await.unwrap();
    writer.keep();
}

/// What a full disk looks like to one connection.
async fn allow_no_more_pages(store: &SqliteCheckpoint) {
    execute(store, "PRAGMA max_page_count = 1").await;
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_written_and_says_so() {
    let (_folder, path) = file();
    let store = SqliteCheckpoint::open(&path, "m").await.unwrap();
    store.put("a", b"1", None).await.unwrap().unwrap();
    allow_no_more_pages(&store).await;
    let error = store.put("b", &[7; 1_000_000], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(describe(&error).contains("space"));
    assert!(store.get("a").await.unwrap().is_some());
    assert!(store.get("b").await.unwrap().is_none());
    allow_no_more_pages(&store).await;
    let error = store.append("l", &[vec![7; 1_000_000]], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert_eq!(store.log_end("l").await.unwrap(), 0);
    // The connection that failed was closed, and its limit with it: there is space again.
    store.append("l", &[vec![7; 1_000_000]], None).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_written_can_still_be_read() {
    let (_folder, path) = file();
    let store = SqliteCheckpoint::open(&path, "m").await.unwrap();
    store.put("a", b"1", None).await.unwrap();
    // What SQLite answers on a read-only file system; permissions would not stop a root user.
    execute(&store, "PRAGMA query_only = 1").await;
    let error = store.put("a", b"2", None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(describe(&error).contains("write access"));
    assert!(store.get("a").await.unwrap().is_some());
}

#[tokio::test]
async fn nothing_is_read_from_a_file_that_was_removed_or_replaced() {
    let (folder, path) = file();
    let store = SqliteCheckpoint::open(&path, "m").await.unwrap();
    store.put("a", b"1", None).await.unwrap();
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    assert_eq!(store.get("a").await.unwrap_err().kind(), ErrorKind::Lost);
    drop(SqliteCheckpoint::open(&path, "m").await.unwrap());
    assert_eq!(store.list("", None, 1).await.unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(store.read_log("l", 0, 1).await.unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(store.log_end("l").await.unwrap_err().kind(), ErrorKind::Lost);
}

#[tokio::test]
async fn nothing_is_written_to_a_file_that_was_removed_or_replaced() {
    let (folder, path) = file();
    let store = SqliteCheckpoint::open(&path, "m").await.unwrap();
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    assert_eq!(store.put("a", b"1", None).await.unwrap_err().kind(), ErrorKind::Lost);
    drop(SqliteCheckpoint::open(&path, "m").await.unwrap());
    let error = store.append("l", &[b"x".to_vec()], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
}

#[tokio::test]
async fn many_may_make_the_file_at_once() {
    let (_folder, path) = file();
    let opening = (0..16).map(|_| {
        let path = path.clone();
        tokio::spawn(async move { SqliteCheckpoint::open(&path, "m").await.map(drop) })
    });
    for opened in futures::future::join_all(opening).await {
        opened.unwrap().unwrap();
    }
}

#[test]
fn the_wait_for_a_lock_is_shorter_than_the_bound_of_a_call() {
    assert!(BUSY_TIMEOUT < crate::driver::sqlite::CALL_TIMEOUT);
}

//! A PostgreSQL database.

use super::Place;
use crate::databases::PostgresDatabase;
use async_trait::async_trait;
use migration::checkpoint::{CheckpointStore, PostgresCheckpoint};
use migration::error::ErrorKind;
use migration::plan::ServerUrl;
use std::future::ready;
use std::sync::Arc;

struct Server(PostgresDatabase);

pub(crate) fn place() -> impl Future<Output = Box<dyn Place>> {
    let place: Box<dyn Place> = Box::new(Server(PostgresDatabase::create()));
    ready(place)
}

#[async_trait]
impl Place for Server {
    async fn open(&self, migration: &str) -> Arc<dyn CheckpointStore> {
        Arc::new(PostgresCheckpoint::open(&self.0.url(), migration).await.unwrap())
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_and_names_the_version_that_made_it() {
    let database = PostgresDatabase::create();
    drop(PostgresCheckpoint::open(&database.url(), "m").await.unwrap());
    database.run("UPDATE midflight_checkpoint_format SET version = 2, made_by = '9.9.9'");
    let error = PostgresCheckpoint::open(&database.url(), "m").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.next_step().unwrap().contains("9.9.9"), "{error:?}");
}

#[tokio::test]
async fn a_store_that_was_never_made_is_not_made_by_looking() {
    let database = PostgresDatabase::create();
    assert!(PostgresCheckpoint::open_if_made(&database.url(), "m").await.unwrap().is_none());
    assert_eq!(database.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0\n");
    drop(PostgresCheckpoint::open(&database.url(), "m").await.unwrap());
    assert!(PostgresCheckpoint::open_if_made(&database.url(), "m").await.unwrap().is_some());
}

#[tokio::test]
async fn many_processes_may_make_it_at_once() {
    let database = PostgresDatabase::create();
    let urls: Vec<_> = (0..6).map(|_| database.url()).collect();
    let opened = urls.iter().map(|url| PostgresCheckpoint::open(url, "m"));
    for store in futures::future::join_all(opened).await {
        assert_eq!(store.unwrap().log_end("l").await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_server_that_restarts_costs_a_wait_and_no_write_is_lost_or_doubled() {
    let mut server = servers::postgres().start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), server.url()).unwrap();
    let url = ServerUrl::parse("file:url", folder.path()).unwrap();
    let store = PostgresCheckpoint::open(&url, "m").await.unwrap();
    let first = store.put("a", b"1", None).await.unwrap().unwrap();
    store.append("l", &[b"x".to_vec()], Some(0)).await.unwrap().unwrap();
    let line = [b"y".to_vec()];
    server.kill().unwrap();
    let (second, appended, started) = futures::join!(
        store.put("a", b"2", Some(first)),
        store.append("l", &line, Some(1)),
        async { tokio::task::spawn_blocking(move || server.start().map(|()| server)).await },
    );
    let _server = started.unwrap().unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap().revision, second.unwrap().unwrap());
    assert_eq!(appended.unwrap(), Some(2));
    assert_eq!(store.log_end("l").await.unwrap(), 2);
}

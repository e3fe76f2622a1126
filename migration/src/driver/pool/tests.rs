use super::{Pool, READY_TIMEOUT};
use crate::driver::postgres;
use crate::error::ErrorKind;
use crate::plan::ServerUrl;
use servers::shared::{Database, postgres_database};
use sqlx::postgres::PgConnection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const IDLE: usize = 4;

fn pool_of(url: &str, connections_max: usize) -> Arc<Pool<PgConnection>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), url).unwrap();
    let url = ServerUrl::parse("file:url", folder.path()).unwrap();
    postgres::pool(&url, "", connections_max).unwrap()
}

/// So many connections at rest, for longer than they are trusted.
async fn rested(pool: &Arc<Pool<PgConnection>>, count: usize) {
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.push(pool.session().await.unwrap());
    }
    drop(sessions);
    age(pool);
    assert_eq!(pool.idle.lock().unwrap().len(), count);
}

fn age(pool: &Arc<Pool<PgConnection>>) {
    let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    let mut idle = pool.idle.lock().unwrap();
    idle.iter_mut().for_each(|(_, since)| *since = long_ago);
}

/// A way to the database on which packets are dropped from a moment on, and that moment.
async fn leads_to(database: &Database) -> (String, Arc<AtomicBool>) {
    let url = database.url();
    let host = url.split(['@', '/']).find(|part| part.starts_with("127.0.0.1:")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().to_string();
    let (to, is_cut) = (host.to_owned(), Arc::new(AtomicBool::new(false)));
    let cut = Arc::clone(&is_cut);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(&to).await else { return };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            tokio::spawn(carry(near_in, far_out, Arc::clone(&cut)));
            tokio::spawn(carry(far_in, near_out, Arc::clone(&cut)));
        }
    });
    (url.replace(host, &own), is_cut)
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    cut: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 1 << 14];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if !cut.load(Ordering::SeqCst) && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_dead_takes_those_with_it_that_rested_longer() {
    let database = postgres_database("pool").unwrap();
    let pool = pool_of(&database.url(), IDLE);
    rested(&pool, IDLE).await;
    let mut last = pool.session().await.unwrap();
    let own = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(last.connection().unwrap());
    let own: i32 = own.await.unwrap();
    last.keep();
    drop(last);
    age(&pool);
    database.run(&format!("SELECT pg_terminate_backend({own}, 30000)")).unwrap();
    let session = pool.session().await.unwrap();
    assert_eq!(pool.idle.lock().unwrap().len(), 0);
    drop(session);
    assert_eq!(pool.idle.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn on_a_network_that_drops_packets_a_call_waits_for_one_connection_and_not_for_each() {
    let database = postgres_database("pool").unwrap();
    let (url, is_cut) = leads_to(&database).await;
    let pool = pool_of(&url, IDLE);
    rested(&pool, IDLE).await;
    is_cut.store(true, Ordering::SeqCst);
    // Time passes as soon as there is nothing to do but wait.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let error = pool.session().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(begun.elapsed() <= READY_TIMEOUT + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_connection_that_was_closed_holds_no_place() {
    let database = postgres_database("pool").unwrap();
    let pool = pool_of(&database.url(), 1);
    let mut failed = pool.session().await.unwrap();
    failed.close();
    drop(pool.session().await.unwrap());
    assert!(failed.connection().is_err());
}

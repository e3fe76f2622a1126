//! The pages as a client gets them.

use super::{Check, Health, Serving, serve};
use crate::error::{Error, ErrorKind};
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use axum::Router;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn start(checks: Vec<Check>, shutdown: &Shutdown) -> Serving {
    let health = Health { metrics: Metrics::new("backfill"), checks, shutdown: shutdown.clone() };
    serve(ANY, health, Router::new().route("/more", get(async || "more\n"))).await.unwrap()
}

/// The status and the body of a page.
async fn page(serving: &Serving, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn source(up: &Arc<AtomicBool>) -> Check {
    let up = Arc::clone(up);
    Check::new("source", move || {
        let is_up = up.load(Ordering::Relaxed);
        async move {
            if is_up { Ok(()) } else { Err(Error::new(ErrorKind::Unavailable, "open source")) }
        }
    })
}

#[tokio::test]
async fn a_process_is_ready_while_what_it_needs_is_there_and_alive_anyway() {
    let (up, shutdown) = (Arc::new(AtomicBool::new(true)), Shutdown::new());
    let serving = start(vec![source(&up)], &shutdown).await;
    assert_eq!(page(&serving, "/readyz").await, (200, "ok\n".to_owned()));
    let verbose = "[+] source ok\n[+] not draining ok\nok\n".to_owned();
    assert_eq!(page(&serving, "/readyz?verbose").await, (200, verbose));
    up.store(false, Ordering::Relaxed);
    let (status, text) = page(&serving, "/readyz").await;
    assert_eq!((status, &*text), (503, "[-] source failed: open source\nnot ready\n"));
    for path in ["/livez", "/healthz"] {
        assert_eq!(page(&serving, path).await, (200, "ok\n".to_owned()));
    }
}

#[tokio::test]
async fn a_process_that_drains_is_not_ready_but_still_answers() {
    let shutdown = Shutdown::new();
    let serving = start(Vec::new(), &shutdown).await;
    shutdown.begin();
    assert_eq!(page(&serving, "/readyz").await, (503, "[-] draining\nnot ready\n".to_owned()));
    assert_eq!(page(&serving, "/livez").await.0, 200);
    let (status, text) = page(&serving, "/metrics").await;
    assert!(status == 200 && text.contains("midflight_build_info"), "{text}");
}

#[tokio::test]
async fn other_pages_are_served_beside() {
    let serving = start(Vec::new(), &Shutdown::new()).await;
    assert_eq!(page(&serving, "/more").await, (200, "more\n".to_owned()));
    assert_eq!(page(&serving, "/nothing").await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_fails() {
    let hanging = Check::new("target", std::future::pending);
    let (holds, line) = hanging.line().await;
    assert!(!holds && line.contains("target failed"), "{line}");
    let quick = Check::new("slow", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    });
    assert!(quick.line().await.0);
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_with_a_way_out() {
    let first = start(Vec::new(), &Shutdown::new()).await;
    let health =
        Health { metrics: Metrics::new("b"), checks: Vec::new(), shutdown: Shutdown::new() };
    let error = serve(first.address(), health, Router::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.next_step().unwrap().contains("--listen"));
}

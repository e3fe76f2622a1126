//! The server of the three pages.

use super::Health;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::CONTENT_TYPE;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::join_all;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// A server that answers until it is dropped: also while the process drains.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves `health`, and whatever `more` adds, on `listen`; port 0 takes a free one. The address is
/// logged.
///
/// # Errors
/// `Refused` if the address cannot be listened on.
pub async fn serve(listen: SocketAddr, health: Health, more: Router) -> Result<Serving> {
    let refused = |error: std::io::Error| {
        Error::new(ErrorKind::Refused, "listen")
            .with("address", listen)
            .because(error)
            .hint("another process may have it: give another --listen, port 0 for a free one")
    };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let pages = Router::new()
        .route("/livez", get(live))
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(health))
        .merge(more);
    tracing::info!(%address, "listening");
    let task = tokio::spawn(async move {
        // It goes on after errors of single connections; it ends with the task.
        if let Err(error) = axum::serve(listener, pages).await {
            tracing::error!(error = %error, "health is not served any more");
        }
    });
    Ok(Serving { address, _task: AbortOnDropHandle::new(task) })
}

async fn live() -> &'static str {
    "ok\n"
}

/// One line, or with `?verbose` one for each check.
async fn ready(State(health): State<Arc<Health>>, uri: Uri) -> Response {
    let mut lines = join_all(health.checks.iter().map(super::Check::line)).await;
    lines.push(match health.shutdown.has_begun() {
        false => (true, "[+] not draining ok".to_owned()),
        true => (false, "[-] draining".to_owned()),
    });
    let is_ready = lines.iter().all(|(holds, _)| *holds);
    let is_verbose = uri.query().is_some_and(|query| query.split('&').any(is_verbose));
    let told = lines.iter().filter(|(holds, _)| is_verbose || !holds);
    let mut text: String = told.map(|(_, line)| format!("{line}\n")).collect();
    text.push_str(if is_ready { "ok\n" } else { "not ready\n" });
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, text).into_response()
}

fn is_verbose(parameter: &str) -> bool {
    matches!(parameter, "verbose" | "verbose=" | "verbose=true" | "verbose=1")
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    match health.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

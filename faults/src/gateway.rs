//! An address that leads to one server, and after a failover to another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A port of this machine that leads on to another. Connections end with the server they lead to.
#[derive(Debug)]
pub struct Gateway {
    port: u16,
    leads_to: Arc<AtomicU16>,
    task: JoinHandle<()>,
}

impl Gateway {
    /// One that leads to `port`.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let leads_to = Arc::new(AtomicU16::new(port));
        let to = Arc::clone(&leads_to);
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let port = to.load(Ordering::SeqCst);
                tokio::spawn(async move {
                    // A server that is away refuses, and so does this: the connection ends.
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    // However it ends, both sides see it.
                    let _ended = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { port: own, leads_to, task }
    }

    /// Its own port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on new connections lead there.
    pub fn lead_to(&self, port: u16) {
        self.leads_to.store(port, Ordering::SeqCst);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

//! The connection: one for all callers, made when it is needed, and marked down while nothing comes
//! back.

use super::config;
use super::error::{DISPOSABLE, failed};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::ServerUrl;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, Value};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Longest call, connecting included. A lock that is slower than this is worth less than no lock.
const CALL_TIMEOUT: Duration = Duration::from_millis(500);

/// A call that took longer than this was not held up by Redis alone: the process was stopped, or
/// got no processor.
const STOOD_STILL: Duration = Duration::from_secs(1);

/// How long nobody asks after a call without an answer: the copy goes on without the lock after a
/// few refusals, and the live path at once.
const DOWN_FOR: Duration = Duration::from_secs(1);

/// Tries of one call: on the connection there is, which a restarted server has closed, and on a new
/// one.
const TRIES: usize = 2;

/// Numbers of connections.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

pub(super) struct Line {
    client: Client,
    address: String,
    /// Held while connecting, so that everybody waits for one attempt.
    connection: tokio::sync::Mutex<Option<Numbered>>,
    /// Until when nobody asks; then one caller does, and the others when he was answered.
    down: Mutex<Option<Instant>>,
}

/// A connection with a number, so that nobody closes another than the one that failed him.
struct Numbered {
    number: u64,
    connection: MultiplexedConnection,
}

impl fmt::Debug for Line {
    // The client would show the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("address", &self.address).finish_non_exhaustive()
    }
}

fn is_unavailable(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
}

impl Line {
    pub(super) fn new(url: &ServerUrl) -> Result<Self> {
        let (client, address) = config::client(url)?;
        Ok(Self {
            client,
            address,
            connection: tokio::sync::Mutex::default(),
            down: Mutex::default(),
        })
    }

    /// Sends commands and waits for their answers.
    pub(super) async fn ask(
        self: &Arc<Self>,
        operation: &'static str,
        commands: Pipeline,
    ) -> Result<Vec<Value>> {
        self.admit(operation)?;
        let line = Arc::clone(self);
        // On its own: the live path gives up waiting long before it is clear that nothing comes
        // back, and that has to be noticed all the same.
        let asked = tokio::spawn(async move { line.bounded(operation, &commands).await }).await;
        asked.map_err(|cause| Error::new(ErrorKind::Failed, operation).because(cause))?
    }

    async fn bounded(&self, operation: &'static str, commands: &Pipeline) -> Result<Vec<Value>> {
        let began = Instant::now();
        let mut answered = self.in_time(operation, commands).await;
        if began.elapsed() > STOOD_STILL && answered.as_ref().is_err_and(is_unavailable) {
            // It was this process that did not run, and says nothing of Redis.
            answered = self.in_time(operation, commands).await;
        }
        self.mark(answered.as_ref().is_err_and(is_unavailable));
        answered.map_err(|error| error.with("key lock", &self.address))
    }

    async fn in_time(&self, operation: &'static str, commands: &Pipeline) -> Result<Vec<Value>> {
        match timeout(CALL_TIMEOUT, self.attempt(operation, commands)).await {
            Ok(answered) => answered,
            Err(_) => {
                // Whatever it still answers belongs to nobody.
                *self.connection.lock().await = None;
                Err(Error::new(ErrorKind::Unavailable, format!("{operation}: no answer"))
                    .hint(DISPOSABLE))
            }
        }
    }

    async fn attempt(&self, operation: &'static str, commands: &Pipeline) -> Result<Vec<Value>> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (number, mut connection) = self.connected(operation).await?;
            let error = match commands.query_async(&mut connection).await {
                Ok(answers) => return Ok(answers),
                Err(error) => failed(operation, error),
            };
            if error.kind() != ErrorKind::Unavailable {
                return Err(error);
            }
            self.close(number).await;
            if tries == TRIES {
                return Err(error);
            }
        }
    }

    async fn connected(&self, operation: &'static str) -> Result<(u64, MultiplexedConnection)> {
        let mut current = self.connection.lock().await;
        if let Some(Numbered { number, connection }) = &*current {
            return Ok((*number, connection.clone()));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CALL_TIMEOUT))
            .set_response_timeout(Some(CALL_TIMEOUT));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let connection = connection.map_err(|error| failed(operation, error))?;
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        *current = Some(Numbered { number, connection: connection.clone() });
        Ok((number, connection))
    }

    async fn close(&self, number: u64) {
        let mut current = self.connection.lock().await;
        current.take_if(|current| current.number == number);
    }

    /// Refuses at once while the line is down, but for one caller who finds out whether it still
    /// is.
    fn admit(&self, operation: &'static str) -> Result<()> {
        let mut down = self.down();
        let Some(until) = *down else { return Ok(()) };
        let now = Instant::now();
        if now < until {
            return Err(Error::new(ErrorKind::Unavailable, format!("{operation}: it is down"))
                .with("key lock", &self.address)
                .hint(DISPOSABLE));
        }
        *down = Some(now + CALL_TIMEOUT);
        Ok(())
    }

    fn mark(&self, is_down: bool) {
        let mut down = self.down();
        match (is_down, down.is_some()) {
            (true, false) => {
                tracing::warn!(
                    key_lock = self.address,
                    "the key lock does not answer: the copy tries again, and goes on without it"
                );
            }
            (false, true) => tracing::info!(key_lock = self.address, "the key lock answers again"),
            _ => {}
        }
        *down = is_down.then(|| Instant::now() + DOWN_FOR);
    }

    fn down(&self) -> MutexGuard<'_, Option<Instant>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Connections to one server: opened when they are needed, bounded in number, and thrown away as
//! soon as it is not certain what state they are in.
//!
//! The driver's own pool tests a connection with a round trip whenever it comes back, waits for a
//! server that refuses connections until it looks like a pool that is used up, and keeps one whose
//! caller went away in the middle of an answer. Here a failed or abandoned call closes its
//! connection: the server rolls back what it had begun, and lets its locks go.

#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, Result};
use futures::future::BoxFuture;
use sqlx::{ConnectOptions as _, Connection};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Longest wait for a connection that others use.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest attempt to open a connection: a port that drops packets never answers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest call. The server's own limit is lower, so this is reached only if the network or the
/// server is gone.
const CALL_TIMEOUT: Duration = Duration::from_secs(40);

/// A connection that was idle for longer is tried before it is used: the server may have been
/// restarted meanwhile. One in constant use costs no round trip for it.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Longest wait for the answer to that, and for a rollback.
const SHORT_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest until a connection is ready, tried or opened and set up: no longer than opening one
/// takes after another was found dead, whatever the server is slow at.
const READY_TIMEOUT: Duration = Duration::from_secs(15);

/// A call that is made with a connection alone.
pub(crate) type Call<C> = for<'c> fn(&'c mut C) -> BoxFuture<'c, sqlx::Result<()>>;

/// A call that is made with every new connection.
pub(crate) type Prepare<C> =
    Box<dyn for<'c> Fn(&'c mut C) -> BoxFuture<'c, sqlx::Result<()>> + Send + Sync>;

/// What a pool needs to know of its server.
pub(crate) struct PoolOptions<C: Connection> {
    /// How to connect.
    pub(crate) connect: <C as Connection>::Options,
    /// Most connections at a time.
    pub(crate) connections_max: usize,
    /// The server as people see it: host, port, database.
    pub(crate) address: String,
    /// Made with every new connection.
    pub(crate) prepare: Prepare<C>,
    /// Ends a transaction that was begun and not committed.
    pub(crate) roll_back: Call<C>,
    /// What its failures mean.
    pub(crate) explain: fn(&str, sqlx::Error) -> Error,
}

/// A bounded number of connections to one server.
pub(crate) struct Pool<C: Connection + 'static> {
    options: PoolOptions<C>,
    idle: Mutex<Vec<(C, Instant)>>,
    permits: Arc<Semaphore>,
}

impl<C: Connection + 'static> fmt::Debug for Pool<C> {
    // The driver's options would show the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("address", &self.options.address).finish_non_exhaustive()
    }
}

impl<C: Connection + 'static> Pool<C> {
    pub(crate) fn new(options: PoolOptions<C>) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(options.connections_max));
        Arc::new(Self { options, idle: Mutex::default(), permits })
    }

    /// The server, without the user and the password.
    pub(crate) fn address(&self) -> &str {
        &self.options.address
    }

    /// What a failure means, and of which server.
    pub(crate) fn failed(&self, operation: &str, error: sqlx::Error) -> Error {
        (self.options.explain)(operation, error).with("server", &self.options.address)
    }

    /// A connection for one piece of work.
    pub(crate) async fn session(self: &Arc<Self>) -> Result<Session<C>> {
        let permit = timeout(ACQUIRE_TIMEOUT, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(Error::new(ErrorKind::Busy, "wait for a connection: all are in use")
                .with("server", &self.options.address)
                .with("connections", self.options.connections_max)
                .hint(
                    "this process has more work for the server than it can do: lower the rate or \
                     the number of workers",
                ));
        };
        let ready = timeout(READY_TIMEOUT, self.ready(permit)).await;
        ready.unwrap_or_else(|elapsed| self.settled("connect to server", Err(elapsed)))
    }

    /// One that was idle, or a new one.
    async fn ready(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Result<Session<C>> {
        if let Some((mut connection, since)) = self.take_idle() {
            let is_alive = since.elapsed() <= TRUSTED_FOR
                || matches!(timeout(SHORT_CALL_TIMEOUT, connection.ping()).await, Ok(Ok(())));
            if is_alive {
                return Ok(Session::new(self, connection, permit));
            }
            // The others were idle for longer. Whatever ended this one ended them, and on a network
            // that drops packets each of them would be waited for.
            self.forget_idle();
        }
        let connection = timeout(CONNECT_TIMEOUT, self.options.connect.connect()).await;
        let connection = self.settled("connect to server", connection)?;
        let mut session = Session::new(self, connection, permit);
        let prepare = (self.options.prepare)(session.connection()?);
        let prepared = timeout(SHORT_CALL_TIMEOUT, prepare).await;
        session.settle("set up connection", prepared)?;
        Ok(session)
    }

    fn take_idle(&self) -> Option<(C, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn forget_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn put_back(&self, connection: C) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((connection, Instant::now()));
    }

    fn settled<T>(&self, operation: &str, outcome: Outcome<T>) -> Result<T> {
        match outcome {
            Ok(result) => result.map_err(|error| self.failed(operation, error)),
            Err(_) => Err(Error::new(ErrorKind::Unavailable, format!("{operation}: no answer"))
                .with("server", &self.options.address)
                .hint("look at the server and at the network between: nothing came back in time")),
        }
    }
}

/// What a bounded call of the driver came to.
pub(crate) type Outcome<T> = std::result::Result<sqlx::Result<T>, tokio::time::error::Elapsed>;

/// Bounds a call of the driver.
pub(crate) async fn bounded<T>(call: impl Future<Output = sqlx::Result<T>>) -> Outcome<T> {
    timeout(CALL_TIMEOUT, call).await
}

/// A connection taken for one piece of work.
///
/// Each call is `let outcome = bounded(query.execute(session.connection()?)).await;`, then
/// `session.settle("do it", outcome)?`. A connection with a call that failed is closed at once, one
/// with a call that was abandoned when the session is dropped.
pub(crate) struct Session<C: Connection + 'static> {
    pool: Arc<Pool<C>>,
    /// `None` once it was closed.
    connection: Option<C>,
    /// Whether every call was answered.
    is_settled: bool,
    /// Whether a transaction was begun and not ended.
    pub(crate) in_transaction: bool,
    /// Goes where the connection goes.
    permit: Option<OwnedSemaphorePermit>,
}

impl<C: Connection + 'static> Session<C> {
    fn new(pool: &Arc<Pool<C>>, connection: C, permit: OwnedSemaphorePermit) -> Self {
        Self {
            pool: Arc::clone(pool),
            connection: Some(connection),
            is_settled: true,
            in_transaction: false,
            permit: Some(permit),
        }
    }

    /// The connection, for one call that has to be settled.
    pub(crate) fn connection(&mut self) -> Result<&mut C> {
        self.is_settled = false;
        self.connection.as_mut().ok_or_else(|| {
            Error::new(ErrorKind::Failed, "use connection: it was closed when a call failed")
        })
    }

    /// Takes note that the call was answered, with an error perhaps: the connection can go on.
    pub(crate) fn keep(&mut self) {
        self.is_settled = true;
    }

    /// Closes the connection now, and lets another be opened: whoever explains what went wrong may
    /// have to ask the server.
    pub(crate) fn close(&mut self) {
        self.connection = None;
        self.permit = None;
    }

    /// Takes note of how the call ended.
    pub(crate) fn settle<T>(&mut self, operation: &str, outcome: Outcome<T>) -> Result<T> {
        match self.pool.settled(operation, outcome) {
            Ok(done) => {
                self.is_settled = true;
                Ok(done)
            }
            Err(error) => {
                self.close();
                Err(error)
            }
        }
    }
}

impl<C: Connection + 'static> Drop for Session<C> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take().filter(|_| self.is_settled) else {
            return;
        };
        let pool = Arc::clone(&self.pool);
        if !self.in_transaction {
            pool.put_back(connection);
            return;
        }
        // Without a runtime the connection is closed, which ends the transaction too.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let permit = self.permit.take();
        runtime.spawn(async move {
            let _permit = permit;
            let rolled_back = (pool.options.roll_back)(&mut connection);
            if let Ok(Ok(())) = timeout(SHORT_CALL_TIMEOUT, rolled_back).await {
                pool.put_back(connection);
            }
        });
    }
}

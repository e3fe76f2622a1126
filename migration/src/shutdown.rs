//! Stopping: the first signal drains, the second stops now.
//!
//! [`Shutdown`] is the parameter through which everything long-running learns that it should finish
//! what it has in hand and return. `kill -9` is always safe, so draining is a courtesy: it saves
//! the next start some work.

use crate::error::{Error, ErrorKind, Result};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Says whether this process should finish what it has in hand and stop.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// One that begins only when [`Shutdown::begin`] is called: for tests, and for parts of a
    /// process that are stopped with it (see [`Shutdown::part`]).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The shutdown of a part of this process: it begins with the whole, and can begin alone.
    #[must_use]
    pub fn part(&self) -> Self {
        Self { token: self.token.child_token() }
    }

    /// Begins the shutdown. Doing so again changes nothing.
    pub fn begin(&self) {
        self.token.cancel();
    }

    /// Whether the shutdown has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until the shutdown begins.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// Sleeps for `duration`, or until the shutdown begins. Returns whether to go on.
    pub async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.begun() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }

    /// Runs `future` until it is done, or drops it when the shutdown begins (`None`). Only for what
    /// may be dropped at any await.
    pub async fn unless_begun<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.begun() => None,
            result = future => Some(result),
        }
    }

    /// Begins the shutdown at the first `SIGTERM` or `SIGINT`, and ends the process at the second
    /// with 143 or 130. Watches until the guard is dropped.
    ///
    /// # Errors
    /// `Failed` if the handlers cannot be installed.
    pub fn watch_signals(&self) -> Result<AbortOnDropHandle<()>> {
        let (mut terminate, mut interrupt) =
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        let shutdown = self.clone();
        Ok(AbortOnDropHandle::new(tokio::spawn(async move {
            let first = next(&mut terminate, &mut interrupt).await;
            tracing::info!(signal = first.name, "draining; a second signal stops at once");
            shutdown.begin();
            let second = next(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = second.name, "stopped before everything was drained");
            std::process::exit(second.exit_code);
        })))
    }
}

struct Received {
    name: &'static str,
    exit_code: i32,
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|error| {
        Error::new(ErrorKind::Failed, "listen for signals")
            .with("signal", kind.as_raw_value())
            .because(error)
    })
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> Received {
    tokio::select! {
        _ = terminate.recv() => Received { name: "SIGTERM", exit_code: 143 },
        _ = interrupt.recv() => Received { name: "SIGINT", exit_code: 130 },
    }
}

#[cfg(test)]
mod tests {
    use super::Shutdown;
    use std::time::Duration;

    #[tokio::test]
    async fn a_sleep_ends_when_the_shutdown_begins() {
        let shutdown = Shutdown::new();
        let sleeper = shutdown.clone();
        let sleeping = tokio::spawn(async move { sleeper.sleep(Duration::from_secs(3600)).await });
        shutdown.begin();
        assert!(!sleeping.await.unwrap());
        assert!(!shutdown.sleep(Duration::ZERO).await, "a begun shutdown sleeps no more");
    }

    #[tokio::test]
    async fn a_part_stops_with_the_whole_but_not_the_whole_with_a_part() {
        let whole = Shutdown::new();
        let (one, other) = (whole.part(), whole.part());
        one.begin();
        assert!(one.has_begun() && !other.has_begun() && !whole.has_begun());
        whole.begin();
        assert!(other.has_begun());
        assert_eq!(other.unless_begun(std::future::ready(1)).await, None);
    }
}

//! The live path's side of the key lock: wait a bounded time for a copy to give a lock back, then
//! take it away.

#[cfg(test)]
mod tests;

use futures::future::join_all;
use migration::fault;
use migration::key::Key;
use migration::lock::{KeyLock, Token};
use migration::route::Touched;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// Pause between two looks at the lock: a batch of the copy takes a few milliseconds.
const PAUSE: Duration = Duration::from_millis(2);

/// The share of the wait that is left for revoking, so that a lock store in good health has done it
/// before the batch is written.
const REVOKE_SHARE: u32 = 8;

/// Longest that a lock store may take over a revocation that nobody waits for any more.
const REVOKE_MAX: Duration = Duration::from_secs(1);

/// How the live path deals with locks of the copy.
#[derive(Debug, Clone)]
pub struct Hold {
    /// The key lock.
    pub lock: Arc<dyn KeyLock>,
    /// Longest wait for a whole batch (invariant I7).
    pub wait: Duration,
}

impl Hold {
    /// Waits until nobody holds any of these entities, then revokes what is left; returns by one
    /// deadline for all of it. Returns how many locks it set out to revoke.
    ///
    /// A lock store that fails or does not answer counts as one without locks: it is advisory.
    pub(crate) async fn clear(&self, touched: &[Touched]) -> usize {
        let deadline = Instant::now() + self.wait;
        let tables = touched.iter().filter(|(_, entities)| !entities.is_empty());
        let clearing = tables.map(|(table, entities)| self.clear_table(table, entities, deadline));
        join_all(clearing).await.into_iter().sum()
    }

    async fn clear_table(&self, table: &str, entities: &[Key], deadline: Instant) -> usize {
        let until = deadline - self.wait / REVOKE_SHARE;
        // Only those that hold a lock now: whoever gets one later reads the source after it, and so
        // sees what this batch brings.
        let Some(mut left) = self.holders(table, entities, until).await else { return 0 };
        while !left.is_empty() && Instant::now() < until {
            sleep_until(until.min(Instant::now() + PAUSE)).await;
            // Without an answer they are taken to hold it still.
            let Some(held) = self.holders(table, entities, until).await else { break };
            left.retain(|token| held.contains(token));
        }
        if left.is_empty() {
            return 0;
        }
        fault::point("dual-write.waited");
        let count = left.len();
        let revoking = tokio::spawn(revoke(Arc::clone(&self.lock), table.to_owned(), left));
        // It goes on beyond the deadline if it has to: what is revoked late still lets the copy
        // see that it lost the lock.
        if timeout_at(deadline, revoking).await.is_err() {
            tracing::debug!("key lock did not revoke in time");
        }
        count
    }

    /// Who holds them; `None` if the lock store does not say.
    async fn holders(&self, table: &str, entities: &[Key], until: Instant) -> Option<Vec<Token>> {
        match timeout_at(until, self.lock.holders(table, entities)).await {
            Ok(Ok(holders)) => Some(holders),
            Ok(Err(error)) => {
                tracing::debug!(error = %error, "key lock not available");
                None
            }
            Err(_) => {
                tracing::debug!("key lock did not answer in time");
                None
            }
        }
    }
}

async fn revoke(lock: Arc<dyn KeyLock>, table: String, tokens: Vec<Token>) {
    match timeout(REVOKE_MAX, lock.revoke(&table, &tokens)).await {
        Ok(Ok(())) => fault::point("dual-write.revoked"),
        Ok(Err(error)) => tracing::debug!(error = %error, "key locks not revoked"),
        Err(_) => tracing::debug!("key locks not revoked: no answer"),
    }
}

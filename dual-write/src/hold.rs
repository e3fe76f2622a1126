//! The live path's side of the key lock: wait a bounded time for a copy to give a lock back, then
//! take it away.

use migration::error::Result;
use migration::fault;
use migration::key::Key;
use migration::lock::{KeyLock, Token};
use migration::route::Touched;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Pause between two looks at the lock: a batch of the copy takes a few milliseconds.
const PAUSE: Duration = Duration::from_millis(2);

/// How the live path deals with locks of the copy.
#[derive(Debug, Clone)]
pub struct Hold {
    /// The key lock.
    pub lock: Arc<dyn KeyLock>,
    /// Longest wait for a whole batch (invariant I7).
    pub wait: Duration,
}

impl Hold {
    /// Waits until nobody holds any of these entities, with one deadline for all of them, then
    /// revokes what is left. Returns how many locks were revoked.
    ///
    /// A lock store that fails or does not answer counts as one without locks: it is advisory.
    pub(crate) async fn clear(&self, touched: &[Touched]) -> usize {
        let deadline = Instant::now() + self.wait;
        let mut revoked = 0;
        for (table, entities) in touched.iter().filter(|(_, entities)| !entities.is_empty()) {
            // Revoking gets a moment of its own after the deadline, as bounded as the wait.
            let cleared =
                timeout_at(deadline + self.wait, self.clear_table(table, entities, deadline));
            match cleared.await {
                Ok(Ok(count)) => revoked += count,
                Ok(Err(error)) => tracing::debug!(error = %error, "key lock not available"),
                Err(_) => tracing::debug!("key lock did not answer in time"),
            }
        }
        revoked
    }

    async fn clear_table(&self, table: &str, entities: &[Key], deadline: Instant) -> Result<usize> {
        // Only those that hold a lock now: whoever gets one later reads the source after it, and so
        // sees what this batch brings.
        let mut left: Vec<Token> = self.lock.holders(table, entities).await?;
        while !left.is_empty() && Instant::now() < deadline {
            sleep(PAUSE).await;
            let held = self.lock.holders(table, entities).await?;
            left.retain(|token| held.contains(token));
        }
        if !left.is_empty() {
            fault::point("dual-write.waited");
            self.lock.revoke(table, &left).await?;
        }
        Ok(left.len())
    }
}

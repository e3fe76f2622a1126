//! Key locks: they serialise a healthy copy with the live path, and may fail in any way.
//!
//! The lock is advisory. Losing it, wiping it or never getting it costs retries; the guard in the
//! target decides what is written (invariant I6). So a lock store may be small and disposable.

mod memory;
mod redis;
mod sqlite;

pub use memory::MemoryLock;
pub use redis::RedisLock;
pub use sqlite::SqliteLock;

use crate::error::Result;
use crate::key::Key;
use async_trait::async_trait;
use std::fmt::Debug;
use std::time::Duration;

/// The name of one holding: new for every acquisition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u128);

impl Token {
    /// A token that nobody else has.
    #[must_use]
    pub fn new() -> Self {
        Self(uuid::Uuid::new_v4().as_u128())
    }
}

impl Default for Token {
    fn default() -> Self {
        Self::new()
    }
}

/// Locks on entities, with leases.
///
/// The copy acquires, the live path looks and revokes. An implementation may lock more than it was
/// asked for (the interval from the first entity to the last), never less.
///
/// Call order for the copy: `acquire` → read the source → `still_held` → write → `release`; for the
/// live path: `holders` → wait, bounded → `revoke`.
#[async_trait]
pub trait KeyLock: Send + Sync + Debug {
    /// Whether `acquire` locks everything from the first entity to the last, so that a caller may
    /// name the two ends of an interval instead of every entity in it.
    fn locks_intervals(&self) -> bool;

    /// Locks those of the `entities` of `table`, given in key order, that nobody else holds, for
    /// `lease`. Returns whether each was granted. One token is for one acquisition.
    ///
    /// An implementation that locks intervals grants entities as long as nobody else holds
    /// anything between the first granted and the last: if both ends of an interval are granted,
    /// all of it is.
    async fn acquire(
        &self,
        table: &str,
        entities: &[Key],
        token: Token,
        lease: Duration,
    ) -> Result<Vec<bool>>;

    /// Whether `token` still holds everything it was granted.
    async fn still_held(&self, table: &str, token: Token) -> Result<bool>;

    /// Who holds any of the `entities`; each token once.
    async fn holders(&self, table: &str, entities: &[Key]) -> Result<Vec<Token>>;

    /// Takes the locks of these tokens away.
    async fn revoke(&self, table: &str, tokens: &[Token]) -> Result<()>;

    /// Gives the locks of `token` back. Giving back what is gone is no error.
    async fn release(&self, table: &str, token: Token) -> Result<()>;

    /// Number of locks of this migration that are there to be cleaned up: those whose lease ran out
    /// too, where they do not vanish by themselves.
    async fn count(&self) -> Result<u64>;

    /// Removes every lock of this migration.
    async fn clear(&self) -> Result<()>;
}

//! Key locks in memory, one per entity: for conformance suites and simulations.

use super::{KeyLock, Token};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::key::Key;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryLock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    held: BTreeMap<(String, Key), Holding>,
    /// How many entities each token was granted.
    granted: BTreeMap<(String, Token), usize>,
}

#[derive(Debug)]
struct Holding {
    token: Token,
    expires_at: Timestamp,
}

impl MemoryLock {
    /// A lock store that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything, as a restarted lock store does.
    pub fn wipe(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock with a change half made.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, table: &str, token: Token) {
        self.held.retain(|(held_in, _), holding| held_in != table || holding.token != token);
        self.granted.remove(&(table.to_owned(), token));
    }
}

#[async_trait]
impl KeyLock for MemoryLock {
    fn locks_intervals(&self) -> bool {
        false
    }

    async fn acquire(
        &self,
        table: &str,
        entities: &[Key],
        token: Token,
        lease: Duration,
    ) -> Result<Vec<bool>> {
        let now = Timestamp::now();
        let mut state = self.state();
        let mut granted = Vec::with_capacity(entities.len());
        for entity in entities {
            let place = (table.to_owned(), entity.clone());
            let is_free = state
                .held
                .get(&place)
                .is_none_or(|holding| holding.token == token || holding.expires_at <= now);
            if is_free {
                state.held.insert(place, Holding { token, expires_at: now.plus(lease) });
            }
            granted.push(is_free);
        }
        let count =
            state.held.iter().filter(|(place, holding)| place.0 == table && holding.token == token);
        let count = count.count();
        state.granted.insert((table.to_owned(), token), count);
        Ok(granted)
    }

    async fn still_held(&self, table: &str, token: Token) -> Result<bool> {
        let now = Timestamp::now();
        let state = self.state();
        let held = state.held.iter().filter(|((held_in, _), holding)| {
            held_in == table && holding.token == token && holding.expires_at > now
        });
        let granted = state.granted.get(&(table.to_owned(), token)).copied().unwrap_or(0);
        Ok(granted > 0 && held.count() == granted)
    }

    async fn holders(&self, table: &str, entities: &[Key]) -> Result<Vec<Token>> {
        let now = Timestamp::now();
        let state = self.state();
        let tokens: BTreeSet<Token> = entities
            .iter()
            .filter_map(|entity| state.held.get(&(table.to_owned(), entity.clone())))
            .filter(|holding| holding.expires_at > now)
            .map(|holding| holding.token)
            .collect();
        Ok(tokens.into_iter().collect())
    }

    async fn revoke(&self, table: &str, tokens: &[Token]) -> Result<()> {
        let mut state = self.state();
        for &token in tokens {
            state.forget(table, token);
        }
        Ok(())
    }

    async fn release(&self, table: &str, token: Token) -> Result<()> {
        self.state().forget(table, token);
        Ok(())
    }

    async fn count(&self) -> Result<u64> {
        let state = self.state();
        let tokens: BTreeSet<(&str, Token)> = state
            .held
            .iter()
            .map(|((table, _), holding)| (table.as_str(), holding.token))
            .collect();
        Ok(u64::try_from(tokens.len()).unwrap_or(u64::MAX))
    }

    async fn clear(&self) -> Result<()> {
        self.wipe();
        Ok(())
    }
}

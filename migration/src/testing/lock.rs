//! A key lock that does what a test wants, wrong things included.

use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::lock::{KeyLock, Token};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How a [`FickleLock`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whim {
    /// As a lock should, but without leases.
    Sound,
    /// Refuses everybody.
    Refuse,
    /// Grants everything to everybody and knows of no holder.
    Noise,
    /// Grants, and has always lost it when asked.
    Forget,
    /// Fails every call.
    Fail,
}

/// A key lock that behaves as a test says.
#[derive(Debug)]
pub struct FickleLock {
    whim: Whim,
    held: Mutex<BTreeMap<(String, Key), Token>>,
}

impl FickleLock {
    /// A lock that behaves like this.
    #[must_use]
    pub fn new(whim: Whim) -> Self {
        Self { whim, held: Mutex::default() }
    }

    fn held(&self) -> Result<MutexGuard<'_, BTreeMap<(String, Key), Token>>> {
        if self.whim == Whim::Fail {
            return Err(Error::new(ErrorKind::Unavailable, "reach key lock"));
        }
        Ok(self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl KeyLock for FickleLock {
    fn locks_intervals(&self) -> bool {
        false
    }

    async fn acquire(
        &self,
        table: &str,
        entities: &[Key],
        token: Token,
        _lease: Duration,
    ) -> Result<Vec<bool>> {
        let mut held = self.held()?;
        let grant = |entity: &Key| match self.whim {
            Whim::Refuse => false,
            Whim::Noise | Whim::Forget => true,
            Whim::Sound | Whim::Fail => {
                *held.entry((table.to_owned(), entity.clone())).or_insert(token) == token
            }
        };
        Ok(entities.iter().map(grant).collect())
    }

    async fn still_held(&self, _table: &str, token: Token) -> Result<bool> {
        let held = self.held()?;
        Ok(match self.whim {
            Whim::Forget => false,
            Whim::Noise => true,
            _ => held.values().any(|holder| *holder == token),
        })
    }

    async fn holders(&self, table: &str, entities: &[Key]) -> Result<Vec<Token>> {
        let held = self.held()?;
        let of = |entity: &Key| held.get(&(table.to_owned(), entity.clone())).copied();
        let mut holders: Vec<Token> = entities.iter().filter_map(of).collect();
        holders.sort_unstable();
        holders.dedup();
        Ok(holders)
    }

    async fn revoke(&self, _table: &str, tokens: &[Token]) -> Result<()> {
        self.held()?.retain(|_, holder| !tokens.contains(holder));
        Ok(())
    }

    async fn release(&self, _table: &str, token: Token) -> Result<()> {
        self.held()?.retain(|_, holder| *holder != token);
        Ok(())
    }

    async fn count(&self) -> Result<u64> {
        Ok(u64::try_from(self.held()?.len()).unwrap_or(u64::MAX))
    }

    async fn clear(&self) -> Result<()> {
        self.held()?.clear();
        Ok(())
    }
}

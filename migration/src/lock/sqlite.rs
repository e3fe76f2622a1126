//! Key locks in a small SQLite file of their own.
//!
//! The file is disposable. It may be wiped, damaged or deleted at any moment, also while processes
//! have it open: it is made anew, and what that costs is retries. So nothing is ever synced to
//! disk. It is in WAL mode because a reader is never held up there, and because a writer that is
//! killed half way leaves a file that can still be read.
//!
//! One holding is one interval of entities. Intervals of live holdings do not overlap.

mod call;
mod file;
mod interval;
mod statement;

use super::{KeyLock, Token};
use crate::error::Result;
use crate::key::Key;
use async_trait::async_trait;
use call::{Acquire, Call, Clear, Count, IsHeld, Live, Open, Remove, Scope};
use file::LockFile;
use std::path::Path;
use std::time::Duration;
use tokio::sync::Mutex;

/// Key locks of one migration in a SQLite file, which other migrations may share.
#[derive(Debug)]
pub struct SqliteLock {
    migration: String,
    file: Mutex<LockFile>,
}

impl SqliteLock {
    /// Opens the lock file, and makes it if it is not there.
    ///
    /// # Errors
    /// `Refused` if the file is something else, such as the source; errors of opening it.
    pub async fn open(path: &Path, migration: &str) -> Result<Self> {
        let mut file = LockFile::new(path);
        file.call(&Open).await?;
        Ok(Self { migration: migration.to_owned(), file: Mutex::new(file) })
    }

    async fn call<C: Call>(&self, call: &C) -> Result<C::Answer> {
        self.file.lock().await.call(call).await
    }

    fn scope<'a>(&'a self, table: &'a str) -> Scope<'a> {
        Scope { migration: &self.migration, table }
    }
}

#[async_trait]
impl KeyLock for SqliteLock {
    fn locks_intervals(&self) -> bool {
        true
    }

    async fn acquire(
        &self,
        table: &str,
        entities: &[Key],
        token: Token,
        lease: Duration,
    ) -> Result<Vec<bool>> {
        self.call(&Acquire { scope: self.scope(table), entities, token, lease }).await
    }

    async fn still_held(&self, table: &str, token: Token) -> Result<bool> {
        self.call(&IsHeld { scope: self.scope(table), token }).await
    }

    async fn holders(&self, table: &str, entities: &[Key]) -> Result<Vec<Token>> {
        let live = self.call(&Live { scope: self.scope(table) }).await?;
        Ok(interval::holders(&live, entities))
    }

    async fn revoke(&self, table: &str, tokens: &[Token]) -> Result<()> {
        self.call(&Remove { scope: self.scope(table), tokens }).await
    }

    async fn release(&self, table: &str, token: Token) -> Result<()> {
        self.call(&Remove { scope: self.scope(table), tokens: &[token] }).await
    }

    async fn count(&self) -> Result<u64> {
        let count = self.call(&Count { migration: &self.migration }).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn clear(&self) -> Result<()> {
        self.call(&Clear { migration: &self.migration }).await
    }
}

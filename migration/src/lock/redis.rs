//! Key locks in Redis, for processes on several machines.
//!
//! One key per entity, which holds the token of its holder and runs out with its lease
//! (`SET NX PX`); one key per holding, which lists its entities, so that whoever knows a token can
//! take back exactly what it holds; one set of all holdings, so that nothing has to be searched
//! for. A lock is taken away by a script that compares before it deletes.
//!
//! Redis may be wiped, stopped, frozen or gone at any moment. One that does not answer is marked
//! down and asked again once a second, so that nobody waits for it batch after batch; what that
//! costs is retries. A Redis that throws keys away where its memory is full (`maxmemory-policy`)
//! does no more harm than that.

mod config;
mod statement;
mod value;

mod error;
mod line;

use super::{KeyLock, Token};
use crate::error::{ErrorKind, Result};
use crate::key::Key;
use crate::plan::ServerUrl;
use async_trait::async_trait;
use line::Line;
use redis::{Pipeline, Value};
use statement::Names;
use std::sync::Arc;
use std::time::Duration;

/// Commands sent before an answer is waited for: a batch has about as many, and the answers to more
/// would have to be kept meanwhile.
const COMMANDS_MAX: usize = 1_000;

/// Keys of one `MGET`: while it runs, Redis does nothing else.
const KEYS_MAX: usize = 1_000;

/// Key locks of one migration in a Redis database, which anybody else may use too.
#[derive(Debug)]
pub struct RedisLock {
    line: Arc<Line>,
    names: Names,
}

impl RedisLock {
    /// Prepares the lock and tries to reach Redis. One that cannot be reached is no failure: it is
    /// asked again when it is needed.
    ///
    /// # Errors
    /// `Plan` for a URL that cannot be used, `Refused` if Redis does not let us in.
    pub async fn open(url: &ServerUrl, migration: &str) -> Result<Self> {
        let line = Arc::new(Line::new(url)?);
        let lock = Self { line, names: Names::of(migration) };
        match lock.count().await {
            Err(error) if !may_pass(error.kind()) => Err(error),
            // It was said when the line was marked down.
            Ok(_) | Err(_) => Ok(lock),
        }
    }

    async fn ask(&self, operation: &'static str, commands: Pipeline) -> Result<Vec<Value>> {
        self.line.ask(operation, commands).await
    }

    /// Takes back what these holdings hold.
    async fn take(&self, holdings: &[(Vec<u8>, Token)]) -> Result<()> {
        for part in holdings.chunks(COMMANDS_MAX) {
            let mut commands = redis::pipe();
            for (holding, token) in part {
                statement::take(&mut commands, &self.names, holding, *token);
            }
            self.ask("remove locks", commands).await?;
        }
        Ok(())
    }
}

/// Whether a lock that fails like this may be there again later.
fn may_pass(kind: ErrorKind) -> bool {
    kind.is_retryable() || matches!(kind, ErrorKind::Full | ErrorKind::TimedOut)
}

#[async_trait]
impl KeyLock for RedisLock {
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
        if entities.is_empty() {
            return Ok(Vec::new());
        }
        let operation = "lock entities";
        // First what is about to be held, so that whatever is held can be taken back, and is not
        // thought to be held when it no longer is.
        let holding = self.names.holding(table, token);
        let mut commands = redis::pipe();
        statement::hold(&mut commands, &self.names, (&holding, entities), lease);
        let mut granted = Vec::with_capacity(entities.len());
        for part in entities.chunks(COMMANDS_MAX) {
            for entity in part {
                statement::lock(&mut commands, &self.names.entity(table, entity), token, lease);
            }
            let commands = std::mem::replace(&mut commands, redis::pipe());
            let answers = self.ask(operation, commands).await?;
            granted.extend(answers.iter().map(value::is_set));
        }
        if !granted.contains(&true) {
            self.take(&[(holding, token)]).await?;
        }
        Ok(granted)
    }

    async fn still_held(&self, table: &str, token: Token) -> Result<bool> {
        let mut commands = redis::pipe();
        commands.cmd("EXISTS").arg(self.names.holding(table, token));
        let answers = self.ask("look at lock", commands).await?;
        Ok(value::count(answers.first())? > 0)
    }

    async fn holders(&self, table: &str, entities: &[Key]) -> Result<Vec<Token>> {
        if entities.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = redis::pipe();
        for part in entities.chunks(KEYS_MAX) {
            commands.cmd("MGET");
            for entity in part {
                commands.arg(self.names.entity(table, entity));
            }
        }
        value::tokens(&self.ask("look for locks", commands).await?)
    }

    async fn revoke(&self, table: &str, tokens: &[Token]) -> Result<()> {
        let holdings = tokens.iter().map(|&token| (self.names.holding(table, token), token));
        self.take(&holdings.collect::<Vec<_>>()).await
    }

    async fn release(&self, table: &str, token: Token) -> Result<()> {
        self.take(&[(self.names.holding(table, token), token)]).await
    }

    async fn count(&self) -> Result<u64> {
        let mut commands = redis::pipe();
        statement::count(&mut commands, &self.names);
        let answers = self.ask("count locks", commands).await?;
        value::count(answers.first())
    }

    async fn clear(&self) -> Result<()> {
        let operation = "remove all locks";
        let mut commands = redis::pipe();
        commands.cmd("SMEMBERS").arg(self.names.holdings());
        let answers = self.ask(operation, commands).await?;
        let holdings = value::texts(answers.first())?;
        let known = |name: Vec<u8>| self.names.token_of(&name).map(|token| (name, token));
        self.take(&holdings.into_iter().filter_map(known).collect::<Vec<_>>()).await?;
        let mut commands = redis::pipe();
        commands.cmd("DEL").arg(self.names.holdings());
        self.ask(operation, commands).await.map(drop)
    }
}

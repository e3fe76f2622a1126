//! The checkpoint store: the one durable state that all four phases share.
//!
//! [`CheckpointStore`] is narrow: four operations on keys and logs. Everything above it is written
//! once, here, for every back end: leases, desired state, progress for display, verdicts, stages,
//! dead letters and the audit log. The positions that decide what is safe are *not* here: they lie
//! in the target, with the data.

pub mod audit;
pub mod desired;
pub mod document;
pub mod lease;
mod memory;
mod mysql;
pub mod plan_record;
mod postgres;
pub mod progress;
mod sqlite;
pub mod verdict;

pub use memory::MemoryCheckpoint;
pub use mysql::MysqlCheckpoint;
pub use postgres::PostgresCheckpoint;
pub use sqlite::SqliteCheckpoint;

use crate::error::{Error, ErrorKind, Result};
use crate::plan::Engine;
use async_trait::async_trait;
use std::fmt::Debug;
use std::sync::Arc;

/// Opens the checkpoint store of a migration, and makes it if there is none.
///
/// # Errors
/// Those of the back end; each says what to do.
pub async fn open(engine: &Engine, migration: &str) -> Result<Arc<dyn CheckpointStore>> {
    match engine {
        Engine::Sqlite { path } => Ok(Arc::new(SqliteCheckpoint::open(path, migration).await?)),
        Engine::Postgres { url } => Ok(Arc::new(PostgresCheckpoint::open(url, migration).await?)),
        Engine::Mysql { url } => Ok(Arc::new(MysqlCheckpoint::open(url, migration).await?)),
    }
}

/// Opens the checkpoint store of a migration that has begun: for commands that only look.
///
/// # Errors
/// `Refused` if there is none; otherwise those of [`open`].
pub async fn open_existing(engine: &Engine, migration: &str) -> Result<Arc<dyn CheckpointStore>> {
    match engine {
        Engine::Sqlite { path } => {
            Ok(Arc::new(SqliteCheckpoint::open_existing(path, migration).await?))
        }
        Engine::Postgres { .. } | Engine::Mysql { .. } => {
            open_if_begun(engine, migration).await?.ok_or_else(|| {
                Error::new(ErrorKind::Refused, "open checkpoint store: there is none yet").hint(
                    "check `checkpoint.url` in the plan, or begin the migration with \
                     `dual-write set-up`",
                )
            })
        }
    }
}

/// Opens the checkpoint store of a migration if there is one: for commands that may come before the
/// beginning.
///
/// # Errors
/// Those of [`open`].
pub async fn open_if_begun(
    engine: &Engine,
    migration: &str,
) -> Result<Option<Arc<dyn CheckpointStore>>> {
    match engine {
        Engine::Sqlite { path } if !path.exists() => Ok(None),
        Engine::Sqlite { path } => {
            Ok(Some(Arc::new(SqliteCheckpoint::open_existing(path, migration).await?)))
        }
        Engine::Postgres { url } => {
            let store = PostgresCheckpoint::open_if_made(url, migration).await?;
            Ok(store.map(|store| Arc::new(store) as Arc<dyn CheckpointStore>))
        }
        Engine::Mysql { url } => {
            let store = MysqlCheckpoint::open_if_made(url, migration).await?;
            Ok(store.map(|store| Arc::new(store) as Arc<dyn CheckpointStore>))
        }
    }
}

/// Entries listed in one call.
const PAGE: usize = 500;

/// Most entries that are looked at in one walk: a walk that ended earlier without saying so would
/// call what lies behind it absent.
const WALK_MAX: usize = 100_000;

/// A walk over every entry whose key begins with a prefix, in key order, page by page.
#[derive(Debug)]
pub struct Walk {
    prefix: String,
    after: Option<String>,
    seen: usize,
}

impl Walk {
    /// A walk over the entries whose keys begin with `prefix`.
    #[must_use]
    pub fn over(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), after: None, seen: 0 }
    }

    /// The next entries; none at the end.
    ///
    /// # Errors
    /// `Refused` where there are more than anybody can have meant; those of the store.
    pub async fn next(&mut self, store: &dyn CheckpointStore) -> Result<Vec<(String, Entry)>> {
        let page = store.list(&self.prefix, self.after.as_deref(), PAGE).await?;
        self.seen += page.len();
        if self.seen > WALK_MAX {
            return Err(Error::new(ErrorKind::Refused, "list entries: there are too many")
                .with("prefix", &self.prefix)
                .with("most", WALK_MAX)
                .hint("something was started this often within a day: look at why"));
        }
        if let Some((last, _)) = page.last() {
            self.after = Some(last.clone());
        }
        Ok(page)
    }
}

/// Every key that begins with `prefix`, in order.
///
/// # Errors
/// Those of the store.
pub async fn list_all(store: &dyn CheckpointStore, prefix: &str) -> Result<Vec<String>> {
    let mut keys: Vec<String> = Vec::new();
    loop {
        let page = store.list_keys(prefix, keys.last().map(String::as_str), PAGE).await?;
        if page.is_empty() {
            return Ok(keys);
        }
        keys.extend(page);
    }
}

/// Removes every entry whose key begins with `prefix`. One that somebody changes meanwhile stays.
///
/// # Errors
/// Those of the store.
pub async fn remove_all(store: &dyn CheckpointStore, prefix: &str) -> Result<u64> {
    let mut removed = 0;
    for key in list_all(store, prefix).await? {
        if let Some(entry) = store.get(&key).await?
            && store.remove(&key, entry.revision).await?
        {
            removed += 1;
        }
    }
    Ok(removed)
}

/// The revision of an entry: it changes with every put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision(pub u64);

/// A value with its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Its revision.
    pub revision: Revision,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// What was appended.
    pub value: Vec<u8>,
}

/// Durable keys and logs of one migration.
///
/// Every write is durable when the call returns, and is seen by every process that calls later. An
/// entry that cannot be read is an error of kind `Unreadable`, never an absent one. A write of
/// which nobody knows whether it took place is one of kind `UnknownOutcome`; after every other
/// error it did not. Keys are slash-separated words, such as `lease/backfill/3`.
#[async_trait]
pub trait CheckpointStore: Send + Sync + Debug {
    /// The entry of a key, if there is one.
    async fn get(&self, key: &str) -> Result<Option<Entry>>;

    /// Puts a value if the entry is still what `expected` says (`None`: absent). Returns the new
    /// revision, or `None` if it is not.
    async fn put(
        &self,
        key: &str,
        value: &[u8],
        expected: Option<Revision>,
    ) -> Result<Option<Revision>>;

    /// Removes an entry if it is still what `expected` says. Returns whether it did.
    async fn remove(&self, key: &str, expected: Revision) -> Result<bool>;

    /// Up to `limit` entries whose key begins with `prefix` and lies after `after`, in key order.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>>;

    /// The keys that [`CheckpointStore::list`] gives, without their values: those may be large.
    async fn list_keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>>;

    /// Appends lines to a log, all or none, if its last line is still number `expected_last`
    /// (`None`: wherever it ends). Returns the number of the last line, or `None` if it is not.
    async fn append(
        &self,
        log: &str,
        lines: &[Vec<u8>],
        expected_last: Option<u64>,
    ) -> Result<Option<u64>>;

    /// Up to `limit` lines of a log after line `after`.
    async fn read_log(&self, log: &str, after: u64, limit: usize) -> Result<Vec<LogLine>>;

    /// The number of the last line of a log; zero if it has none.
    async fn log_end(&self, log: &str) -> Result<u64>;

    /// Removes every key and log of the migration: the clean-up.
    async fn clear(&self) -> Result<()>;
}

//! A checkpoint store in memory: for tests. Clones share one store, as processes share a database.

use super::{CheckpointStore, Entry, LogLine, Revision};
use crate::error::Result;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The checkpoints of one migration, in memory.
#[derive(Debug, Clone)]
pub struct MemoryCheckpoint {
    migration: Arc<str>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    revision: u64,
    // Keyed by (migration, key) and (migration, log).
    entries: BTreeMap<(Arc<str>, String), Entry>,
    logs: BTreeMap<(Arc<str>, String), Vec<Vec<u8>>>,
}

impl MemoryCheckpoint {
    /// An empty store.
    #[must_use]
    pub fn new(migration: &str) -> Self {
        Self { migration: migration.into(), shared: Arc::default() }
    }

    /// Another migration's view of the same store.
    #[must_use]
    pub fn beside(&self, migration: &str) -> Self {
        Self { migration: migration.into(), shared: Arc::clone(&self.shared) }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // A panic in a test must not hide behind a second one here; no step leaves a half-state.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, name: &str) -> (Arc<str>, String) {
        (Arc::clone(&self.migration), name.to_owned())
    }
}

#[async_trait]
impl CheckpointStore for MemoryCheckpoint {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        Ok(self.shared().entries.get(&self.key(key)).cloned())
    }

    async fn put(
        &self,
        key: &str,
        value: &[u8],
        expected: Option<Revision>,
    ) -> Result<Option<Revision>> {
        let key = self.key(key);
        let shared = &mut *self.shared();
        if shared.entries.get(&key).map(|entry| entry.revision) != expected {
            return Ok(None);
        }
        shared.revision += 1;
        let revision = Revision(shared.revision);
        shared.entries.insert(key, Entry { value: value.to_vec(), revision });
        Ok(Some(revision))
    }

    async fn remove(&self, key: &str, expected: Revision) -> Result<bool> {
        let key = self.key(key);
        let shared = &mut *self.shared();
        let is_expected = shared.entries.get(&key).is_some_and(|entry| entry.revision == expected);
        Ok(is_expected && shared.entries.remove(&key).is_some())
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(self.key(after)),
            _ => Bound::Included(self.key(prefix)),
        };
        Ok(self
            .shared()
            .entries
            .range((from, Bound::Unbounded))
            .take_while(|((migration, key), _)| {
                *migration == self.migration && key.starts_with(prefix)
            })
            .take(limit)
            .map(|((_, key), entry)| (key.clone(), entry.clone()))
            .collect())
    }

    async fn list_keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        let listed = self.list(prefix, after, limit).await?;
        Ok(listed.into_iter().map(|(key, _)| key).collect())
    }

    async fn append(
        &self,
        log: &str,
        lines: &[Vec<u8>],
        expected_last: Option<u64>,
    ) -> Result<Option<u64>> {
        let shared = &mut *self.shared();
        let key = self.key(log);
        let last = shared.logs.get(&key).map_or(0, |log| log.len() as u64);
        if expected_last.is_some_and(|expected| expected != last) {
            return Ok(None);
        }
        if lines.is_empty() {
            return Ok(Some(last));
        }
        let log = shared.logs.entry(key).or_default();
        log.extend_from_slice(lines);
        Ok(Some(log.len() as u64))
    }

    async fn read_log(&self, log: &str, after: u64, limit: usize) -> Result<Vec<LogLine>> {
        let shared = self.shared();
        let lines = shared.logs.get(&self.key(log)).map_or(&[][..], Vec::as_slice);
        let numbered = (1_u64..).zip(lines).skip_while(|(number, _)| *number <= after);
        let read = numbered.map(|(number, value)| LogLine { number, value: value.clone() });
        Ok(read.take(limit).collect())
    }

    async fn log_end(&self, log: &str) -> Result<u64> {
        Ok(self.shared().logs.get(&self.key(log)).map_or(0, |lines| lines.len() as u64))
    }

    async fn clear(&self) -> Result<()> {
        let shared = &mut *self.shared();
        shared.entries.retain(|(migration, _), _| *migration != self.migration);
        shared.logs.retain(|(migration, _), _| *migration != self.migration);
        Ok(())
    }
}

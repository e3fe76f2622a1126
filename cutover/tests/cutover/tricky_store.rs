//! A checkpoint store that fails, hangs or loses answers when it is told to.

use async_trait::async_trait;
use migration::checkpoint::{CheckpointStore, Entry, LogLine, MemoryCheckpoint, Revision};
use migration::error::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicU8, Ordering};

/// What the store does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mood {
    /// What it should.
    Works,
    /// Every call fails.
    Fails,
    /// No call ever returns.
    Hangs,
    /// A put takes effect, but the caller is told that nobody knows.
    LosesAnswers,
    /// A put does not take effect, and the caller is told that nobody knows.
    LosesPuts,
    /// An append fails.
    FailsToAppend,
    /// A log is neither read nor written: its calls never return.
    HangsOnLogs,
}

const MOODS: [Mood; 7] = [
    Mood::Works,
    Mood::Fails,
    Mood::Hangs,
    Mood::LosesAnswers,
    Mood::LosesPuts,
    Mood::FailsToAppend,
    Mood::HangsOnLogs,
];

#[derive(Debug)]
pub(crate) struct TrickyStore {
    inner: MemoryCheckpoint,
    mood: AtomicU8,
}

impl TrickyStore {
    pub(crate) fn new() -> Self {
        Self { inner: MemoryCheckpoint::new("flight"), mood: AtomicU8::new(Mood::Works as u8) }
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    fn mood(&self) -> Mood {
        MOODS[usize::from(self.mood.load(Ordering::SeqCst))]
    }

    async fn enter_log(&self) -> Result<()> {
        match self.mood() {
            Mood::HangsOnLogs => std::future::pending().await,
            _ => self.enter().await,
        }
    }

    async fn enter(&self) -> Result<()> {
        match self.mood() {
            Mood::Fails => Err(Error::new(ErrorKind::Unavailable, "reach store")),
            Mood::Hangs => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl CheckpointStore for TrickyStore {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        self.enter().await?;
        self.inner.get(key).await
    }

    async fn put(
        &self,
        key: &str,
        value: &[u8],
        expected: Option<Revision>,
    ) -> Result<Option<Revision>> {
        self.enter().await?;
        let lost = Err(Error::new(ErrorKind::UnknownOutcome, "put"));
        match self.mood() {
            Mood::LosesPuts => lost,
            Mood::LosesAnswers => {
                self.inner.put(key, value, expected).await?;
                lost
            }
            _ => self.inner.put(key, value, expected).await,
        }
    }

    async fn remove(&self, key: &str, expected: Revision) -> Result<bool> {
        self.enter().await?;
        self.inner.remove(key, expected).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>> {
        self.enter().await?;
        self.inner.list(prefix, after, limit).await
    }

    async fn list_keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        self.enter().await?;
        self.inner.list_keys(prefix, after, limit).await
    }

    async fn append(
        &self,
        log: &str,
        lines: &[Vec<u8>],
        expected_last: Option<u64>,
    ) -> Result<Option<u64>> {
        self.enter_log().await?;
        if self.mood() == Mood::FailsToAppend {
            return Err(Error::new(ErrorKind::Full, "append"));
        }
        self.inner.append(log, lines, expected_last).await
    }

    async fn read_log(&self, log: &str, after: u64, limit: usize) -> Result<Vec<LogLine>> {
        self.enter_log().await?;
        self.inner.read_log(log, after, limit).await
    }

    async fn log_end(&self, log: &str) -> Result<u64> {
        self.enter_log().await?;
        self.inner.log_end(log).await
    }

    async fn clear(&self) -> Result<()> {
        self.enter().await?;
        self.inner.clear().await
    }
}

//! A reader makes itself known: so that nobody removes the stage under a service that still follows
//! it, and that `cutover status` can say who does not follow.

use migration::checkpoint::document::{self, Document};
use migration::checkpoint::{CheckpointStore, Revision, Walk};
use migration::clock::Timestamp;
use migration::error::Result;
use migration::process::Process;
use std::time::Duration;

/// What the keys of all readers begin with.
const PREFIX: &str = "reader/";

/// A reader says something new at once, and otherwise this often.
const INTERVAL: Duration = Duration::from_secs(5);

/// A reader that was silent for so long has ended, or is cut off from the store and answers old.
const SILENT_AFTER: Duration = Duration::from_secs(20);

/// A reader that was silent for so long is forgotten when another one starts.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// A reader, as it last said.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReaderSeen {
    /// The process it is in.
    pub process: Process,
    /// The stage generation it decides by.
    pub generation: u32,
    /// When it said so.
    pub at: Timestamp,
}

impl Document for ReaderSeen {
    const NAME: &'static str = "reader";
    const FORMAT: u32 = 1;
}

/// The readers that live, as far as can be told.
///
/// # Errors
/// Those of the store, and `Unreadable`.
pub async fn readers(checkpoint: &dyn CheckpointStore) -> Result<Vec<ReaderSeen>> {
    let now = Timestamp::now();
    let (mut walk, mut readers) = (Walk::over(PREFIX), Vec::new());
    loop {
        let page = walk.next(checkpoint).await?;
        if page.is_empty() {
            return Ok(readers);
        }
        for (key, entry) in &page {
            let seen = document::decode::<ReaderSeen>(&entry.value);
            let seen = seen.map_err(|error| error.with("key", key))?;
            if now.since(seen.at) <= SILENT_AFTER && !seen.process.is_gone() {
                readers.push(seen);
            }
        }
    }
}

/// Keeps the entry of one reader.
#[derive(Debug)]
pub(super) struct Presence {
    process: Process,
    key: String,
    said: Option<Said>,
}

#[derive(Debug)]
struct Said {
    generation: u32,
    at: Timestamp,
    revision: Revision,
}

impl Presence {
    pub(super) fn new(process: Process) -> Self {
        let key = format!("{PREFIX}{:032x}", process.owner.0);
        Self { process, key, said: None }
    }

    /// Says what there is to say, if it is time to.
    pub(super) async fn say(
        &mut self,
        checkpoint: &dyn CheckpointStore,
        generation: u32,
    ) -> Result<()> {
        let at = Timestamp::now();
        let is_news = |said: &Said| said.generation != generation || at.since(said.at) >= INTERVAL;
        if !self.said.as_ref().is_none_or(is_news) {
            return Ok(());
        }
        if self.said.is_none() {
            forget_the_gone(checkpoint, at).await?;
        }
        let seen = ReaderSeen { process: self.process.clone(), generation, at };
        let mut expected = self.said.as_ref().map(|said| said.revision);
        // The second try is for a write whose outcome was lost, or an entry that was removed.
        for _ in 0..2 {
            let put = document::put(checkpoint, &self.key, &seen, expected).await?;
            if let Some(revision) = put {
                self.said = Some(Said { generation, at, revision });
                return Ok(());
            }
            expected = checkpoint.get(&self.key).await?.map(|entry| entry.revision);
        }
        Ok(())
    }

    /// Takes the entry away: the reader ends.
    pub(super) async fn leave(&self, checkpoint: &dyn CheckpointStore) -> Result<()> {
        let Some(said) = &self.said else { return Ok(()) };
        checkpoint.remove(&self.key, said.revision).await.map(drop)
    }
}

async fn forget_the_gone(checkpoint: &dyn CheckpointStore, now: Timestamp) -> Result<()> {
    let mut walk = Walk::over(PREFIX);
    loop {
        let page = walk.next(checkpoint).await?;
        if page.is_empty() {
            return Ok(());
        }
        for (key, entry) in page {
            // What cannot be read is shown as an error elsewhere, and not swept away here.
            let Ok(seen) = document::decode::<ReaderSeen>(&entry.value) else { continue };
            if seen.process.is_gone() || now.since(seen.at) > FORGOTTEN_AFTER {
                checkpoint.remove(&key, entry.revision).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PREFIX, Presence, ReaderSeen, readers};
    use migration::checkpoint::{CheckpointStore as _, MemoryCheckpoint, document};
    use migration::clock::Timestamp;
    use migration::process::Process;

    /// As many readers as say nothing any more, and one that does, behind all of them.
    async fn many(store: &MemoryCheckpoint, silent_s: i64) {
        let process = Process::start("reader");
        for number in 0..=1_200 {
            let silent_s = if number == 1_200 { 0 } else { silent_s };
            let at = Timestamp(Timestamp::now().0 - silent_s * 1_000_000);
            let seen = ReaderSeen { process: process.clone(), generation: 3, at };
            let key = format!("{PREFIX}{number:032x}");
            document::put(store, &key, &seen, None).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_reader_that_lives_is_found_behind_however_many_that_do_not() {
        let store = MemoryCheckpoint::new("m");
        many(&store, 60).await;
        assert_eq!(readers(&store).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn all_readers_of_long_ago_are_forgotten_when_another_one_starts() {
        let store = MemoryCheckpoint::new("m");
        many(&store, 25 * 3_600).await;
        Presence::new(Process::start("reader")).say(&store, 3).await.unwrap();
        assert_eq!(store.list(PREFIX, None, 9).await.unwrap().len(), 2);
    }
}

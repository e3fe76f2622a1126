//! The replay of dead letters.
//!
//! A letter's version decides where a guard can: a record that was written later is left alone. In
//! every other case the record becomes what the source holds, by a repair that carries the letter's
//! version: only the source knows what came after a letter that no guard remembers.

use migration::dead_letter::DeadLetter;
use migration::decode::{Change, Decoder};
use migration::error::{Error, ErrorKind, Result};
use migration::key::Key;
use migration::layout::Layout;
use migration::position::Version;
use migration::protocol::{Live, Replay, live, replay};
use migration::repair::{RepairItem, Repairer, items_of};
use std::sync::Arc;

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replayed {
    /// The target holds it already, or something newer.
    Overtaken,
    /// The record is as the source holds it.
    Repaired,
}

/// Replays letters.
#[derive(Debug)]
pub struct Replayer {
    decoder: Decoder,
    repairer: Repairer,
}

impl Replayer {
    /// Replays letters that `decoder` reads.
    #[must_use]
    pub fn new(decoder: Decoder, repairer: Repairer) -> Self {
        Self { decoder, repairer }
    }

    /// Replays one letter. Again is safe.
    ///
    /// # Errors
    /// `Refused` if neither the change nor the key of its record can be read; those of source,
    /// queue and target.
    pub async fn replay(&self, letter: &DeadLetter) -> Result<Replayed> {
        let (layout, key, change) = self.read(letter)?;
        let version = letter.summary.version()?;
        let mut open = Vec::new();
        for item in items_of(layout, &key, version)? {
            if !self.is_overtaken(layout, &item, change.as_ref(), version).await? {
                open.push(item);
            }
        }
        if open.is_empty() {
            return Ok(Replayed::Overtaken);
        }
        self.repairer.replay(layout, &open, &letter.summary.end()?).await?;
        Ok(Replayed::Repaired)
    }

    /// The record that a letter speaks of, and the change if it can be decoded by now.
    fn read(&self, letter: &DeadLetter) -> Result<(&Arc<Layout>, Key, Option<Change>)> {
        if let Some((place, change)) =
            self.decoder.decode_one(&letter.message()?, letter.summary.index)
        {
            return Ok((&self.decoder.layouts()[place], change.key.clone(), Some(change)));
        }
        let table = letter.summary.table.as_ref().unwrap_or(&letter.summary.topic);
        let of_table = |layout: &&Arc<Layout>| layout.source().table == *table;
        match (self.decoder.layouts().iter().find(of_table), letter.summary.record()) {
            (Some(layout), Some(key)) => Ok((layout, key, None)),
            _ => Err(unreadable(letter)),
        }
    }

    /// Whether a guard shows that the record was written by this change or a later one.
    async fn is_overtaken(
        &self,
        layout: &Layout,
        item: &RepairItem,
        change: Option<&Change>,
        version: Option<Version>,
    ) -> Result<bool> {
        let (Some(change), Some(version)) = (change, version) else {
            return Ok(false);
        };
        let table = &layout.targets()[item.target].schema().table;
        let target = &self.repairer.targets[item.instance];
        let keys = std::slice::from_ref(&item.key);
        let source = &layout.source().table;
        let guard = target.guards(source, table, keys).await?.into_iter().next().flatten();
        if replay(guard.as_ref(), change.effect) == Replay::Repair {
            return Ok(false);
        }
        let decision = live(guard.as_ref(), &version, change.effect, false);
        Ok(matches!(decision, Live::SkipDuplicate | Live::SkipStale))
    }
}

/// What to do with a letter of which not even the key can be read.
fn unreadable(letter: &DeadLetter) -> Error {
    let id = letter.id();
    Error::new(ErrorKind::Refused, "replay dead letter: it still cannot be decoded")
        .with("id", &id)
        .with("table", &letter.summary.topic)
        .hint(format!(
            "find out which record it is (`dual-write dlq show {id}`) and write that record again \
             in the service, then give the letter up: `dual-write dlq drop {id} --reason ...`; \
             `verify run` and `verify repair` find what is left"
        ))
}

//! What a run leaves in the checkpoint store: where it is, what it counted, what it found.
//!
//! A run that is killed goes on from its record. A difference is kept under its own identity, so
//! one that is found again after a restart is still one.

use crate::basis::Basis;
use crate::difference::Difference;
use crate::pass::PassKind;
use crate::scope::Scope;
use crate::suspect::Reached;
use crate::tally::Tally;
use migration::checkpoint::document::{self, Document};
use migration::checkpoint::verdict::Verdict;
use migration::checkpoint::{CheckpointStore, Revision};
use migration::clock::Timestamp;
use migration::error::{Error, ErrorKind, Result};
use migration::key::Key;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Key of the run under way, or the last one.
const CURRENT_KEY: &str = "verify/run";

/// Differences kept by name in one run; the rest are counted, and cannot be read again. A run that
/// finds this many needs a backfill, not a repair.
pub const DIFFERENCES_KEPT_MAX: u64 = 10_000;

/// Entries per read of a list.
const PAGE: usize = 500;

/// A run, as far as it has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    /// Names the run: the moment it began.
    pub id: String,
    /// What it compares.
    pub scope: Scope,
    /// The plan and the history of the source it began with: see
    /// [`migration::plan::Plan::edition`].
    pub edition: String,
    /// When it began.
    pub started_at: Timestamp,
    /// How often it was interrupted and gone on with.
    #[serde(default)]
    pub interruptions: u32,
    /// When it was gone on with for the last time.
    #[serde(default)]
    pub resumed_at: Option<Timestamp>,
    /// What came out, once everything was compared. It is here before it is in the log of verdicts,
    /// so that a run that dies between the two loses nothing.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// Records it has read of the side it walks: how far it is. A target table in another order
    /// than the source is walked from both sides.
    #[serde(default)]
    pub walked: u64,
    /// What it counted.
    pub tally: Tally,
    /// Those of the tally that disagree and are not kept by name.
    #[serde(default)]
    pub(crate) not_kept: Tally,
    /// Where the target was when this was saved; none as long as nothing was compared.
    #[serde(default)]
    pub(crate) basis: Option<Basis>,
    /// Where it goes on.
    pub(crate) place: Place,
}

impl Document for RunRecord {
    const NAME: &'static str = "verify run";
    const FORMAT: u32 = 1;
}

impl Document for Difference {
    const NAME: &'static str = "difference";
    const FORMAT: u32 = 1;
}

impl RunRecord {
    /// A run that begins.
    #[must_use]
    pub fn new(scope: Scope, edition: String, now: Timestamp) -> Self {
        Self {
            id: now.to_rfc3339().replace([':', '.'], "-"),
            scope,
            edition,
            started_at: now,
            interruptions: 0,
            resumed_at: None,
            verdict: None,
            walked: 0,
            tally: Tally::default(),
            not_kept: Tally::default(),
            basis: None,
            place: Place::start(),
        }
    }
}

/// Where a run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Index of the source table in the plan.
    pub(crate) table: usize,
    /// Index of the target table under it.
    pub(crate) into: usize,
    /// The pass; none at the beginning of a target table.
    pub(crate) pass: Option<PassKind>,
    /// The instance, in a walk of the target.
    pub(crate) instance: usize,
    /// The last key dealt with, in hexadecimal; none at the beginning.
    pub(crate) after: Option<String>,
}

impl Place {
    /// The beginning of everything.
    pub(crate) fn start() -> Self {
        Self::table(0)
    }

    /// The beginning of a table; the end of everything, if there is none of this number.
    pub(crate) fn table(table: usize) -> Self {
        Self { table, into: 0, pass: None, instance: 0, after: None }
    }

    /// This place, further along in a pass.
    pub(crate) fn at(&self, pass: PassKind, reached: &Reached) -> Self {
        let (instance, after) = match reached {
            Reached::After { instance, key } => (*instance, key.as_ref().map(Key::to_hex)),
            Reached::Start | Reached::End => (0, None),
        };
        Self { pass: Some(pass), instance, after, ..*self }
    }

    /// Where the pass at this place goes on.
    pub(crate) fn reached(&self) -> Result<Reached> {
        let key = self.after.as_deref().map(Key::from_hex).transpose()?;
        Ok(Reached::After { instance: self.instance, key })
    }
}

/// A difference as it is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    key: String,
    revision: Revision,
    /// The difference.
    pub(crate) difference: Difference,
}

/// The records of runs in the checkpoint store.
#[derive(Debug, Clone)]
pub struct Records {
    checkpoint: Arc<dyn CheckpointStore>,
}

impl Records {
    /// Opens them.
    #[must_use]
    pub fn new(checkpoint: Arc<dyn CheckpointStore>) -> Self {
        Self { checkpoint }
    }

    /// The run under way, or the last one.
    ///
    /// # Errors
    /// Those of the checkpoint store; `Unreadable` if the record is damaged.
    pub async fn current(&self) -> Result<Option<(RunRecord, Revision)>> {
        document::read(&*self.checkpoint, CURRENT_KEY).await
    }

    /// Writes a run's record over revision `expected`.
    ///
    /// # Errors
    /// `Fenced` if another run has begun meanwhile; those of the checkpoint store.
    pub async fn save(&self, record: &RunRecord, expected: Option<Revision>) -> Result<Revision> {
        let saved = document::put(&*self.checkpoint, CURRENT_KEY, record, expected).await?;
        saved.ok_or_else(|| {
            Error::new(ErrorKind::Fenced, "save the run: another verify run has begun")
                .with("run", &record.id)
                .hint("see what runs: `verify status`")
        })
    }

    /// The revision of the current record, readable or not: for a run that replaces it.
    ///
    /// # Errors
    /// Those of the checkpoint store.
    pub async fn revision(&self) -> Result<Option<Revision>> {
        Ok(self.checkpoint.get(CURRENT_KEY).await?.map(|entry| entry.revision))
    }

    /// Keeps differences of a run. Keeping one again changes nothing.
    ///
    /// # Errors
    /// Those of the checkpoint store.
    pub async fn keep(&self, run: &str, differences: &[Difference]) -> Result<()> {
        for difference in differences {
            let key = format!(
                "verify/difference/{run}/{}/{}/{}",
                difference.target_table, difference.instance, difference.range_key
            );
            // A lost race means that it is there already.
            let _kept = document::put(&*self.checkpoint, &key, difference, None).await?;
        }
        Ok(())
    }

    /// One page of a run's differences: those after `after`, a key that this method returned.
    ///
    /// # Errors
    /// Those of the checkpoint store; `Unreadable` if an entry is damaged.
    pub async fn differences(
        &self,
        run: &str,
        after: Option<&str>,
    ) -> Result<Vec<(String, Difference)>> {
        let kept = self.page(run, after).await?;
        Ok(kept.into_iter().map(|kept| (kept.key, kept.difference)).collect())
    }

    async fn page(&self, run: &str, after: Option<&str>) -> Result<Vec<Kept>> {
        let prefix = format!("verify/difference/{run}/");
        let entries = self.checkpoint.list(&prefix, after, PAGE).await?;
        entries
            .into_iter()
            .map(|(key, entry)| {
                let difference =
                    document::decode(&entry.value).map_err(|error| error.with("key", &key))?;
                Ok(Kept { key, revision: entry.revision, difference })
            })
            .collect()
    }

    /// Everything that is kept of a run: about [`DIFFERENCES_KEPT_MAX`] at most.
    pub(crate) async fn all_kept(&self, run: &str) -> Result<Vec<Kept>> {
        let mut all: Vec<Kept> = Vec::new();
        loop {
            let page = self.page(run, all.last().map(|kept| kept.key.as_str())).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Keeps what a difference has become; nothing, if it is none any more.
    pub(crate) async fn replace(&self, kept: &Kept, now: Option<&Difference>) -> Result<()> {
        // A lost race, here and below, is against `abort`, which removes everything.
        match now {
            Some(now) if *now == kept.difference => {}
            Some(now) => {
                let expected = Some(kept.revision);
                document::put(&*self.checkpoint, &kept.key, now, expected).await?;
            }
            None => {
                self.checkpoint.remove(&kept.key, kept.revision).await?;
            }
        }
        Ok(())
    }

    /// Removes what older runs found: only the last run's differences mean anything.
    ///
    /// # Errors
    /// Those of the checkpoint store.
    pub async fn forget_others(&self, run: &str) -> Result<()> {
        let mine = format!("verify/difference/{run}/");
        let mut after: Option<String> = None;
        loop {
            let page = self.checkpoint.list("verify/difference/", after.as_deref(), PAGE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            for (key, entry) in page {
                if !key.starts_with(&mine) {
                    self.checkpoint.remove(&key, entry.revision).await?;
                }
            }
        }
    }
}
